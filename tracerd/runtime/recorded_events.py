"""What a recording is made of: which sources, which of their events, and what the file says of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracerd.errors import ConfigError, SourceError
from tracerd.sources.base import EventSource
from tracerd.sources.choose import LiveOptions, Serving, choose_sources
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_names import split_file
from tracerd.sources.etw_matcher import EtwMatcher
from tracerd.sources.names import AttachKind, parse_attach
from tracerd.sources.trec.feed import number_of
from tracerd.sources.trec.layouts import Layouts, canonical
from tracerd.sources.trec.meta import ETW_EVENT, Machine, Meta, RecordedEvent, this_machine
from tracerd.sources.trec.reader import is_trec
from tracerd.sources.trec.source import TrecSource


@dataclass(frozen=True, slots=True)
class Plan:
    """Sources, and the events that are recorded of them. `links` has the name that a source knows each event by."""

    servings: tuple[Serving, ...]
    links: tuple[tuple[str, RecordedEvent], ...]     # in the order of the recording's numbers
    layouts: Layouts
    clock_offset_ns: int
    machine: Machine                                 # where the events happened
    reads: Path | None = None                        # the file that the events come from; None: they are live
    only: EtwMatcher | None = None                   # ETW events that none of its names wants are left out
    first_ns: int | None = None                      # of a file: the time of its first event

    @property
    def from_file(self) -> bool:
        """Whether events wait until there is room for them."""
        return self.reads is not None

    @property
    def cpus(self) -> int:
        """Slots that per-CPU maps need."""
        return max(serving.cpus for serving in self.servings)

    def meta(self) -> Meta:
        """Return what the recording says of itself."""
        return Meta(self.machine, self.clock_offset_ns, self.cpus, tuple(self.layouts.events))

    def close(self) -> None:
        """Release the sources. May be called twice."""
        for serving in self.servings:
            serving.source.close()
        if self.only is not None:
            self.only.close()


def plan_sources(names: Iterable[str], options: LiveOptions) -> Plan:
    """Plan to record attach names: live events, or a `.etl`. Timed names are left out, a replay makes them anew.

    Raises:
        ConfigError: a name is no attach name, or live events and files are to go into one recording.
        NotSupported, NotPermitted, SourceError: an event or file cannot be had.
    """
    parsed = [name for name in map(parse_attach, dict.fromkeys(names)) if not name.kind.timed]
    if not parsed:
        raise ConfigError("record", "nothing to record: name a source, a probe, or a file with --from")
    files = {split_file(name.rest)[0] for name in parsed if name.kind is AttachKind.ETL}
    if len(files) > 1 or (files and any(name.kind is not AttachKind.ETL for name in parsed)):
        raise ConfigError("record", "one recording has one clock: record each .etl by itself")
    if files:
        wanted = [name.text for name in parsed if split_file(name.rest)[1]]
        return _plan_etl(Path(files.pop()), wanted if len(wanted) == len(parsed) else [])
    unique = {canonical(name): name for name in parsed}
    return _plan_live([name.text for name in unique.values()], options)


def plan_file(path: Path, names: Sequence[str]) -> Plan:
    """Plan to record a recording again: all of it, or the events of these names.

    Raises:
        ConfigError: a name is no attach name.
        SourceError: it cannot be read, or has no such event.
    """
    return _plan_trec(path, names) if is_trec(path) else _plan_etl(path, names)


def _plan_live(names: list[str], options: LiveOptions) -> Plan:
    layouts = Layouts()
    links = tuple((name, layouts.add(name)) for name in names)
    now = time.time_ns()
    offset = now - time.monotonic_ns()
    return Plan(choose_sources(names, None, options), links, layouts, offset, this_machine(now))


def _plan_etl(path: Path, names: Sequence[str]) -> Plan:
    source = EtlSource(path)

    def make() -> Plan:
        layouts, whole = Layouts(), f"etl:{path}"
        links = ((whole, layouts.add_etw()),)
        served = (Serving(source, source.cpus, (whole,)),)
        only = EtwMatcher(str(path), (), names) if names else None
        facts = source.facts()
        machine = Machine("windows", "", facts.os_version, facts.start_ns)
        return Plan(served, links, layouts, source.clock_offset_ns, machine, path, only, source.first_ns)

    return _or_close(source, make)


def _plan_trec(path: Path, names: Sequence[str]) -> Plan:
    source = TrecSource(path)

    def make() -> Plan:
        first_ns = source.reader.peek()
        events = source.reader.meta.events
        etw = [name for name in names if name != ETW_EVENT and parse_attach(name).kind.etw]
        chosen = _chosen(path, events, names, etw)
        layouts = Layouts()
        layouts.adopt(chosen, source.reader.types)
        links = tuple((f"etl:{path}" if event.type == "etw" else event.name, event) for event in chosen)
        served = (Serving(source, source.cpus, tuple(name for name, _ in links)),)
        only = EtwMatcher(str(path), (), etw) if etw and ETW_EVENT not in names else None
        machine = source.reader.meta.machine
        return Plan(served, links, layouts, source.clock_offset_ns, machine, path, only, first_ns)

    return _or_close(source, make)


def _or_close(source: EventSource, make: Callable[[], Plan]) -> Plan:
    try:
        return make()
    except BaseException:
        source.close()
        raise


def _chosen(
    path: Path, events: tuple[RecordedEvent, ...], names: Sequence[str], etw: Sequence[str]
) -> list[RecordedEvent]:
    """Return the events that the names mean, in the order of the recording; all of them if there are no names."""
    if not names:
        return list(events)
    numbers = {number_of(path, events, name) for name in names if name != ETW_EVENT and name not in etw}
    if etw or ETW_EVENT in names:
        windows = [number for number, event in enumerate(events) if event.type == "etw"]
        if not windows:
            raise SourceError((*etw, ETW_EVENT)[0], f"{path} has no ETW events")
        numbers.update(windows)
    return [events[number] for number in sorted(numbers)]
