"""Exchange the links of a perf source: open what is new, change everything between pumps, close what is left over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tracerd.errors import ConfigError, SourceError
from tracerd.linux.tracefs import tracefs
from tracerd.sources.base import LinkRequest, Pause
from tracerd.sources.names import parse_attach
from tracerd.sources.perf_events import PerfEvents
from tracerd.sources.perf_process import ProcessEvents, is_process_event
from tracerd.sources.schema.tracefs import TracepointFormat, read_format


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a source is to run: links of tracepoints with their layouts by name, and links of process events."""

    links: tuple[LinkRequest, ...]
    layouts: Mapping[str, TracepointFormat]
    processes: tuple[LinkRequest, ...]


def wanted_of(links: Sequence[LinkRequest]) -> Wanted:
    """Sort links and read the layouts of their events, which must be long enough for the programs.

    Raises:
        ConfigError: there is no such event.
        NotPermitted: tracefs is closed to this user.
        SourceError: a program reads more than its event's record has.
    """
    plain = tuple(link for link in links if not is_process_event(link.event))
    processes = tuple(link for link in links if is_process_event(link.event))
    return Wanted(plain, _layouts(plain), processes)


class Relinked(Protocol):
    """What of a perf source a change of links touches."""

    events: PerfEvents

    @property
    def processes(self) -> ProcessEvents | None:
        """The process events that are made now."""

    def track(self, processes: ProcessEvents) -> None:
        """Make process events from now on. Between pumps, with the lock of the events."""

    def untrack(self) -> None:
        """Make none any more; their ledgers stay. Between pumps, with the lock of the events."""


class PerfRelink:
    """A change of links, from `relink` on; see `base.Relink`."""

    def __init__(self, source: Relinked, wanted: Wanted) -> None:
        """Read layouts and open tracepoints, disabled.

        Raises:
            NotPermitted, NotSupported, SourceError: something cannot be had; all is as it was.
        """
        self._source = source
        self._wanted = wanted
        self._processes = source.processes
        if wanted.processes and self._processes is None:
            self._processes = ProcessEvents(tracefs())
        followed = self._processes.layouts(wanted.processes) if self._processes and wanted.processes else {}
        self._needed = {layout.id for layout in (*wanted.layouts.values(), *followed.values())}
        helping = {layout.full_name: layout for layout in followed.values()}
        self._opened = source.events.open({**wanted.layouts, **helping})

    def make(self, pause: Pause) -> None:
        """Exchange the links between two turns."""
        pause(self._exchange)

    def finish(self, pause: Pause) -> None:
        """Close what no link needs any more; then forget the processes, when their last records have been taken."""
        events = self._source.events
        events.close(sorted(events.open_now - self._needed), pause)
        if self._source.processes is not None and not self._wanted.processes:
            pause(self._untrack)

    def abandon(self) -> None:
        """Close what was opened for nothing; what was installed is closed with the source."""
        events = self._source.events
        events.abandon(each for each in self._opened if each.tracepoint not in events.open_now)

    def _exchange(self) -> None:
        source, wanted = self._source, self._wanted
        with source.events.lock:
            source.events.install(self._opened)
            self._exchange_processes()
            source.events.link(wanted.links, wanted.layouts)
            source.events.name(wanted.layouts)
            source.events.enable(self._opened)
        if wanted.processes and source.processes is not None:
            source.processes.seed_once()

    def _exchange_processes(self) -> None:
        source, processes = self._source, self._processes
        if processes is None:
            return
        if source.processes is None:
            source.track(processes)
        processes.link(self._wanted.processes, source.events.numbers)

    def _untrack(self) -> None:
        with self._source.events.lock:
            self._source.untrack()


def at_once(work: Callable[[], None]) -> None:
    """The pause of a source that nobody pumps."""
    work()


def _layouts(links: Sequence[LinkRequest]) -> dict[str, TracepointFormat]:
    if not links:
        return {}
    root = tracefs()
    layouts: dict[str, TracepointFormat] = {}
    for link in links:
        if link.event not in layouts:
            layouts[link.event] = _layout(root, link.event)
        have = layouts[link.event].record_bytes
        if link.need > have:
            raise SourceError(link.event, f"its program reads {link.need} bytes of the record, the event has {have}")
    return layouts


def _layout(root: Path, event: str) -> TracepointFormat:
    name = parse_attach(event)
    if not name.kind.live_linux:
        raise ConfigError(event, "is not an event of the Linux kernel: tracepoint:CATEGORY:NAME or syscall:NAME:enter")
    try:
        return read_format(root, name.category, name.event)
    except ConfigError as error:
        raise ConfigError(event, error.cause) from error
