"""Choose the sources that serve a set of attach names, once; from there on every source looks the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from pathlib import Path
from typing import Protocol

from tracerd.errors import ConfigError, NotSupported, SourceError
from tracerd.linux.cpus import cpu_slots
from tracerd.sources.base import EventSource
from tracerd.sources.captures import SUFFIXES, is_capture
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_names import split_file
from tracerd.sources.etw.api import NEEDS_WINDOWS, on_windows
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.names import AttachKind, AttachName, parse_attach
from tracerd.sources.packets import PacketSource
from tracerd.sources.perf import PerfOptions, PerfSource
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.system import SystemOptions, SystemSource
from tracerd.sources.ticks import IntervalSource
from tracerd.sources.trec.reader import is_trec
from tracerd.sources.trec.source import TrecSource

TRACEABLE = ("process:start", "process:exit")
"""What comes from tracepoints where they are permitted, and is polled elsewhere."""

NO_LIVE_PACKETS = "a capture has an end and a clock of its own; run a probe over it: tracerd replay FILE.pcap PROBE"


@unique
class MachineSource(Enum):
    """The sources of this machine's events, in the order in which they are opened; they are stopped in the other order,
    so begin programs run before all events and end programs after them.
    """

    TIMER = "timer"
    SYSTEM = "system"
    PERF = "perf"
    ETW = "etw"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How this machine's events are taken. `poll`: processes are polled even where tracepoints are permitted.

    `schemas` are those of ETW events, also of recorded ones; None: what is shipped.
    """

    perf: PerfOptions = field(default_factory=PerfOptions)
    system: SystemOptions = field(default_factory=SystemOptions)
    poll: bool = False
    etw: EtwOptions = field(default_factory=EtwOptions)
    schemas: Catalog | None = None


