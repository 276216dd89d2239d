"""Recorded ETW: `etl:FILE`. A `.etl` file walked by the C core, in time order over all its CPUs.

Nothing here runs per event. The clock that programs see (`bpf_ktime_get_ns`) is the recording's own: nanoseconds since
the recorded machine's boot for a QPC or cycle clock, unix time for a system-time clock; the context's `time_ns` is
unix time in every case, or that clock again where the header's start is nobody's unix time. Task facts are those of
the event header: the name is empty and the user unknown (65534).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from tracerd import clock
from tracerd.errors import RunError, SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, ledger
from tracerd.sources.captures import is_capture
from tracerd.sources.etl_names import hook_name, provider_name
from tracerd.sources.etw_matcher import EtwMatcher
from tracerd.sources.files import open_regular
from tracerd.sources.names import parse_attach
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.ticks import RECORDED_CATCH_UP, Ticks, new_run, take_printed

_COMPRESSIONS = {2: "LZNT1", 3: "XPRESS", 4: "XPRESS_HUFF"}
DAMAGE = {
    "headers": "skipped, the header makes no sense",
    "torn": "cut off by the end of the file",
    "packed": "ending in compressed bytes that make no sense",
    "events": "whose events break off before its end",
    "gone": "cannot be read",
}
"""What can be wrong with a buffer: the fields of the native `struct tr_etl_damage`, in words."""

_CLOCKS = {1: "qpc", 2: "system", 3: "cycles"}
_CIRCULAR = 0x2                               # EVENT_TRACE_FILE_MODE_CIRCULAR
_ROWS = 73728                                 # every hook and as many providers as the core keeps apart
_uncleared: Any = ffi.new_allocator(should_clear_after_alloc=False)      # 7 MB, of which a recording fills some rows
_SEED = 0x7472616365726400                    # of get_prandom_u32: replays give the same numbers


@dataclass(frozen=True, slots=True)
class EtlFacts:
    """What a recording says of itself, and what a pass over its buffers found. Times are unix ns."""

    os_version: str              # "10.0.19041"
    cpus: int                    # highest CPU seen, plus one: per-CPU maps need as many slots
    processors: int              # of the recorded machine
    pointer_size: int
    clock: str                   # "qpc" | "system" | "cycles"
    frequency: int               # ticks per second
    boot_ns: int
    start_ns: int                # 0: not known
    end_ns: int                  # 0: not written, the session did not end well
    file_bytes: int
    buffer_size: int
    buffers: int                 # found, bad ones included
    buffers_written: int         # as the header says
    bad_buffers: int             # skipped (senseless or unreadable header) or cut off by the end of the file
    compression: str             # "" | "LZNT1" | "XPRESS" | "XPRESS_HUFF"
    compressed_buffers: int
    skipped_bytes: int           # of buffers whose header makes no sense
    unused_bytes: int            # zeros where buffers could be: room that was never used
    torn_bytes: int              # of a last buffer that was cut off
    events_lost: int
    buffers_lost: int
    circular: bool               # later buffers were written over earlier ones

    @property
    def seconds(self) -> float:
        """From start to end; 0 where one is not known."""
        return max(self.end_ns - self.start_ns, 0) / 1e9 if self.start_ns and self.end_ns else 0.0

    @property
    def missing_buffers(self) -> int:
        """Buffers that its header says were written and that are not in it. Only a session that ended well has counted
        them, and a circular file keeps the last ones."""
        counted = self.end_ns and not self.circular
        return max(self.buffers_written - self.buffers, 0) if counted else 0


@dataclass(frozen=True, slots=True)
class EventCounts:
    """`tracerd events FILE --count`. `by_header` is keyed by header kind, `by_provider` by GUID or "hook=XXXX"."""

    events: int
    buffers: int
    bad_buffers: int             # also those whose events end in a senseless one
    lost: int
    by_header: Mapping[str, int]
    by_provider: Mapping[str, int]
    damage: Mapping[str, int]    # the bad buffers by what is wrong with them: DAMAGE names them
    missing_buffers: int         # that its header counts and that are not in it
    names: Mapping[str, str]     # what providers call themselves in their events, by GUID; at most 64 bytes of UTF-8

    def name(self, provider: str) -> str:
        """Return what a key of `by_provider` is called: as the schemas have it, or as it calls itself; else the key."""
        if provider == "other":
            return provider
        hook = provider.removeprefix("hook=")
        known = provider_name(UUID(provider)) if hook == provider else hook_name(int(hook, 16))
        return known or self.names.get(provider, provider)

    def to_json(self) -> dict[str, object]:
        """Return the shape of `events --count --json`."""
        return {
            "events": self.events,
            "buffers": self.buffers,
            "bad_buffers": self.bad_buffers,
            "lost": self.lost,
            "by_header": dict(self.by_header),
            "by_provider": dict(self.by_provider),
            "damage": dict(self.damage),
            "missing_buffers": self.missing_buffers,
            "names": dict(self.names),
        }


class EtlSource:
    """A recording as an event source. Opening it reads all buffer headers once; `cpus` is known from then on.

    Programs that ask for fields of events find them by `schemas`.

    Raises:
        SourceError: the file cannot be read or is not an ETW recording.
    """

    def __init__(self, path: Path | str, schemas: Catalog | None = None) -> None:
        self.path = Path(path)
        self._schemas = schemas
        self.run, self._print_buffer = new_run(_SEED)
        self._matcher: EtwMatcher | None = None
        self._ticks: Ticks | None = None
        self._descriptor = open_regular(self.path)
        self._facts: Any = ffi.new("struct tr_etl_facts *")
        self._etl: Any = lib.tr_etl_open(self._descriptor, self._facts)
        if self._etl == ffi.NULL:
            os.close(self._descriptor)
            raise _refusal(self.path, self._facts)

    @property
    def cpus(self) -> int:
        """Slots that per-CPU maps need."""
        return int(self._facts.cpus)

    @property
    def clock_offset_ns(self) -> int:
        """Unix time minus the recording's own clock; 0 where its header knows no unix time, or no such clock can be."""
        start = self._facts.start_ticks
        offset = int(lib.tr_etl_unix_ns(self._facts, start) - lib.tr_etl_clock_ns(self._facts, start))
        return offset if abs(offset) <= clock.FARTHEST_NS else 0

    @property
    def first_ns(self) -> int:
        """The start of the recording on its own clock."""
        return max(int(lib.tr_etl_clock_ns(self._facts, self._facts.start_ticks)), 0)

    def facts(self) -> EtlFacts:
        """Return what the recording says of itself."""
        f = self._facts
        return EtlFacts(
            os_version=f"{f.os_major}.{f.os_minor}.{f.os_build}",
            cpus=f.cpus,
            processors=f.processors,
            pointer_size=f.pointer_size,
            clock=_CLOCKS[f.clock],
            frequency=f.frequency,
            boot_ns=_unix_ns(f.boot_time),
            start_ns=_unix_ns(f.start_time),
            end_ns=_unix_ns(f.end_time),
            file_bytes=f.file_bytes,
            buffer_size=f.buffer_size,
            buffers=f.buffers,
            buffers_written=f.buffers_written,
            bad_buffers=f.damage.headers + f.damage.torn + f.damage.gone,
            compression=_COMPRESSIONS.get(f.compression, ""),
            compressed_buffers=f.compressed_buffers,
            skipped_bytes=f.skipped_bytes,
            unused_bytes=f.unused_bytes,
            torn_bytes=f.torn_bytes,
            events_lost=f.events_lost,
            buffers_lost=f.buffers_lost,
            circular=bool(f.mode & _CIRCULAR),
        )

    def count(self) -> EventCounts:
        """Count all events, in one native pass."""
        counts: Any = ffi.new("struct tr_etl_counts *")
        rows: Any = _uncleared("struct tr_etl_row[]", _ROWS)
        used = lib.tr_etl_count(self._live(), counts, rows, _ROWS)
        if used < 0:
            raise RunError(str(self.path), "no memory to count its events")
        providers = {_row_name(rows[i]): int(rows[i].events) for i in range(used)}
        if counts.other:
            providers["other"] = counts.other
        damage = _damage(counts.damage)
        return EventCounts(
            events=counts.events,
            buffers=self._facts.buffers,
            bad_buffers=sum(damage.values()),
            lost=self._facts.events_lost,
            by_header={str(kind): n for kind, n in enumerate(counts.by_header) if n},
            by_provider=dict(sorted(providers.items(), key=lambda item: (-item[1], item[0]))),
            damage=damage,
            missing_buffers=self.facts().missing_buffers,
            names={_row_name(rows[i]): _own_name(rows[i]) for i in range(used) if rows[i].name_bytes},
        )

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links and load the first buffer of every CPU.

        Raises:
            ConfigError: an event's name is not one of a recording.
            SourceError: too many links or CPUs, or a program reads more than an event's context.
        """
        etl = self._live()
        timed = [link for link in links if parse_attach(link.event).kind.timed]
        matched = [link for link in links if link not in timed]
        self._matcher = EtwMatcher(str(self.path), matched, catalog=self._schemas)
        lib.tr_etl_set_matcher(etl, self._matcher.native)
        if timed:
            self._ticks = Ticks(timed, unix_offset_ns=self.clock_offset_ns, cpu=0, catch_up=RECORDED_CATCH_UP)
            lib.tr_etl_set_ticks(etl, self._ticks.native)
        error = lib.tr_etl_begin(etl)
        if error:
            raise SourceError(str(self.path), _WALK_ERRORS.get(error, "cannot be walked"))

    def pump(self, timeout_ms: int) -> int:
        """Walk on for about `timeout_ms`, inside one native call. Returns events passed, or -1 at the end."""
        return int(lib.tr_etl_pump(self._live(), self.run, max(timeout_ms, 0)))

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines."""
        return take_printed(self.run, self._print_buffer)

    def stop(self) -> None:
        """Run the end programs. What has not been walked yet was never produced."""
        if self._ticks is not None:
            self._ticks.end(self.run)

    def statistics(self) -> Mapping[str, Ledger]:
        """Return each name's ledger, and that of the file for the events that no name asked for.

        The file's row holds what the recorder says it lost, one drop for every damaged or skipped buffer, and as
        filtered the events without a program, so the rows add up to all that was recorded. `via` says what is wrong
        with the file, and of how many events programs could not read the fields that they asked for.
        """
        raw: Any = ffi.new("struct tr_ledger *")
        ledgers = {**self._matcher.statistics()} if self._matcher else {}
        if self._ticks is not None:
            ledgers.update(self._ticks.statistics())
        lib.tr_etl_rest(self._live(), raw)
        whole = f"etl:{self.path}"
        row = ledgers[whole] + ledger(raw) if whole in ledgers else ledger(raw)
        unread = self._matcher.unread() if self._matcher else ""
        ledgers[whole] = replace(row, via="; ".join(filter(None, (self.condition(), unread))))
        return ledgers

    def damage(self) -> Mapping[str, int]:
        """Return the buffers that were damaged, as far as the walk has come, by what is wrong with them."""
        raw: Any = ffi.new("struct tr_etl_damage *")
        lib.tr_etl_damage(self._live(), raw)
        return _damage(raw)

    def condition(self) -> str:
        """Say what is wrong with the recording, as far as the walk has come; "" if nothing is."""
        return describe_condition(self.damage(), self.facts().missing_buffers)

    @property
    def disorder(self) -> int:
        """Events walked so far that came earlier than the one before them on their CPU; 0 in a sound recording."""
        return int(lib.tr_etl_disorder(self._live()))

    def close(self) -> None:
        """Release everything. May be called twice."""
        if self._etl is not None:
            lib.tr_etl_close(self._etl)
            os.close(self._descriptor)
            self._etl = None
        for part in (self._matcher, self._ticks):
            if part is not None:
                part.close()
        self._matcher = self._ticks = None

    def _live(self) -> Any:
        if self._etl is None:
            raise SourceError(str(self.path), "is closed")
        return self._etl


