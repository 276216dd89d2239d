"""Read `.events` files: the compact form in which the package ships schemas. docs/etw.md has the grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

from tracerd.errors import ConfigError
from tracerd.sources.schema.model import REST, Event, Field, Provider, Ref, ValueMap
from tracerd.sources.schema.types import NUMBERS, SIZED, TYPES

_TOKEN = re.compile(r"\s*([{}:=*\[\]]|[^\s{}:=*\[\]]+)")
_HEAD = re.compile(
    r"(?P<kind>provider|class)\s+(?P<name>\S+)\s+\{?(?P<guid>[0-9a-fA-F-]{36})\}?(?:\s+group=(?P<group>0x[0-9a-fA-F]{1,2}))?"
)
_EVENT = re.compile(r"event\s+(?P<number>\S+)\s+(?P<version>\S+)\s+(?P<name>\S+)(?P<options>(?:\s+\w+=\S+)*)")
_OPTIONS = ("level", "opcode", "task", "keyword")


@dataclass(frozen=True, slots=True)
class Head:
    """A file's first line."""

    name: str
    guid: UUID
    is_class: bool
    group: int | None


def read_head(text: str) -> Head | None:
    """Return what the first line that is no comment says, or None if it is none of a schema file."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            found = _HEAD.fullmatch(line.strip())
            if not found:
                return None
            group = int(found["group"], 0) if found["group"] else None
            return Head(found["name"], UUID(found["guid"]), found["kind"] == "class", group)
    return None


def read_events(text: str, where: str) -> Provider:
    """Return the provider that a file describes.

    Raises:
        ConfigError: a line makes no sense; it is named.
    """
    reader = _Reader(where)
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split("#", 1)[0] if line.lstrip().startswith("#") else line
        if content.strip():
            reader.line(content.rstrip(), number)
    return reader.finish()


@dataclass
class _Reader:
    where: str
    number: int = 0
    provider: Provider | None = None
    sources: list[str] = field(default_factory=list)
    keywords: dict[str, int] = field(default_factory=dict)
    maps: dict[str, ValueMap] = field(default_factory=dict)
    events: dict[tuple[int, int], Event] = field(default_factory=dict)
    event: Event | None = None
    payload: list[str] = field(default_factory=list)

    def line(self, line: str, number: int) -> None:
        """Take one line."""
        if line[0].isspace():
            self._need(self.event is not None, "fields before any event")
            self.payload.append(line)
            return
        self._finish_event()
        self.number = number
        word, _, rest = line.partition(" ")
        words: dict[str, Callable[[str], None]] = {
            "provider": lambda _: self._head(line), "class": lambda _: self._head(line), "source": self.sources.append,
            "keyword": self._keyword, "map": self._map, "bits": self._bits, "event": lambda _: self._event(line),
        }
        if word not in words:
            raise self._error(f"{word!r} is no line of a schema file")
        words[word](rest.strip())

    def finish(self) -> Provider:
        """Return what was read."""
        self._finish_event()
        if self.provider is None:
            raise self._error("does not start with `provider NAME GUID` or `class NAME GUID`")
        return replace(
            self.provider, events=self.events, maps=self.maps, keywords=self.keywords, sources=tuple(self.sources)
        )

    def _head(self, line: str) -> None:
        head = read_head(line)
        if head is None or self.provider is not None:
            raise self._error("is not the one line `provider NAME GUID` or `class NAME GUID [group=0xHH]`")
        self.provider = Provider(head.name, head.guid, head.is_class, head.group)

    def _keyword(self, rest: str) -> None:
        mask, _, name = rest.partition(" ")
        self.keywords[name.strip()] = self._integer(mask)

    def _map(self, rest: str) -> None:
        self._values(rest, bits=False)

    def _bits(self, rest: str) -> None:
        self._values(rest, bits=True)

    def _values(self, rest: str, *, bits: bool) -> None:
        name, *pairs = rest.split()
        split = [pair.partition("=") for pair in pairs]
        values = {self._integer(value): label for value, _, label in split}
        before = self.maps.get(name)
        self.maps[name] = ValueMap({**(before.values if before else {}), **values}, bits)

    def _event(self, line: str) -> None:
        found = _EVENT.fullmatch(line)
        if not found:
            raise self._error("is not `event NUMBER VERSION NAME [level=N] [opcode=N] [task=N] [keyword=0xMASK]`")
        options = dict(option.split("=", 1) for option in found["options"].split())
        for key in options:
            self._need(key in _OPTIONS, f"{key!r} is no option of an event")
        level, opcode, task, keyword = (self._integer(options[key]) if key in options else None for key in _OPTIONS)
        number, version = self._integer(found["number"]), self._integer(found["version"])
        self._need(0 <= number <= 0xFFFF and 0 <= version <= 0xFF, "a number is up to 65535, a version up to 255")
        self.event = Event(number, version, found["name"], (), level, opcode, task, keyword)

    def _finish_event(self) -> None:
        event, text = self.event, " ".join(self.payload)
        self.event, self.payload = None, []
        if event is None:
            return
        key = (event.number, event.version)
        self._need(key not in self.events, f"event {event.number} {event.version} is there twice")
        self.events[key] = replace(event, fields=self._fields(text))

    def _fields(self, text: str) -> tuple[Field, ...]:
        words = text.split()
        if words[:1] == ["="]:
            self._need(len(words) == 3, "is not `= NUMBER VERSION`")
            same = self.events.get((self._integer(words[1]), self._integer(words[2])))
            if same is None:
                raise self._error(f"= {words[1]} {words[2]}: there is no such event before it")
            return same.fields
        try:
            return parse_fields(text, self.maps)
        except ValueError as error:
            raise self._error(str(error)) from error

    def _integer(self, text: str) -> int:
        try:
            return int(text, 0)
        except ValueError:
            raise self._error(f"{text!r} is no number") from None

    def _need(self, condition: bool, cause: str) -> None:
        if not condition:
            raise self._error(cause)

    def _error(self, cause: str) -> ConfigError:
        return ConfigError(f"{self.where}:{self.number}", cause)


def parse_fields(text: str, maps: Iterable[str] = ()) -> tuple[Field, ...]:
    """Return the fields of a payload from their written form, "Count:u32 Names:utf16z*Count".

    Raises:
        ValueError: it makes no sense.
    """
    tokens = _Tokens(_TOKEN.findall(text))
    fields = _parse_list(tokens, frozenset(maps), ())
    if tokens.peek():
        raise ValueError(f"{tokens.peek()!r} closes nothing")
    return fields


class _Tokens:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str:
        """Return the next one, or "" at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        """Return the next one, which must be `wanted` if that is given."""
        token = self.peek()
        if not token or (wanted and token != wanted):
            before = repr(token) if token else "the end"
            raise ValueError(f"{wanted or 'something'!r} is missing before {before}")
        self._at += 1
        return token

    def passes(self, wanted: str) -> bool:
        """Pass the next one if it is that."""
        if self.peek() != wanted:
            return False
        self._at += 1
        return True


