"""What a recording says of its events: their program type, how long their contexts are, and their layout as BTF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tracerd.btf import types as t
from tracerd.btf.build import encode
from tracerd.errors import NotSupported
from tracerd.linux.tracefs import tracefs
from tracerd.platforms.linux import ETW, LINUX
from tracerd.platforms.model import Context, ContextField, FieldKind
from tracerd.sources.names import AttachKind, AttachName, parse_attach
from tracerd.sources.schema.tracefs import TracepointField, TracepointFormat, read_format
from tracerd.sources.trec.meta import ETW_EVENT, RecordedEvent

# The integers that tracepoints make arrays of, by what the kernel calls them: bytes of an element.
_ELEMENTS = {
    "char": 1, "unsigned char": 1, "signed char": 1, "u8": 1, "s8": 1, "__u8": 1, "__s8": 1, "uint8_t": 1,
    "short": 2, "unsigned short": 2, "u16": 2, "s16": 2, "__u16": 2, "__be16": 2,
    "int": 4, "unsigned int": 4, "u32": 4, "s32": 4, "__u32": 4, "__s32": 4, "__be32": 4, "gid_t": 4, "uid_t": 4,
    "long": 8, "unsigned long": 8, "u64": 8, "s64": 8, "__u64": 8, "__s64": 8, "size_t": 8,
}  # fmt: skip


def canonical(name: AttachName) -> str:
    """Return the one name of an event that may have several: a system call's is its tracepoint's."""
    return f"tracepoint:{name.category}:{name.event}" if name.kind.live_linux else name.text


class Layouts:
    """The events of a recording and the BTF that describes them, as they are added."""

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        self._types = _Types()

    def add(self, name: str) -> RecordedEvent:
        """Add a live event of this machine.

        Raises:
            ConfigError: there is no such tracepoint.
            NotPermitted: tracefs is closed to this user.
            NotSupported: packets are recorded already.
        """
        parsed = parse_attach(name)
        if parsed.kind is AttachKind.PACKET:
            raise NotSupported(f"record {name!r}", "a capture is a recording itself: tracerd replay FILE.pcap PROBE")
        if parsed.kind.live_linux:
            return self._add_tracepoint(read_format(tracefs(), parsed.category, parsed.event))
        kind = LINUX.type_of_section(parsed.kind.value)
        assert kind is not None, f"{parsed.kind} has no program type"
        return self._add_context(canonical(parsed), kind.name, kind.context)

    def add_etw(self) -> RecordedEvent:
        """Add the event that all events of a `.etl` are recorded as."""
        return self._add_context(ETW_EVENT, ETW.name, ETW.context)

    def adopt(self, events: Iterable[RecordedEvent], types: tuple[t.Type, ...]) -> None:
        """Take over the events of another recording, with its BTF."""
        self.events = list(events)
        self._types.types = list(types)

    def btf(self) -> bytes:
        """Return all layouts as a BTF blob."""
        return encode(self._types.types)

    def _add_tracepoint(self, layout: TracepointFormat) -> RecordedEvent:
        members = tuple(_tracepoint_member(self._types, field) for field in layout.fields)
        name = _word(f"{layout.category}_{layout.name}")
        btf = self._types.add(t.Composite(name, layout.record_bytes, members, union=False))
        return self._add(RecordedEvent(layout.full_name, "tracepoint", layout.record_bytes, payload=False, btf=btf))

    def _add_context(self, name: str, kind: str, context: Context) -> RecordedEvent:
        payload = any(field.kind.pointer for field in context.fields)
        btf = self._types.named(_context(self._types, f"{kind}_context", context))
        return self._add(RecordedEvent(name, kind, context.size, payload, btf))

    def _add(self, event: RecordedEvent) -> RecordedEvent:
        self.events.append(event)
        return event


class _Types:
    """BTF types as they are made, each once."""

    def __init__(self) -> None:
        self.types: list[t.Type] = [t.Void()]
        self._known: dict[t.Type, int] = {}

    def add(self, each: t.Type) -> int:
        self.types.append(each)
        return len(self.types) - 1

    def named(self, each: t.Type) -> int:
        if each not in self._known:
            self._known[each] = self.add(each)
        return self._known[each]

    def integer(self, size: int, *, signed: bool = False, char: bool = False) -> int:
        name = "char" if char else f"{'s' if signed else 'u'}{size * 8}"
        return self.named(t.Int(name, size, signed, bool_=False, char=char))

    def array(self, element: int, length: int) -> int:
        return self.named(t.Array(element, self.integer(4), length))


def _context(types: _Types, name: str, context: Context) -> t.Composite:
    members = tuple(_context_member(types, field) for field in context.fields)
    return t.Composite(name, context.size, members, union=False)


def _context_member(types: _Types, field: ContextField) -> t.Member:
    offset = field.native_offset if field.native_offset >= 0 else field.offset
    return t.Member(field.name, _context_type(types, field), offset * 8, 0)


def _context_type(types: _Types, field: ContextField) -> int:
    if field.kind.pointer:
        return types.named(t.Pointer(0))
    if field.kind is FieldKind.TEXT:
        return types.array(types.integer(1, char=True), field.size)
    if field.size > 8:
        return types.array(types.integer(1), field.size)
    return types.integer(field.size, signed=field.kind is FieldKind.SIGNED)


def _tracepoint_member(types: _Types, field: TracepointField) -> t.Member:
    return t.Member(field.name, _tracepoint_type(types, field), field.offset * 8, 0)


def _tracepoint_type(types: _Types, field: TracepointField) -> int:
    """A dynamic field is the word that says where its data is; its type's name says of what."""
    if field.dynamic:
        return types.named(t.Alias("typedef", f"data_loc_{_word(field.ctype)}", types.integer(4)))
    if field.array or field.size not in (1, 2, 4, 8):
        return _array(types, field)
    return types.integer(field.size, signed=field.signed)


def _array(types: _Types, field: TracepointField) -> int:
    size = _ELEMENTS.get(field.ctype.split("[")[0].removeprefix("const ").strip(), 1)
    if field.size % size:
        size = 1
    return types.array(types.integer(size, signed=field.signed, char=field.ctype == "char"), field.size // size)


def _word(text: str) -> str:
    """Return a name that C accepts."""
    return re.sub(r"\W+", "_", text).strip("_")


def names_of(events: Iterable[RecordedEvent]) -> Mapping[str, int]:
    """Return the number of each event by its name."""
    return {event.name: number for number, event in enumerate(events)}
