"""The live things of a daemon: probes come and go, programs, maps and links have ids, and everything can be looked at.

Every change is all or nothing: what is new is loaded, proved and prepared beside what runs; then links are exchanged in
one transaction (`live`), and only then is what is gone freed. What was changed at run time is saved before the call
returns, so a daemon that is killed comes back with the same links; if it cannot be saved the change is undone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from tracerd.config import Probe
from tracerd.errors import ConfigError, Conflict, NotFound, RunError, TracerdError
from tracerd.runtime.failures import Failures
from tracerd.runtime.live import LiveSources
from tracerd.runtime.load import LoadedProbe, load_probe
from tracerd.runtime.loaded import HostLink, Ids, Loaded, fingerprint
from tracerd.runtime.objects import Changes, Origin, ProbeInfo
from tracerd.runtime.pinned_maps import PinnedMaps, too_large
from tracerd.runtime.pins import Pins
from tracerd.runtime.saved import Saved
from tracerd.runtime.upload import Upload, Uploads, kept, name_as_sent
from tracerd.sources.choose import LiveOptions
from tracerd.verifier.job import Options
from tracerd.verifier.verdict import Prover
from tracerd.vm.code_cache import CodeCache
from tracerd.vm.maps import Map
from tracerd.vm.policy import Integrity

Part = TypeVar("Part")
Parts = Callable[[Loaded], Iterable[tuple[int, Part]]]


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What all probes together may take."""

    probes: int = 256
    links: int = 4096
    map_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How a host behaves."""

    code_integrity: Integrity = "auto"
    live: LiveOptions = field(default_factory=LiveOptions)
    verify: Options = field(default_factory=Options)
    limits: HostLimits = field(default_factory=HostLimits)


class Host:
    """All probes of a daemon. Thread-safe; changes are made one at a time and may take as long as a proof."""

    def __init__(
        self,
        settings: HostSettings,
        verifier: Prover,
        uploads: Uploads,
        pins: Pins,
        saved: Saved,
        save: Callable[[Saved], None],
        code_cache: CodeCache | None = None,
    ) -> None:
        """`save` keeps what must outlast the process, or raises."""
        self.settings = settings
        self.sources = LiveSources(settings.live, self._empty_rings)
        self.started_ns = time.monotonic_ns()
        self._verifier = verifier
        self._uploads = uploads
        self._code_cache = code_cache
        map_bytes = settings.limits.map_bytes
        self.maps = PinnedMaps(pins, lambda probe, name: self._saved.pin_of(probe, name), map_bytes)
        self._ids = Ids()
        self._loaded: dict[str, Loaded] = {}
        self._failures = Failures()
        self._saved = saved
        self._save = save
        self._changing = threading.RLock()
        self.on_load: Callable[[Loaded], None] = lambda _: None      # before the first event of a probe

    # ---- what there is

    @property
    def loaded(self) -> tuple[Loaded, ...]:
        """The probes that are loaded now."""
        return tuple(self._loaded.values())

    @property
    def failed(self) -> tuple[ProbeInfo, ...]:
        """The probes that should be loaded and are not."""
        return self._failures.told

    @property
    def saved(self) -> Saved:
        """What is remembered."""
        return self._saved

    def find_program(self, program_id: int) -> tuple[Loaded, str]:
        """Return the probe and the name of a program.

        Raises:
            NotFound: there is none of that id.
        """
        return self._find("program", program_id, lambda each: _turned(each.programs))

    def find_map(self, map_id: int) -> tuple[Loaded, str]:
        """Return the probe and the name of a map."""
        return self._find("map", map_id, lambda each: _turned(each.maps))

    def find_link(self, link_id: int) -> tuple[Loaded, HostLink]:
        """Return the probe of a link, and the link."""
        return self._find("link", link_id, lambda each: ((link.id, link) for link in each.links))

    # ---- changes

    def begin(self, probes: Sequence[tuple[str, Probe | TracerdError]]) -> None:
        """Load the configured probes and those loaded at run time, each for itself: what fails is told in `failed`.

        `probes` have the name they are told by, and each its probe or why there is none.
        """
        with self._changing:
            for name, configured in probes:
                self._try("config", name, configured)
            for name, probe_or_error in kept(self._uploads):
                self._try("runtime", name, probe_or_error)

    def retry(self) -> list[str]:
        """Try again what failed for a reason that may pass by itself: a killed verifier, a refusal, no room.

        Returns the names of those that are loaded now.
        """
        with self._changing:
            waiting = self._failures.passing()
            for name, origin, probe in waiting:
                self._try(origin, name, probe)
            return [name for name, _, _ in waiting if name in self._loaded]

    def apply(self, probes: Sequence[Probe]) -> Changes:
        """Have exactly these configured probes; those that stay the same go on without losing an event. All or nothing.

        Raises:
            TracerdError: one cannot be loaded or attached; nothing has changed.
        """
        with self._changing:
            prints = {probe.name: fingerprint(probe) for probe in probes}
            before = {each.name: each for each in self.loaded if each.origin == "config"}
            same = {name for name, each in before.items() if prints.get(name) == each.fingerprint}
            fresh = [probe for probe in probes if probe.name not in same]
            new = self._load_all("config", fresh)
            gone = [each for name, each in before.items() if name not in same]
            try:
                self._exchange(new, gone)
            except BaseException:
                _close(new)
                raise
            self.maps.settle()
            self._failures.forget_all("config")
            return Changes(
                loaded=tuple(each.name for each in new if each.name not in before),
                replaced=tuple(each.name for each in new if each.name in before),
                unloaded=tuple(name for name in before if name not in prints),
                unchanged=tuple(sorted(same)),
            )

    def load(self, upload: Upload) -> Loaded:
        """Load a probe, attach it, and keep it over restarts until it is unloaded.

        Raises:
            TracerdError: it cannot be loaded, attached or kept; nothing has changed.
        """
        with self._changing:
            probe, folder = self._uploads.draft(upload)
            try:
                self._refuse_taken(probe.name)
                self._remember(self._saved.without_probe(probe.name))    # of one whose unload was cut short by a kill
                (new,) = self._load_all("runtime", [probe])
                try:
                    self._exchange([new], [])
                except BaseException:
                    new.close()
                    raise
                try:
                    self._uploads.keep(folder, probe.name)
                except BaseException:
                    self._exchange([], [new])
                    raise
            except TracerdError as error:
                name_as_sent(error, folder, upload)
                raise
            finally:
                self._uploads.discard(folder)
            self.maps.settle()
            self._failures.forget(probe.name)
            return new

    def unload(self, name: str) -> None:
        """Detach and free a probe that was loaded at run time, and forget it; its pinned maps stay.

        Raises:
            NotFound: there is no such probe.
            ConfigError: it comes from the configuration.
        """
        with self._changing:
            found = self._loaded.get(name)
            origin = found.origin if found else self._failures.origin(name)
            if origin is None:
                raise NotFound(f"probe {name!r}", tuple(self._loaded))
            if origin == "config":
                raise ConfigError(f"probe {name!r}", "comes from the configuration: take it out there and reload")
            self._uploads.remove(name)
            self._failures.forget(name)
            if found:
                self._exchange([], [found])
            with suppress(TracerdError):             # it is forgotten already; its links no longer matter
                self._remember(self._saved.without_probe(name))

    def attach(self, program_id: int, source: str) -> HostLink:
        """Run a loaded program on an event, over restarts too.

        Raises:
            NotFound, Conflict, ConfigError, NotPermitted, NotSupported, SourceError: it cannot be; nothing has changed.
        """
        with self._changing:
            loaded, program = self.find_program(program_id)
            if any((link.program, link.source) == (program, source) for link in loaded.links):
                raise Conflict(source, f"program {program!r} runs on it already")
            self._relink(loaded, (*_pairs(loaded.links), (program, source)))
            return loaded.links[-1]

    def detach(self, link_id: int) -> None:
        """Take a link away, over restarts too; its program stays loaded.

        Raises:
            NotFound: there is none of that id.
        """
        with self._changing:
            loaded, gone = self.find_link(link_id)
            self._relink(loaded, _pairs(link for link in loaded.links if link is not gone))

    def pin(self, map_id: int, name: str) -> None:
        """Move a live map into a file of that name: its probe finds it there again, after a restart and after kill -9.

        Programs stand still for the last copy; what happens meanwhile waits in the rings.

        Raises:
            NotFound: there is no such map.
            ConfigError, Conflict, RunError, NotPermitted: it cannot be pinned so; nothing has changed.
        """
        with self._changing:
            loaded, map_name = self.find_map(map_id)
            with loaded.used() as live:
                made, obj = live.maps[map_name], live.object
                spec = next(each for each in obj.maps if each.name == map_name)
                with made.writing:
                    self.maps.prepare(name, made, spec, obj)
                    self._remember_pin(name, loaded.name, map_name, made)
                    try:
                        with self.sources.parked():
                            self.maps.commit(name, made, spec)
                    except BaseException:
                        with suppress(TracerdError):     # else the next start pins it, as was asked
                            self._remember(self._saved.without_pin(name))
                        raise

    def unpin(self, name: str) -> None:
        """Remove a pin and its file; a probe that has the map keeps it in memory.

        Raises:
            NotFound: there is none.
            RunError, NotPermitted: the system refuses.
        """
        with self._changing:
            self.maps.unpin(name)
            self._remember(self._saved.without_pin(name))

    def expire(self) -> None:
        """Let entries of ended processes make room where a map that says so fills up."""
        for each in self.loaded:
            with suppress(NotFound), each.used() as live:        # unloaded in this moment
                for expiring in live.expiring:
                    expiring.sweep(live.maps[expiring.map])

    def stop(self) -> list[TracerdError]:
        """Stop all events and deliver what is in the buffers. Everything can still be looked at."""
        with self._changing:
            return self.sources.stop()

    def close(self) -> None:
        """Release everything. May be called twice."""
        with self._changing:
            self.sources.close()
            _close(self.loaded)
            self._loaded.clear()

    # ---- inside

    def _find(self, what: str, wanted: int, parts: Parts[Part]) -> tuple[Loaded, Part]:
        for each in self.loaded:
            for number, part in parts(each):
                if number == wanted:
                    return each, part
        raise NotFound(f"{what} {wanted}")

    def _refuse_taken(self, name: str) -> None:
        if name in self._loaded:
            raise Conflict(f"probe {name!r}", "is loaded already; unload it first, or give this one another name")

    def _try(self, origin: Origin, name: str, probe: Probe | TracerdError) -> None:
        """Load one probe for itself, or note why it cannot be."""
        self._failures.forget(name)
        try:
            if isinstance(probe, TracerdError):
                raise probe
            self._refuse_taken(name)
            new = self._load_all(origin, [probe])
            try:
                self._exchange(new, [])
            except BaseException:
                _close(new)
                raise
            self.maps.settle()
        except TracerdError as error:
            self._failures.note(name, origin, probe, error)

    def _load_all(self, origin: Origin, probes: Sequence[Probe]) -> list[Loaded]:
        new: list[Loaded] = []
        try:
            for probe in probes:
                taken = self._loaded.get(probe.name)
                if taken is not None and taken.origin != origin:
                    self._refuse_taken(probe.name)
                new.append(self._load_one(origin, probe))
            self._check_limits(new)
        except BaseException:
            _close(new)
            raise
        return new

    def _load_one(self, origin: Origin, probe: Probe) -> Loaded:
        seen = fingerprint(probe)        # before it is loaded: what is exchanged meanwhile differs at the next reload
        live: LoadedProbe = load_probe(
            probe,
            self.sources.cpus,
            self._verifier,
            asked=probe.engine,
            integrity=self.settings.code_integrity,
            options=self.settings.verify,
            background=True,
            maps_of=self.maps,
            code_cache=self._code_cache,
        )
        made = Loaded(origin, seen, live, self._ids)
        before = self._loaded.get(probe.name)
        made.links = before.links if before is not None else ()      # the same links keep their ids
        made.links = made.new_links(self._saved.links_of(probe.name, probe.attach))
        self.on_load(made)
        return made

    def _check_limits(self, new: Sequence[Loaded]) -> None:
        limits = self.settings.limits
        names = {each.name for each in new}
        after = [*(each for each in self.loaded if each.name not in names), *new]
        taken = sum(each.statistics.memory_bytes for one in after for each in one.live.maps.values())
        links = sum(len(each.links) for each in after)
        if len(after) > limits.probes:
            many = f"{len(after)} are more than the limit of {limits.probes}"
            raise RunError("probes", f"{many}; raise limits.probes or unload some")
        if links > limits.links:
            raise RunError("links", f"{links} are more than the limit of {limits.links}; detach some")
        if taken > limits.map_bytes:
            raise too_large(taken, limits.map_bytes)

    def _exchange(self, new: Sequence[Loaded], gone: Sequence[Loaded]) -> None:
        """Put probes in and take others out, in one change of links; then free those that are gone."""
        leaving = {id(each) for each in gone}
        stay = [each for each in self.loaded if id(each) not in leaving]
        self.sources.relink([each.request(link) for each in (*stay, *new) for link in each.links])
        self._loaded = {each.name: each for each in (*stay, *new)}
        for each in new:
            self.on_load(each)           # again: whoever came meanwhile knew of it neither way
        _close(gone)

    def _relink(self, loaded: Loaded, pairs: tuple[tuple[str, str], ...]) -> None:
        """Give a loaded probe other links, and remember them; undone if they cannot be remembered."""
        before = loaded.links
        try:
            loaded.links = loaded.new_links(pairs)
            self._check_limits([])
            self._exchange([], [])
            try:
                self._remember(self._saved.with_links(loaded.name, loaded.live.probe.attach, pairs))
            except TracerdError:
                loaded.links = before
                self._exchange([], [])
                raise
        except TracerdError:
            loaded.links = before
            raise

    def _remember_pin(self, name: str, probe: str, map_name: str, made: Map) -> None:
        """Remember a pin before its file is there: killed between the two, the next start makes the file. The other way
        round a file would be left that has the map's name and that no map lives in."""
        try:
            self._remember(self._saved.with_pin(name, probe, map_name))
        except BaseException:
            self.maps.abandon(name, made)
            raise

    def _remember(self, saved: Saved) -> None:
        if saved != self._saved:
            self._save(saved)
            self._saved = saved

    def _empty_rings(self) -> None:
        """Take out what is in the ring buffers; called by every pump between its turns."""
        for each in self.loaded:
            if each.live.rings:
                with suppress(NotFound), each.used() as live:    # unloaded in this moment: it has no readers any more
                    for ring in live.rings:
                        ring.empty()


def _turned(ids: Mapping[str, int]) -> Iterable[tuple[int, str]]:
    return ((number, name) for name, number in ids.items())


def _pairs(links: Iterable[HostLink]) -> tuple[tuple[str, str], ...]:
    return tuple((link.program, link.source) for link in links)


def _close(many: Iterable[Loaded]) -> None:
    for each in many:
        each.close()