_WALK_ERRORS = {
    lib.TR_ETL_NO_MEMORY: "no memory to walk it",
    lib.TR_ETL_TOO_MANY: "too many CPUs, or buffers of more than 1 GiB in all to hold at once",
}


def _refusal(path: Path, facts: Any) -> SourceError:
    if facts.error == lib.TR_ETL_READ:
        return SourceError(str(path), f"cannot be read: {os.strerror(facts.system_error)}")
    if facts.error == lib.TR_ETL_TOO_MANY:
        return SourceError(str(path), "has more than 4,194,304 buffers")
    if facts.error == lib.TR_ETL_NO_MEMORY:
        return SourceError(str(path), "no memory for its index")
    if is_capture(path):
        return SourceError(str(path), "is a capture of packets, not an ETW recording: tracerd replay FILE PROBE")
    return SourceError(str(path), "is not an ETW recording: it does not start with a trace header event")


def describe_condition(damage: Mapping[str, int], missing: int) -> str:
    """Say what is wrong with buffers that are not whole, and how many are not there; "" if all are."""
    found = [f"{number:,} {DAMAGE[cause]}" for cause, number in damage.items() if number]
    said = [f"damaged buffers: {', '.join(found)}"] if found else []
    if missing:
        said.append(f"missing buffers: {missing:,} that its header counts")
    return "; ".join(said)


def _damage(raw: Any) -> dict[str, int]:
    return {cause: int(getattr(raw, cause)) for cause in DAMAGE}


def _row_name(row: Any) -> str:
    return f"hook={row.hook:04x}" if row.hook != 0xFFFFFFFF else str(UUID(bytes_le=bytes(row.provider)))


def _own_name(row: Any) -> str:
    return bytes(ffi.buffer(row.name, row.name_bytes)).decode("utf-8", "replace")


def _unix_ns(filetime: int) -> int:
    return clock.unix_ns(filetime) if filetime else 0
