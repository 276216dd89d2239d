"""Load a probe: object, maps, proofs, engines. Everything of it is made here or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tracerd.config import Probe
from tracerd.elf.load import load
from tracerd.elf.spec import MapSpec, ObjectSpec
from tracerd.platforms import PLATFORMS
from tracerd.platforms.detect import detect
from tracerd.platforms.model import MapKind, Platform
from tracerd.runtime.expiry import Expiring, expiring_maps
from tracerd.runtime.program import Program, prove
from tracerd.runtime.rings import RingReader, rings_of
from tracerd.runtime.tables import ProbeViews
from tracerd.snapshot import MapSnapshot
from tracerd.verifier.job import Options, VerifiedProgram
from tracerd.verifier.verdict import Prover
from tracerd.views.signals import Resolved, resolve
from tracerd.vm import engine
from tracerd.vm.code_cache import CodeCache
from tracerd.vm.maps import Map
from tracerd.vm.policy import Asked, EngineChoice, Integrity, choice_here, lock_the_door


@dataclass(frozen=True, slots=True)
class LoadedProbe:
    """A probe with its object, its maps and its programs, each by name."""

    probe: Probe
    object: ObjectSpec
    maps: dict[str, Map]
    programs: dict[str, Program]
    views: ProbeViews
    rings: tuple[RingReader, ...]
    exports: Resolved
    release: Callable[[Map], None] = Map.close
    expiring: tuple[Expiring, ...] = ()

    def snapshot(self) -> dict[str, MapSnapshot]:
        """Copy every map with keys; constant data is left out."""
        data = {spec.name for spec in self.object.maps if spec.read_only}
        return {name: each.snapshot() for name, each in self.maps.items() if each.kind.keyed and name not in data}

    def close(self) -> None:
        """Free programs first: they point into the maps."""
        for ring in self.rings:
            ring.empty()             # no pump does it any more: the last records would be lost
            ring.end()
        for program in self.programs.values():
            program.close()
        for each in self.maps.values():
            self.release(each)


def lock_if_enforced(integrity: Integrity) -> bool:
    """Lock the door before anything else happens, if the machine or the user forbids code made at run time."""
    return lock_the_door(choice_here("auto", integrity))


def load_probe(
    probe: Probe,
    cpus: int,
    verifier: Prover,
    *,
    asked: Asked,
    integrity: Integrity,
    options: Options,
    background: bool,
    maps_of: Maps | None = None,
    code_cache: CodeCache | None = None,
) -> LoadedProbe:
    """Read, prove and prepare a probe; its per-CPU maps get `cpus` slots. With `background` it is compiled meanwhile.

    Without attach points all programs of the object are loaded. `maps_of` makes the maps, by default anonymous ones.
    Proofs come from wherever `verifier` has them, compiled code from `code_cache`.

    Raises:
        ObjectError, ConfigError, Rejection, VerifierUnavailable, PolicyRefusal, NotSupported, RunError.
    """
    choice = choice_here(asked, integrity)
    spec = load(probe.object)
    views = ProbeViews(probe.views, spec)
    platform = platform_of(probe, spec)
    expiring = expiring_maps(probe, spec, platform)
    exports = exports_of(probe, spec, platform)
    names = [name for name, _ in probe.attach] or [program.name for program in spec.programs]
    proved = prove(verifier, spec, names, platform, options)
    maps_of = maps_of or AnonymousMaps()
    maps = make_maps(spec, cpus, platform, maps_of, probe.name)
    programs: dict[str, Program] = {}
    try:
        for name, verified in proved.items():
            programs[name] = _prepare(verified, maps, choice, background, code_cache)
    except BaseException:
        for program in programs.values():
            program.close()
        for each in maps:
            maps_of.release(each)
        raise
    by_name = {each.name: each for each in maps}
    return LoadedProbe(probe, spec, by_name, programs, views, rings_of(maps), exports, maps_of.release, expiring)


def platform_of(probe: Probe, spec: ObjectSpec) -> Platform:
    """Return whose conventions a probe's object follows: what its probe.toml says, or else what the object shows."""
    return PLATFORMS[probe.platform] if probe.platform else detect(spec)


class Maps(Protocol):
    """Who makes the maps of an object, and takes them back."""

    def make(self, probe: str, spec: MapSpec, obj: ObjectSpec, kind: MapKind, cpus: int) -> Map:
        """Return a map for a spec of a probe's object."""

    def release(self, made: Map) -> None:
        """The object needs it no more."""


class AnonymousMaps:
    """Maps in memory, each its object's own."""

    def make(self, probe: str, spec: MapSpec, obj: ObjectSpec, kind: MapKind, cpus: int) -> Map:  # noqa: ARG002
        """Return a new map."""
        return Map(spec, kind, cpus)

    def release(self, made: Map) -> None:
        """Free it."""
        made.close()


def make_maps(
    spec: ObjectSpec, cpus: int, platform: Platform, maps_of: Maps | None = None, probe: str = ""
) -> list[Map]:
    """Make all maps of an object, in its order (programs refer to them by index).

    From here on a map's type is the core's number, whatever number its platform has for it: pins outlive objects.

    Raises:
        ObjectError, RunError: a map cannot be made.
    """
    maps_of = maps_of or AnonymousMaps()
    made: list[Map] = []
    try:
        for each in spec.maps:
            kind = platform.maps[each.type]
            made.append(maps_of.make(probe, replace(each, type=kind.value), spec, kind, cpus))
    except BaseException:
        for each_made in made:
            maps_of.release(each_made)
        raise
    return made


def exports_of(probe: Probe, spec: ObjectSpec, platform: Platform) -> Resolved:
    """Return what a probe exports, checked against its object.

    Raises:
        ConfigError: it names what the object does not have.
    """
    rings = [each.name for each in spec.maps if platform.maps.get(each.type) is MapKind.RINGBUF]
    return resolve(probe.signals, spec.maps, rings, spec.btf)


def _prepare(
    verified: VerifiedProgram, maps: list[Map], choice: EngineChoice, background: bool, cache: CodeCache | None
) -> Program:
    return Program(verified, choice, engine.prepare(verified, maps, choice, background=background, cache=cache))