def _parse_list(tokens: _Tokens, maps: frozenset[str], around: tuple[Field, ...]) -> tuple[Field, ...]:
    fields: tuple[Field, ...] = ()
    while tokens.peek() not in ("", "}"):
        fields += (_parse_field(tokens, maps, (*around, *fields)),)
    return fields


def _parse_field(tokens: _Tokens, maps: frozenset[str], before: tuple[Field, ...]) -> Field:
    """Read one field, or a struct that has no name of its own ("{A:u32 B:u32}*Count")."""
    name = ""
    if tokens.peek() != "{":
        name = tokens.take()
        tokens.take(":")
    if tokens.passes("{"):
        members = _parse_list(tokens, maps, before)
        tokens.take("}")
        made = Field(name or "items", "struct", members=members)
    else:
        kind = tokens.take()
        if kind not in TYPES or kind == "struct":
            raise ValueError(f"{name}: {kind!r} is no type")
        made = Field(name, kind)
    if tokens.passes("["):
        made = replace(made, length=_parse_ref(tokens, made, before))
        tokens.take("]")
    if (made.length is not None) != (made.type in SIZED):
        raise ValueError(f"{name}: {made.type} takes {'a' if made.type in SIZED else 'no'} length")
    if tokens.passes("*"):
        rest = tokens.peek() == REST and not any(each.name == REST for each in before)
        made = replace(made, count=tokens.take() if rest else _parse_ref(tokens, made, before))
    if tokens.passes("="):
        made = replace(made, map=tokens.take())
        if made.map not in maps:
            raise ValueError(f"{name}: there is no map {made.map!r} before it")
    return made


def _parse_ref(tokens: _Tokens, of: Field, before: tuple[Field, ...]) -> Ref:
    word = tokens.take()
    if word[0].isdigit():
        return int(word, 0)
    if not any(each.name == word and each.type in NUMBERS and each.count is None for each in before):
        raise ValueError(f"{of.name}: {word!r} is no number before it")
    return word
