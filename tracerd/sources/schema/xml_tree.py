"""XML that others wrote, as a tree. No document type, so no entities and nothing fetched; bounded in size and depth."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tracerd.errors import ConfigError

MAX_BYTES = 64 << 20
MAX_DEPTH = 64


def read_xml(path: Path) -> Element:
    """Return the root element of a file; names are without their namespace.

    Raises:
        ConfigError: it cannot be read, is too large or deep, is no XML, or has a document type.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror or error}") from error
    return parse_xml(data, str(path))


def parse_xml(data: bytes, where: str) -> Element:
    """Return the root element of a document; names are without their namespace.

    Raises:
        ConfigError: it is too large or deep, is no XML, or has a document type.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(where, f"is larger than {MAX_BYTES >> 20} MiB")
    try:
        return _Tree().parse(data)
    except expat.ExpatError as error:
        raise ConfigError(f"{where}:{error.lineno}", f"is no XML: {expat.errors.messages[error.code]}") from error
    except _RefusedError as error:
        raise ConfigError(where, str(error)) from error


class _RefusedError(Exception):
    pass


class _Tree:
    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._builder.data
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.EntityDeclHandler = self._refuse_doctype

    def parse(self, data: bytes) -> Element:
        self._parser.Parse(data, True)
        return self._builder.close()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _RefusedError(f"has elements more than {MAX_DEPTH} deep")
        plain = {_plain(key): value for key, value in attributes.items()}
        self._builder.start(_plain(name), plain)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._builder.end(_plain(name))

    def _refuse_doctype(self, *_: object) -> None:
        raise _RefusedError("has a document type, which a manifest does not need and which can do harm: remove it")


def _plain(name: str) -> str:
    return name.rpartition("}")[2]
