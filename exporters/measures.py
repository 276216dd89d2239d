"""What tracerd tells of itself: one row for each metric, and how it is read off a moment (docs/otel.md).

Names are `tracerd.*`: semantic conventions are for what means exactly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tracerd.signals import Scalar
from tracerd.snapshot import LEDGER_COUNTS, Moment

Told = tuple[float, Mapping[str, Scalar]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of tracerd itself."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    description: str
    read: Callable[[Moment], Iterable[Told]]


def _programs(field: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for each in moment.programs:
            yield getattr(each, field), {"probe": each.probe, "program": each.name, "engine": each.engine}

    return read


def _seconds_of_runs(moment: Moment) -> Iterator[Told]:
    return ((value / 1e9, names) for value, names in _programs("mean_ns")(moment))


def _events(moment: Moment) -> Iterator[Told]:
    for event, balance in moment.ledger.items():
        for outcome in LEDGER_COUNTS[1:]:
            yield getattr(balance, outcome), {"event": event, "outcome": outcome}


def _produced(moment: Moment) -> Iterator[Told]:
    return ((balance.produced, {"event": event}) for event, balance in moment.ledger.items())


def _maps(read: Callable[[int, int, int], float]) -> Callable[[Moment], Iterator[Told]]:
    def told(moment: Moment) -> Iterator[Told]:
        for name, probe in moment.probes.items():
            for each in probe.maps.values():
                yield read(len(each.keys), each.max_entries, each.refused), {"probe": name, "map": each.name}

    return told


def _fill(entries: int, most: int, _refused: int) -> float:
    return entries / max(most, 1)


def _rings(field: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for name, probe in moment.probes.items():
            for each in probe.rings.values():
                yield getattr(each, field), {"probe": name, "ring": each.name}

    return read


def _exporters(*fields: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for each in moment.exporters:
            for field in fields:
                yield getattr(each, field), {"exporter": each.name, "outcome": field.removeprefix("records_")}

    return read


def _exporter_counts(moment: Moment) -> Iterator[Told]:
    for each in moment.exporters:
        for name, count in each.counts.items():
            yield count, {"exporter": each.name, "count": name}


def _own(name: str, **names: Scalar) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        if name in moment.own:
            yield moment.own[name], names

    return read


def _caches(count: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for cache in ("proofs", "code"):
            yield from _own(f"cache.{cache}.{count}", cache=cache)(moment)

    return read


def _lookups(moment: Moment) -> Iterator[Told]:
    for outcome in ("hits", "misses"):
        for value, names in _caches(outcome)(moment):
            yield value, {**names, "outcome": outcome}


MEASURES = (
    Measure("tracerd.uptime", "gauge", "s", "Time since the daemon began", lambda m: [(m.uptime_ns / 1e9, {})]),
    Measure("tracerd.program.runs", "counter", "{run}", "Runs of a program", _programs("runs")),
    Measure("tracerd.program.aborted", "counter", "{run}", "Runs that were ended early", _programs("aborted")),
    Measure("tracerd.program.run.duration", "gauge", "s", "Mean time of a run, of one in 64", _seconds_of_runs),
    Measure("tracerd.program.verify.duration", "gauge", "s", "Time its proof took", _programs("verify_seconds")),
    Measure("tracerd.program.instructions", "gauge", "{instruction}", "Its length", _programs("instructions")),
    Measure("tracerd.event.produced", "counter", "{event}", "Events, as their producer counts them", _produced),
    Measure("tracerd.event.handled", "counter", "{event}", "What became of events: all outcomes are produced", _events),
    Measure("tracerd.map.entries", "gauge", "{entry}", "Entries of a map", _maps(lambda n, _most, _r: n)),
    Measure("tracerd.map.fill", "gauge", "1", "Entries of a map by its room", _maps(_fill)),
    Measure("tracerd.map.refused", "counter", "{update}", "Updates refused: it was full", _maps(lambda _n, _m, r: r)),
    Measure("tracerd.ring.records", "counter", "{record}", "Records taken out of a ring buffer", _rings("records")),
    Measure("tracerd.ring.dropped", "counter", "{record}", "Records that found no room in it", _rings("dropped")),
    Measure("tracerd.exporter.exports", "counter", "{export}", "Moments that were due",
            _exporters("exports", "failures", "skipped")),
    Measure("tracerd.exporter.records", "counter", "{record}", "Records for an exporter: given, lost before, failed",
            _exporters("records", "records_lost", "records_failed")),
    Measure("tracerd.exporter.tally", "gauge", "{count}", "An exporter's own counts", _exporter_counts),
    Measure("tracerd.process.cpu.time", "counter", "s", "CPU time of the daemon", _own("process.cpu_seconds")),
    Measure("tracerd.process.memory.usage", "gauge", "By", "Memory of the daemon", _own("process.memory_bytes")),
    Measure("tracerd.process.descriptors", "gauge", "{descriptor}", "Open files", _own("process.descriptors")),
    Measure("tracerd.pump.cpu.time", "counter", "s", "CPU time of events on their way", _own("pumps.cpu_seconds")),
    Measure("tracerd.map.memory.size", "gauge", "By", "Size of all maps", _own("maps.memory_bytes")),
    Measure("tracerd.map.memory.usage", "gauge", "By", "Of it, what is in memory", _own("maps.resident_bytes")),
    Measure("tracerd.probe.loaded", "gauge", "{probe}", "Probes that are loaded", _own("probes.loaded")),
    Measure("tracerd.probe.failed", "gauge", "{probe}", "Probes that should be and are not", _own("probes.failed")),
    Measure("tracerd.verifier.jobs", "counter", "{proof}", "Proofs asked for", _own("verifier.jobs")),
    Measure("tracerd.verifier.started", "counter", "{process}", "Verifier processes", _own("verifier.started")),
    Measure("tracerd.verifier.broken", "counter", "{process}", "Of them, killed or hung", _own("verifier.broken")),
    Measure("tracerd.reload.done", "counter", "{reload}", "Configurations taken", _own("reloads")),
    Measure("tracerd.reload.refused", "counter", "{reload}", "Configurations refused", _own("reloads.refused")),
    Measure("tracerd.source.revived", "counter", "{source}", "Sources opened anew", _own("sources.revived")),
    Measure("tracerd.cache.lookups", "counter", "{lookup}", "Proofs and code looked for in the caches", _lookups),
    Measure("tracerd.cache.size", "gauge", "By", "Size of a cache", _caches("bytes")),
    Measure("tracerd.api.requests", "counter", "{request}", "Requests to the control API", _own("api.requests")),
    Measure("tracerd.api.refused", "counter", "{request}", "Of them, refused", _own("api.refused")),
    Measure("tracerd.api.connections", "gauge", "{connection}", "Clients connected", _own("api.connections")),
    Measure("tracerd.log.dropped", "counter", "{record}", "Log records that found no room", _own("log.dropped")),
)  # fmt: skip
"""All of them; docs/otel.md lists the same."""