class OwnPids(Protocol):
    """Whose events are filtered, as they come and go. From any thread, at any time."""

    def ignore(self, pid: int) -> None: ...
    def forget(self, pid: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Serving:
    """A source, how many CPUs its events come from, and the attach names it serves.

    A session is over when all sources have ended that are not `background`. `clock_offset_ns` is unix time minus the
    clock of a recording's events; None: they are this machine's. `own` is where to say which of the processes that the
    events come from are ours.
    """

    source: EventSource
    cpus: int
    events: tuple[str, ...]
    background: bool = False
    clock_offset_ns: int | None = None
    own: OwnPids | None = None


def choose_sources(
    events: Iterable[str],
    recording: Path | None,
    options: LiveOptions,
    own_pids: Iterable[int] = (),
    speed: float | None = None,
) -> tuple[Serving, ...]:
    """Return a source for every group of attach names, in the order in which they are to be opened.

    Nothing is attached yet, but recordings are open. `own_pids` are tracerd's other processes, whose events are
    filtered like those of this one. Timed programs follow the clock of a lone recording, else this machine's.

    Raises:
        ConfigError: an attach name is not one, or a recording's events are mixed with others: each has a CPU 0, and a
            thread of its own, but no two threads may run events of one CPU.
        NotSupported: nothing here serves one of them.
        SourceError: a recording cannot be read.
    """
    names = [parse_attach(event) for event in dict.fromkeys(events)]
    if recording is not None and (recording.suffix == ".trec" or is_trec(recording)):
        return (_replayed(recording, names, speed, options.schemas),)
    timed = [name for name in names if name.kind.timed]
    events_proper = [name for name in names if not name.kind.timed]
    recorded = _recordings(events_proper, recording)
    live = [name for name in events_proper if not any(name in served for served in recorded.values())]
    if recorded:
        if len(recorded) > 1 or live:
            only = "a session has the events of one recording, or of this machine; run one for each"
            raise ConfigError("attach", only)
        ((path, served),) = recorded.items()
        return (_recorded(path, served + timed, options.schemas),)
    slots = cpu_slots()                          # asked once: a CPU may come online at any time
    timer = _timer(timed, slots, background=bool(events_proper))
    return (*timer, *_machine(live, slots, slots + len(timer), options, own_pids))


def _timer(timed: list[AttachName], slot: int, *, background: bool) -> tuple[Serving, ...]:
    """Return the live clock, if anything asks for it, first of all sources: they are stopped in the other order, so
    begin programs run before all events and end programs after them. It has a slot behind the machine's CPUs."""
    if not timed:
        return ()
    return (Serving(IntervalSource(slot), slot + 1, _texts(timed), background),)


def _machine(
    live: list[AttachName], cpus: int, slot: int, options: LiveOptions, own_pids: Iterable[int]
) -> Iterator[Serving]:
    """Yield the sources of this machine's events; what is polled runs in the per-CPU slot `slot`, behind the `cpus`."""
    served = machine_sources(live, poll=options.poll)
    traced, polled = served[MachineSource.PERF], served[MachineSource.SYSTEM]
    if polled:
        yield Serving(SystemSource(slot, options.system), slot + 1, _texts(polled))
    if traced:
        perf = PerfSource(options.perf, cpus)
        for pid in own_pids:
            perf.ignore(pid)
        yield Serving(perf, perf.cpus, _texts(traced), own=perf)
    if served[MachineSource.ETW]:
        etw = EtwSource(options.etw, cpus, options.schemas)
        for pid in own_pids:
            etw.ignore(pid)
        yield Serving(etw, etw.cpus, _texts(served[MachineSource.ETW]), own=etw)


def machine_sources(names: Sequence[AttachName], *, poll: bool) -> dict[MachineSource, list[AttachName]]:
    """Sort names by the source of this machine that serves them.

    Raises:
        NotSupported: none does.
    """
    for name in names:
        _check_live(name)
    traced = not poll and any(name.text in TRACEABLE for name in names) and PerfSource.permitted() is None
    served: dict[MachineSource, list[AttachName]] = {source: [] for source in MachineSource}
    for name in names:
        served[_source_of(name, traced=traced)].append(name)
    return served


def _check_live(name: AttachName) -> None:
    if name.kind is AttachKind.ETL:
        raise NotSupported(f"live events of {name.text!r}", "it is a recording: tracerd replay FILE.etl PROBE")
    if name.kind is AttachKind.PACKET:
        raise NotSupported(f"live events of {name.text!r}", NO_LIVE_PACKETS)
    if name.kind.etw and not on_windows():
        raise NotSupported(f"live events of {name.text!r}", NEEDS_WINDOWS)


def _source_of(name: AttachName, *, traced: bool) -> MachineSource:
    if name.kind.timed:
        return MachineSource.TIMER
    if name.kind.etw:
        return MachineSource.ETW
    return MachineSource.PERF if name.kind.live_linux or (traced and name.text in TRACEABLE) else MachineSource.SYSTEM


def _replayed(path: Path, names: list[AttachName], speed: float | None, schemas: Catalog | None) -> Serving:
    """A recording of ours serves every kind of name: what it does not have it refuses itself."""
    source = TrecSource(path, speed, schemas)
    return Serving(source, source.cpus, _texts(names), clock_offset_ns=source.clock_offset_ns)


def _recorded(path: Path, names: list[AttachName], schemas: Catalog | None) -> Serving:
    """Return the source of a recording, which must have all events that are asked for."""
    if any(name.kind is AttachKind.PACKET for name in names) or is_capture(path):
        return _captured(path, names)
    source = EtlSource(path, schemas)
    foreign = next((name for name in names if not name.kind.etw and not name.kind.timed), None)
    if foreign is not None:
        source.close()
        raise SourceError(foreign.text, f"is not in {path}, which has events of Windows: etw:… and etw-kernel:…")
    return Serving(source, source.cpus, _texts(names), clock_offset_ns=source.clock_offset_ns)


def _captured(path: Path, names: list[AttachName]) -> Serving:
    foreign = next((name for name in names if name.kind is not AttachKind.PACKET and not name.kind.timed), None)
    if foreign is not None:
        raise SourceError(foreign.text, f"is not in {path}, which has packets: packet:{path}")
    return Serving(PacketSource(path), 1, _texts(names), clock_offset_ns=0)


def _recordings(names: Iterable[AttachName], recording: Path | None) -> dict[Path, list[AttachName]]:
    """Group the names that a recording serves by its file."""
    files: dict[Path, list[AttachName]] = {recording: []} if recording is not None else {}
    for name in names:
        if name.kind is AttachKind.ETL:
            files.setdefault(Path(split_file(name.rest)[0]), []).append(name)
        elif name.kind is AttachKind.PACKET and Path(name.rest) != recording:
            files.setdefault(_capture(name), []).append(name)
        elif recording is not None:
            files.setdefault(recording, []).append(name)
    return files


def _capture(name: AttachName) -> Path:
    """Return the file of a `packet:` name.

    Raises:
        NotSupported: it names an interface.
    """
    if not name.rest.lower().endswith(SUFFIXES):
        cause = "packets of live interfaces are not part of this version; capture them first: tcpdump -w FILE.pcap"
        raise NotSupported(f"attach to {name.text!r}", cause)
    return Path(name.rest)


def _texts(names: Iterable[AttachName]) -> tuple[str, ...]:
    return tuple(name.text for name in names)
