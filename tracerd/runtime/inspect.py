"""Look at a host: its objects as rows, its maps, everything it has collected at one moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from tracerd.elf.spec import ProgramSpec
from tracerd.errors import NotFound, RunError
from tracerd.runtime import pin_view as pinned
from tracerd.runtime.host import Host
from tracerd.runtime.load import LoadedProbe
from tracerd.runtime.loaded import Loaded
from tracerd.runtime.map_view import MapView
from tracerd.runtime.objects import LinkInfo, MapInfo, PinInfo, ProbeInfo, ProgramInfo
from tracerd.runtime.ring_types import TypedFollower, record_types
from tracerd.runtime.tables import LazyTables
from tracerd.snapshot import (
    NO_PROCESSES,
    ExporterStatistics,
    Moment,
    ProbeMoment,
    Processes,
    ProgramStatistics,
    Table,
)
from tracerd.sources.names import overlap
from tracerd.verifier.job import VerifiedProgram
from tracerd.views.spec import ViewSpec
from tracerd.vm.maps import Map

PROOF_TAG_DIGITS = 16
Row = TypeVar("Row")


class Inspector:
    """Reads a host from any thread, beside its changes."""

    def __init__(
        self,
        host: Host,
        own: Callable[[], Mapping[str, float]],
        processes: Processes = NO_PROCESSES,
        exporters: Callable[[], tuple[ExporterStatistics, ...]] = tuple,
    ) -> None:
        """`own` are tracerd's own metrics, `exporters` how those do; `processes` may be asked about process ids."""
        self._host = host
        self._own = own
        self._processes = processes
        self._exporters = exporters
        self._moment: Moment | None = None
        self._taking = threading.Lock()

    def probes(self) -> list[ProbeInfo]:
        """Return every probe, those that failed to load too."""
        return sorted([*self._each(self._probe), *self._host.failed], key=lambda info: info.name)

    def programs(self) -> list[ProgramInfo]:
        """Return every program, by id."""
        return sorted((info for infos in self._each(self._programs) for info in infos), key=lambda info: info.id)

    def maps(self) -> list[MapInfo]:
        """Return every map, by id."""
        return sorted((info for infos in self._each(self._maps) for info in infos), key=lambda info: info.id)

    def links(self) -> list[LinkInfo]:
        """Return every link, by id."""
        vias = {name: balance.via for name, balance in self._host.sources.ledger().items()}
        rows = (info for infos in self._each(lambda each, live: self._links(each, live, vias)) for info in infos)
        return sorted(rows, key=lambda info: info.id)

    def pins(self) -> list[PinInfo]:
        """Return every pin, whether a probe uses it or none does."""
        return pinned.pins(self._host, self.maps())

    def resting_maps(self) -> list[MapInfo]:
        """Return the maps of pins that no probe has loaded; their `id` is 0."""
        return pinned.resting(self._host, self.maps())

    def pin_entries(self, name: str, limit: int) -> list[dict[str, object]]:
        """Return at most `limit` entries of a pin, loaded or not; see `pin_view.entries`."""
        return pinned.entries(self._host, name, limit)

    def program_text(self, program_id: int) -> tuple[ProgramSpec, VerifiedProgram]:
        """Return a program as it stood in its object, and with its proof.

        Raises:
            NotFound: there is none of that id.
        """
        loaded, name = self._host.find_program(program_id)
        return loaded.live.object.program(name), loaded.live.programs[name].verified

    def map(self, map_id: int) -> MapView:
        """Return one map.

        Raises:
            NotFound: there is none of that id.
        """
        loaded, name = self._host.find_map(map_id)
        return MapView(loaded, name, lambda live: self._map(loaded, name, live))

    def follow(self, map_id: int, queue_bytes: int) -> TypedFollower:
        """Follow a ring buffer from now on.

        Raises:
            NotFound: there is none of that id.
            RunError: it is no ring buffer.
        """
        loaded, name = self._host.find_map(map_id)
        with loaded.used() as live:
            spec = next(each for each in live.object.maps if each.name == name)
            for ring in live.rings:
                if ring.name == name:
                    types = record_types(spec, live.object.btf, live.probe.signals)
                    return TypedFollower(ring.subscribe(queue_bytes), types)
        raise RunError(f"map {name!r}", "is no ring buffer: it has entries, no records")

    def table(self, probe: str, table: str) -> tuple[ViewSpec, Table]:
        """Return one table as it is now.

        Raises:
            NotFound: there is none.
        """
        for each in self._host.loaded:
            if each.name == probe:
                with each.used() as live:
                    return self._one_table(live, table)
        raise NotFound(f"probe {probe!r}", tuple(each.name for each in self._host.loaded))

    def moment(self, max_age: float = 0.0) -> Moment:
        """Copy everything; a copy that is at most `max_age` seconds old is shared."""
        with self._taking:
            last = self._moment
            if last is None or time.time_ns() - last.taken_ns >= max_age * 1e9 or last.taken_ns > time.time_ns():
                last = self._moment = self._take()
            return last

    def forget_moment(self) -> None:
        """Share no copy from before: something has ended, and whoever asks next is to see it."""
        with self._taking:
            self._moment = None

    def _take(self) -> Moment:
        host = self._host
        moments = {moment.name: moment for moment in self._each(_probe_moment)}
        programs = tuple(row for rows in self._each(_program_statistics) for row in rows)
        return Moment(
            taken_ns=time.time_ns(),
            uptime_ns=time.monotonic_ns() - host.started_ns,
            clock_offset_ns=time.time_ns() - time.monotonic_ns(),
            probes=moments,
            programs=programs,
            ledger=host.sources.ledger(),
            own=self._own(),
            processes=self._processes,
            exporters=self._exporters(),
        )

    def _each(self, look: Callable[[Loaded, LoadedProbe], Row]) -> Iterator[Row]:
        """Look at every probe that is there; one that is unloaded meanwhile is left out."""
        for each in self._host.loaded:
            try:
                with each.used() as live:
                    yield look(each, live)
            except NotFound:
                continue

    def _probe(self, each: Loaded, live: LoadedProbe) -> ProbeInfo:
        return ProbeInfo(
            name=each.name,
            origin=each.origin,
            description=live.probe.description,
            programs=tuple(each.programs.values()),
            maps=tuple(each.maps.values()),
            links=tuple(link.id for link in each.links),
            tables=live.views.names,
        )

    def _programs(self, each: Loaded, live: LoadedProbe) -> list[ProgramInfo]:
        return [self._program(each, live, name) for name in live.programs]

    def _program(self, each: Loaded, live: LoadedProbe, name: str) -> ProgramInfo:
        program = live.programs[name]
        job, proof, counted = program.verified.job, program.verified.certificate, program.statistics()
        return ProgramInfo(
            id=each.programs[name],
            name=name,
            probe=each.name,
            type=job.type,
            tag=proof.digest[:PROOF_TAG_DIGITS],
            engine=counted.engine,
            reason=counted.reason,
            maps=tuple(each.maps[facts.name] for facts in job.maps),
            instructions=counted.instructions,
            verify_seconds=counted.verify_seconds,
            terminates=proof.terminates,
            loaded_ns=each.loaded_ns,
            runs=counted.runs,
            aborted=counted.aborted,
            mean_ns=counted.mean_ns,
            slots=counted.slots,
        )

    def _maps(self, each: Loaded, live: LoadedProbe) -> list[MapInfo]:
        return [self._map(each, name, found) for name, found in live.maps.items()]

    def _map(self, each: Loaded, name: str, found: Map) -> MapInfo:
        counted = found.statistics
        return MapInfo(
            id=each.maps[name],
            name=name,
            probe=each.name,
            kind=found.kind.name.lower(),
            key_bytes=found.key_size,
            value_bytes=found.value_size,
            max_entries=found.max_entries,
            entries=counted.count,
            refused=counted.refused,
            memory_bytes=counted.memory_bytes,
            resident_bytes=found.resident_bytes,
            per_cpu=found.cpus,
            read_only=found.read_only,
            pin=self._host.maps.pin_of(found),
            expired=sum(expiring.expired for expiring in each.live.expiring if expiring.map == name),
        )

    def _links(self, each: Loaded, live: LoadedProbe, vias: Mapping[str, str]) -> list[LinkInfo]:
        rows = []
        for link in each.links:
            delivered, failed = self._host.sources.counts(live.programs[link.program].link(link.source))
            number = each.programs[link.program]
            via = vias.get(link.source, "")
            overlaps = tuple(other.source for other in each.links
                             if other.program == link.program and overlap(other.source, link.source))  # fmt: skip
            about = (link.id, number, link.program, each.name, link.source)
            rows.append(LinkInfo(*about, delivered, failed, via, overlaps))
        return rows

    def _one_table(self, live: LoadedProbe, name: str) -> tuple[ViewSpec, Table]:
        for view, table in live.views.tables(live.snapshot()):
            if view.name == name:
                return view, table
        raise NotFound(f"table {name!r} of probe {live.probe.name!r}", live.views.names)


def _probe_moment(each: Loaded, live: LoadedProbe) -> ProbeMoment:
    maps, rings = live.snapshot(), {ring.name: ring.snapshot() for ring in live.rings}
    exports = live.exports
    return ProbeMoment(each.name, maps, LazyTables(live.views, maps), rings, exports.signals, exports.maps)


def _program_statistics(each: Loaded, live: LoadedProbe) -> list[ProgramStatistics]:
    return [replace(program.statistics(), probe=each.name) for program in live.programs.values()]
