"""Choose the sources that serve a set of attach names, once; from there on every source looks the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tracerd.errors import NotSupported
from tracerd.sources.base import EventSource
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_names import split_file
from tracerd.sources.names import AttachKind, AttachName, parse_attach
from tracerd.sources.perf import PerfOptions, PerfSource
from tracerd.sources.trec.reader import is_trec
from tracerd.sources.trec.source import TrecSource


@dataclass(frozen=True, slots=True)
class Serving:
    """A source, how many CPUs its events come from, and the attach names it serves.

    `clock_offset_ns` is unix time minus the clock of a recording's events; None: they are this machine's.
    """

    source: EventSource
    cpus: int
    events: tuple[str, ...]
    clock_offset_ns: int | None = None


def choose_sources(
    events: Iterable[str],
    recording: Path | None,
    options: PerfOptions,
    own_pids: Iterable[int] = (),
    speed: float | None = None,
) -> tuple[Serving, ...]:
    """Return a source for every group of attach names. Nothing is attached yet, but recordings are open.

    `own_pids` are tracerd's other processes, whose events are filtered like those of this one.

    Raises:
        ConfigError: an attach name is not one.
        NotSupported: nothing here serves one of them.
        SourceError: a recording cannot be read.
    """
    names = [parse_attach(event) for event in dict.fromkeys(events)]
    if recording is not None and is_trec(recording):
        return (_replayed(recording, names, speed),)
    live = [name for name in names if name.kind.live_linux]
    if recording is not None and live:
        raise NotSupported(f"{live[0].text!r} from {recording}", "a recording has no live events of this machine")
    chosen = [_recorded(path, served) for path, served in _recordings(names, recording).items()]
    if live:
        perf = PerfSource(options)
        for pid in own_pids:
            perf.ignore(pid)
        chosen.append(Serving(perf, perf.cpus, tuple(name.text for name in live)))
    return tuple(chosen)


def _replayed(path: Path, names: list[AttachName], speed: float | None) -> Serving:
    """A recording of ours serves every kind of name: what it does not have it refuses itself."""
    source = TrecSource(path, speed)
    return Serving(source, source.cpus, tuple(name.text for name in names), source.clock_offset_ns)


def _recorded(path: Path, events: list[str]) -> Serving:
    source = EtlSource(path)
    return Serving(source, source.cpus, tuple(events), source.clock_offset_ns)


def _recordings(names: Iterable[AttachName], recording: Path | None) -> dict[Path, list[str]]:
    """Group the names that a recording serves by its file."""
    files: dict[Path, list[str]] = {}
    for name in names:
        if name.kind is AttachKind.ETL:
            files.setdefault(Path(split_file(name.rest)[0]), []).append(name.text)
        elif not name.kind.live_linux:
            if recording is None:
                raise NotSupported(
                    f"live events of {name.text!r}",
                    "live ETW sessions need Windows and come with a later version; "
                    "give a recording: tracerd replay FILE.etl PROBE",
                )
            files.setdefault(recording, []).append(name.text)
    return files
