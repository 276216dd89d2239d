"""Read instrumentation manifests (`.man`): what a provider's author gives to `wevtutil` and `mc`.

Format: "Instrumentation manifest" of MicrosoftDocs/win32 (eventman.xsd). An event's fields are its template's; its name
is its symbol, or else its task's and opcode's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID
from xml.etree.ElementTree import Element

from tracerd.errors import ConfigError
from tracerd.native import lib
from tracerd.sources.schema.model import Event, Field, Provider, Ref, ValueMap
from tracerd.sources.schema.types import NUMBERS, SIZED, from_manifest
from tracerd.sources.schema.xml_tree import read_xml

MAX_FIELDS = lib.TR_ETW_MAX_FIELDS
_OPCODES = {"Info": 0, "Start": 1, "Stop": 2, "DC_Start": 3, "DC_Stop": 4, "Extension": 5, "Reply": 6, "Resume": 7,
            "Suspend": 8, "Send": 9, "Receive": 240}
_LEVELS = {"LogAlways": 0, "Critical": 1, "Error": 2, "Warning": 3, "Informational": 4, "Verbose": 5}


def read_manifest(path: Path) -> list[Provider]:
    """Return the providers of a manifest.

    Raises:
        ConfigError: it is no manifest, or something in it makes no sense.
    """
    return providers_of(read_xml(path), str(path), f"manifest {path.name}")


def providers_of(root: Element, where: str, source: str) -> list[Provider]:
    """Return the providers of a manifest's tree; `where` is for errors, `source` what the providers say of themselves.

    Raises:
        ConfigError: it is no manifest, or something in it makes no sense.
    """
    texts = {each.get("id", ""): each.get("value", "") for each in root.iter("string")}
    providers = [_Manifest(where, source, element, texts).provider() for element in root.iter("provider")]
    if not providers:
        raise ConfigError(where, "is no instrumentation manifest: there is no <provider> in it")
    return providers


@dataclass
class _Manifest:
    where: str
    source: str
    element: Element
    texts: Mapping[str, str]

    def provider(self) -> Provider:
        """Return the provider with all its events."""
        self._name = self._attribute(self.element, "name")
        maps = dict(self._maps())
        templates = {self._attribute(each, "tid"): self._fields(each, maps) for each in self.element.iter("template")}
        self._tasks = self._numbers("task", {})
        self._opcodes = self._numbers("opcode", _OPCODES)
        self._levels = self._numbers("level", _LEVELS)
        keywords = {name: mask for name, mask in self._numbers("keyword", {}, "mask").items() if mask}
        events: dict[tuple[int, int], Event] = {}
        for each in self.element.iter("event"):
            event = self._event(each, templates, keywords)
            events[event.number, event.version] = event
        return Provider(self._name, self._guid(), events=events, maps=maps, keywords=keywords, sources=(self.source,))

    def _guid(self) -> UUID:
        text = self._attribute(self.element, "guid")
        try:
            return UUID(text)
        except ValueError:
            raise self._error(f"guid {text!r} is none") from None

    def _numbers(self, kind: str, known: Mapping[str, int], key: str = "value") -> dict[str, int]:
        """Return numbers by name; "win:" may stand before a name of Windows' own."""
        found = {each.get("name", ""): self._integer(each.get(key, "0")) for each in self.element.iter(kind)}
        return {**known, **{f"win:{name}": number for name, number in known.items()}, **found}

    def _event(
        self, element: Element, templates: Mapping[str, tuple[Field, ...]], keywords: Mapping[str, int]
    ) -> Event:
        number, version = self._integer(self._attribute(element, "value")), self._integer(element.get("version", "0"))
        if not (0 <= number <= 0xFFFF and 0 <= version <= 0xFF):
            raise self._error(f"event {number} version {version}: up to 65535 and 255")
        template = element.get("template")
        if template and template not in templates:
            raise self._error(f"event {number}: there is no template {template!r}")
        mask = 0
        for name in element.get("keywords", "").split():
            mask |= keywords.get(name, 0)
        task, opcode = element.get("task", ""), element.get("opcode", "")
        return Event(
            number=number,
            version=version,
            name=element.get("symbol") or "".join(map(_bare, (task, opcode))) or f"Event{number}",
            fields=templates[template] if template else (),
            level=self._levels.get(element.get("level", "")),
            opcode=self._opcodes.get(opcode),
            task=self._tasks.get(task),
            keyword=mask or None,
        )

    def _maps(self) -> Iterator[tuple[str, ValueMap]]:
        for kind in ("valueMap", "bitMap"):
            for each in self.element.iter(kind):
                rows = {self._integer(row.get("value", "0")): self._text(row.get("message", "")) for row in each}
                yield self._attribute(each, "name"), ValueMap(rows, bits=kind == "bitMap")

    def _text(self, message: str) -> str:
        """Return what a message means: "$(string.ID)" is in the string table."""
        if message.startswith("$(string.") and message.endswith(")"):
            identity = message[len("$(string."):-1]
            return self.texts.get(identity, identity).strip()
        return message

    def _fields(
        self, parent: Element, maps: Mapping[str, ValueMap], around: tuple[Field, ...] = ()
    ) -> tuple[Field, ...]:
        fields: tuple[Field, ...] = ()
        if len(parent) > MAX_FIELDS:
            raise self._error(f"<{parent.tag}> has more than {MAX_FIELDS} fields")
        for each in parent:
            before = (*around, *fields)
            if each.tag == "data":
                fields += (self._data(each, maps, before),)
            elif each.tag == "struct":
                name = self._attribute(each, "name")
                members = self._fields(each, maps, before)
                fields += (Field(name, "struct", count=self._ref(each, "count", name, before), members=members),)
        return fields

    def _data(self, element: Element, maps: Mapping[str, ValueMap], before: tuple[Field, ...]) -> Field:
        name, in_type = self._attribute(element, "name"), self._attribute(element, "inType")
        kind = from_manifest(in_type, element.get("outType", ""))
        if kind is None:
            raise self._error(f"field {name!r}: there is no inType {in_type!r}")
        length = self._ref(element, "length", name, before)
        if length is not None and kind in ("utf16z", "ansiz"):
            kind = kind[:-1]                 # a text with a length has no zero at its end
        if kind in SIZED and length is None:
            raise self._error(f"field {name!r}: {in_type} needs a length")
        of_map = element.get("map", "")
        return Field(
            name, kind, length if kind in SIZED else None, self._ref(element, "count", name, before),
            of_map if of_map in maps else "",
        )

    def _ref(self, element: Element, key: str, name: str, before: tuple[Field, ...]) -> Ref | None:
        text = element.get(key)
        if text is None:
            return None
        if text[:1].isdigit():
            return self._integer(text)
        if not any(each.name == text and each.type in NUMBERS and each.count is None for each in before):
            raise self._error(f"field {name!r}: its {key} {text!r} is no number before it")
        return text

    def _attribute(self, element: Element, key: str) -> str:
        value = element.get(key)
        if not value:
            raise self._error(f"a <{element.tag}> has no {key}")
        return value

    def _integer(self, text: str) -> int:
        try:
            return int(text, 0)
        except ValueError:
            raise self._error(f"{text!r} is no number") from None

    def _error(self, cause: str) -> ConfigError:
        name = self.element.get("name")
        return ConfigError(f"{self.where}: provider {name}" if name else self.where, cause)


def _bare(name: str) -> str:
    return name.rpartition(":")[2]
