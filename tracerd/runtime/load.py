"""Load a probe: object, maps, proofs, engines. Everything of it is made here or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from tracerd.config import Probe
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import Platform
from tracerd.runtime.program import Program, prove
from tracerd.runtime.rings import RingReader, rings_of
from tracerd.runtime.tables import ProbeViews
from tracerd.snapshot import MapSnapshot
from tracerd.verifier.job import Options, VerifiedProgram
from tracerd.verifier.verdict import Prover
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

    def snapshot(self) -> dict[str, MapSnapshot]:
        """Copy every map with keys; constant data is left out."""
        data = {spec.name for spec in self.object.maps if spec.read_only}
        return {name: each.snapshot() for name, each in self.maps.items() if each.kind.keyed and name not in data}

    def close(self) -> None:
        """Free programs first: they point into the maps."""
        for program in self.programs.values():
            program.executable.close()
        for each in self.maps.values():
            each.close()


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
    code_cache: CodeCache | None = None,
) -> LoadedProbe:
    """Read, prove and prepare a probe; its per-CPU maps get `cpus` slots. With `background` it is compiled meanwhile.

    Proofs come from wherever `verifier` has them, compiled code from `code_cache`.

    Raises:
        ObjectError, ConfigError, Rejection, VerifierUnavailable, PolicyRefusal, NotSupported, RunError.
    """
    choice = choice_here(asked, integrity)
    spec = load(probe.object)
    views = ProbeViews(probe.views, spec)
    proved = prove(verifier, spec, [name for name, _ in probe.attach], LINUX, options)
    maps = make_maps(spec, cpus, LINUX)
    try:
        programs = {name: _prepare(verified, maps, choice, background, code_cache) for name, verified in proved.items()}
    except BaseException:
        for each in maps:
            each.close()
        raise
    return LoadedProbe(probe, spec, {each.name: each for each in maps}, programs, views, rings_of(maps))


def make_maps(spec: ObjectSpec, cpus: int, platform: Platform) -> list[Map]:
    """Make all maps of an object, in its order (programs refer to them by index).

    Raises:
        ObjectError: a map cannot be made.
    """
    made: list[Map] = []
    try:
        for each in spec.maps:
            made.append(Map(each, platform.maps[each.type], cpus))
    except BaseException:
        for each_made in made:
            each_made.close()
        raise
    return made


def _prepare(
    verified: VerifiedProgram, maps: list[Map], choice: EngineChoice, background: bool, cache: CodeCache | None
) -> Program:
    return Program(verified, choice, engine.prepare(verified, maps, choice, background=background, cache=cache))
