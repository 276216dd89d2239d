"""Tables as binary columns: what numpy holds, as it lies in memory, behind a JSON header (docs/api.md).

    0   8 bytes   b"TRCOLS1\\n"
    8   uint64    bytes of the header, with its padding: a multiple of 8
    16  uint64    bytes of the whole document, so that documents can follow one another in a stream
    24  header    JSON, UTF-8, padded with blanks
        buffers   each at a multiple of 8, at the offset (from the first buffer) that the header gives

Numbers are little-endian, rows one after the other. Text is a buffer of uint32 numbers, one a row, and `words`: the
distinct texts as a JSON array. Most texts come often (names of processes and calls), so this is both the shortest and
the fastest form: each distinct text is encoded once, and decoded once. A column's description also has what the column
means, where that is known (`tracerd.snapshot.Meaning`).
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import count
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tracerd.errors import RunError
from tracerd.snapshot import Meaning

MAGIC = b"TRCOLS1\n"
HEAD = struct.Struct("<8sQQ")
MOST_BYTES = 1 << 30
"""A document that claims to be larger is damaged."""

_NUMBERS = "biuf"
_NO_MEANING = Meaning()
_MEANINGS = {each.name for each in fields(Meaning)}

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Block:
    """One table of a document. Columns have equal length; a histogram's has a second axis."""

    name: str
    columns: Mapping[str, Array]
    probe: str = ""
    meanings: Mapping[str, Meaning] = field(default_factory=dict)     # of columns that have one


def encode(about: Mapping[str, object], blocks: Sequence[Block]) -> bytes:
    """Return a document: `about` is whatever else its header should say."""
    buffers: list[bytes] = []
    used = 0

    def place(data: bytes) -> dict[str, int]:
        nonlocal used
        padding = -len(data) % 8
        found = {"offset": used, "bytes": len(data)}
        buffers.append(data)
        buffers.append(b"\0" * padding)
        used += len(data) + padding
        return found

    tables = []
    for block in blocks:
        described = []
        for name, column in block.columns.items():
            meaning = _said(block.meanings.get(name, _NO_MEANING))
            described.append({"name": name, "shape": list(column.shape), **meaning, **_column(column, place)})
        rows = len(next(iter(block.columns.values()))) if block.columns else 0
        tables.append({"probe": block.probe, "name": block.name, "rows": rows, "columns": described})
    header = msgspec.json.encode({**about, "tables": tables}, enc_hook=plain)
    header += b" " * (-len(header) % 8)
    return b"".join((HEAD.pack(MAGIC, len(header), HEAD.size + len(header) + used), header, *buffers))


def _said(meaning: Meaning) -> dict[str, object]:
    """Return what a meaning says, without what it leaves open."""
    return {name: value for name, value in asdict(meaning).items() if value}


def _column(column: Array, place: Any) -> dict[str, object]:
    if column.dtype.kind in _NUMBERS:
        little = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
        return {"dtype": little.dtype.str, **place(little.tobytes())}
    numbers, words = _words(column)
    return {"dtype": "text", **place(numbers.tobytes()), "words": place(words)}


def _words(column: Array) -> tuple[npt.NDArray[np.uint32], bytes]:
    """Return each row's number and the distinct texts, in the order they come."""
    values = column.ravel().tolist()
    number_of: defaultdict[object, int] = defaultdict(count().__next__)     # a text that is new gets the next number
    numbers = np.fromiter(map(number_of.__getitem__, values), np.uint32, len(values))
    words = list(number_of)
    return numbers, _json(words if set(map(type, words)) <= {str} else list(map(_text, words)))


def _text(word: object) -> str:
    if isinstance(word, str):
        return word
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _json(words: Sequence[object]) -> bytes:
    try:
        return msgspec.json.encode(words)
    except UnicodeEncodeError:               # half a surrogate pair has no UTF-8
        return msgspec.json.encode([str(word).encode("utf-8", "replace").decode() for word in words])


def plain(value: object) -> object:
    """Return what JSON has for a value of numpy's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def decode(document: bytes) -> tuple[dict[str, Any], list[Block]]:
    """Return a document's header and tables. Columns of numbers are views of its bytes, so they are read-only.

    Raises:
        RunError: it is damaged.
    """
    try:
        header, body = _open(document)
        blocks = [_block(table, body) for table in header["tables"]]
    except (KeyError, TypeError, ValueError, IndexError, RecursionError, struct.error) as error:
        raise RunError("columns", f"the document is damaged: {error}") from error
    return header, blocks


def _open(document: bytes) -> tuple[dict[str, Any], memoryview]:
    header_bytes, total = sizes(document)
    if total != len(document):
        raise ValueError(f"{len(document)} bytes, not the {total} it says")
    header = json.loads(document[HEAD.size : HEAD.size + header_bytes])
    return header, memoryview(document)[HEAD.size + header_bytes :]


def sizes(head: bytes) -> tuple[int, int]:
    """Return the bytes of a document's header and of all of it, from its first 24 bytes.

    Raises:
        ValueError: that is no document.
    """
    if len(head) < HEAD.size:
        raise ValueError("too short")
    magic, header_bytes, total = HEAD.unpack_from(head)
    if magic != MAGIC or total > MOST_BYTES or HEAD.size + header_bytes > total:
        raise ValueError("no document of columns")
    return header_bytes, total


def _block(table: Mapping[str, Any], body: memoryview) -> Block:
    columns = {each["name"]: _read(each, body) for each in table["columns"]}
    meanings = {each["name"]: _meaning(each) for each in table["columns"] if not _MEANINGS.isdisjoint(each)}
    return Block(table["name"], columns, table["probe"], meanings)


def _meaning(column: Mapping[str, Any]) -> Meaning:
    unit, flags = str(column.get("unit", "")), (bool(column.get(name)) for name in ("rate", "key", "about"))
    return Meaning(unit, *flags)


def _read(column: Mapping[str, Any], body: memoryview) -> Array:
    shape = tuple(column["shape"])
    data = _slice(column, body)
    if column["dtype"] != "text":
        return np.frombuffer(data, np.dtype(column["dtype"])).reshape(shape)
    words = np.array([*json.loads(bytes(_slice(column["words"], body))), None], dtype=object)[:-1]
    numbers = np.frombuffer(data, np.uint32)
    return words[numbers].reshape(shape) if len(numbers) else np.empty(shape, dtype=object)


def _slice(where: Mapping[str, Any], body: memoryview) -> memoryview:
    start, size = where["offset"], where["bytes"]
    if not 0 <= start <= start + size <= len(body):
        raise ValueError("a buffer lies outside")
    return body[start : start + size]


def documents(read: Any) -> Iterator[bytes]:
    """Yield the documents of a stream, which `read(n)` returns at most n bytes of; it ends between two of them.

    Raises:
        RunError: the stream is damaged, or ends within a document.
    """
    while head := _exactly(read, HEAD.size):
        try:
            _, total = sizes(head)
        except ValueError as error:
            raise RunError("stream", f"is damaged: {error}") from error
        yield head + _exactly(read, total - HEAD.size)


def _exactly(read: Any, size: int) -> bytes:
    """Return so many bytes; none at all only at the end of a stream that has none."""
    got = bytearray()
    while len(got) < size:
        part = read(size - len(got))
        if not part:
            if got or size != HEAD.size:
                raise RunError("stream", "ended within a message: the daemon stopped, or we read too slowly")
            return b""
        got += part
    return bytes(got)
