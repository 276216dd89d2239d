"""What a recording says of itself, in JSON: at its start what was recorded where, at its end what became of it.

Unknown keys are ignored, so that later versions can say more; what is missing or of another type makes it unreadable.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Annotated

import msgspec

from tracerd import __version__
from tracerd.clock import FARTHEST_NS
from tracerd.errors import TracerdError
from tracerd.platforms.linux import LINUX
from tracerd.snapshot import LEDGER_COUNTS, Ledger
from tracerd.sources.names import parse_attach
from tracerd.text import printable

ETW_EVENT = "etl"
"""The name of the one event that all events of a `.etl` are recorded as."""

MOST_CPUS = 65_536
CONTEXT_LIMIT = 8192
MOST_TEXT = 256

# What a file says reaches terminals and C comments.
_EventName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_:*.-]{1,256}\Z")]
_Text = Annotated[str, msgspec.Meta(pattern=r"^[ -~]*\Z", max_length=MOST_TEXT)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class RecordedEvent(msgspec.Struct, frozen=True):
    """One kind of event in a recording; its number is its place in the list."""

    name: _EventName                         # an attach name in its canonical form, or "etl"
    type: _EventName                         # the program type that runs on it
    context: Annotated[int, msgspec.Meta(ge=0, le=CONTEXT_LIMIT)]        # bytes that every context has at least
    payload: bool                            # its context begins with the pointers data and data_end
    btf: Annotated[int, msgspec.Meta(ge=0, lt=1 << 20)] = 0              # the context's type; 0: not described


class Machine(msgspec.Struct, frozen=True):
    """Where the events happened, and when the recording began."""

    os: _Text
    arch: _Text
    kernel: _Text
    recorded_ns: Annotated[int, msgspec.Meta(ge=-FARTHEST_NS, le=FARTHEST_NS)]      # unix time


class Meta(msgspec.Struct, frozen=True):
    """The first block. `clock_offset_ns` is unix time minus the clock of the events."""

    machine: Machine
    clock_offset_ns: Annotated[int, msgspec.Meta(ge=-FARTHEST_NS, le=FARTHEST_NS)]
    cpus: Annotated[int, msgspec.Meta(ge=1, le=MOST_CPUS)]               # slots that per-CPU maps need
    events: Annotated[tuple[RecordedEvent, ...], msgspec.Meta(max_length=4096)]
    tracerd: _Text = __version__             # the version that wrote it


class EndLedger(msgspec.Struct, frozen=True):
    """What became of an event while it was recorded; `delivered` is what the file has of it."""

    produced: _Count = 0
    delivered: _Count = 0
    lost_in_kernel: _Count = 0
    lost_in_session: _Count = 0
    dropped_in_ring: _Count = 0
    filtered: _Count = 0
    failed: _Count = 0
    via: _Text = ""                          # how the events came and what is wrong with them, as the ledger said it

    def ledger(self) -> Ledger:
        """Return it as the recording's ledger was."""
        return Ledger(**{name: getattr(self, name) for name in LEDGER_COUNTS}, via=self.via)


class End(msgspec.Struct, frozen=True):
    """The last block: the ledger of each event by its name, and of whole files that were recorded from."""

    events: _Count                           # in the file
    ledger: dict[str, EndLedger]


_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_decode_meta = msgspec.json.Decoder(Meta).decode
_decode_end = msgspec.json.Decoder(End).decode


def this_machine(now_ns: int) -> Machine:
    """Return what a recording made here and now says."""
    return Machine(sys.platform, platform.machine(), platform.release(), now_ns)


def encode(document: Meta | End) -> bytes:
    """Return the JSON of a document, whatever it says."""
    return msgspec.json.encode(document)


def readable(document: Meta | End) -> bytes | None:
    """Return the JSON of a document, or None if whoever reads it would refuse it."""
    try:
        data = encode(document)
    except _UNREADABLE:
        return None
    decoded = decode_meta(data) if isinstance(document, Meta) else decode_end(data)
    return data if decoded is not None else None


def decode_meta(data: bytes) -> Meta | None:
    """Return what the first block says, or None if it cannot be read or makes no sense."""
    try:
        meta = _decode_meta(data)
    except _UNREADABLE:
        return None
    names = {event.name for event in meta.events}
    return meta if len(names) == len(meta.events) and all(map(_sensible, meta.events)) else None


def _sensible(event: RecordedEvent) -> bool:
    """True if the event has the type that its name runs, and pointers in its context exactly where that type has them.

    Programs follow these pointers without a check: proofs rely on the feed to put them in. A file that could call a
    context with pointers one without would choose them itself.
    """
    try:
        kind = "etw" if event.name == ETW_EVENT else parse_attach(event.name).kind.program_type
    except TracerdError:
        return False
    fields = LINUX.type_by_name[kind].context.fields
    return event.type == kind and event.payload == any(field.kind.pointer for field in fields)


def decode_end(data: bytes) -> End | None:
    """Return what the last block says, or None if it cannot be read."""
    try:
        return _decode_end(data)
    except _UNREADABLE:
        return None


def end_of(events: int, ledger: Mapping[str, Ledger]) -> End:
    """Return what the last block says. Names have the paths of files in them, which need not be text."""
    return End(events, {printable(name): end_ledger(row) for name, row in ledger.items()})


def end_ledger(entry: Ledger) -> EndLedger:
    """Return a ledger as the file has it."""
    via = "".join(letter if " " <= letter <= "~" else "?" for letter in entry.via)
    cut = via if len(via) <= MOST_TEXT else f"{via[: MOST_TEXT - 3]}..."
    return EndLedger(**{name: getattr(entry, name) for name in LEDGER_COUNTS}, via=cut)
