"""Programs that are run on every system: an object's maps, its proved programs, and where they are attached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.certify import program
from tests.vm.hammer import HAMMER, SPECS
from tracerd.elf.load import load
from tracerd.elf.spec import MapSpec
from tracerd.platforms.linux import LINUX
from tracerd.runtime.locate import locate
from tracerd.verifier import Rejection, verify
from tracerd.verifier.job import MapFacts, VerifiedProgram
from tracerd.verifier.prepare import make_job

FUEL = 4096
"""Back-edges of a run: few enough that some events of every recording are aborted."""

ALL = "etl:any.etl"
"""The name that means every event of a recording."""

ALL_KINDS = Path(__file__).parent / "objects" / "etw_all_kinds.bpf.o"


@dataclass(frozen=True, slots=True)
class Scene:
    """Links are (program, attach name). Programs' maps are `maps`, by index; per-CPU ones have `cpus` slots."""

    maps: tuple[MapSpec, ...]
    programs: tuple[VerifiedProgram, ...]
    links: tuple[tuple[str, str], ...]
    cpus: int


def etw_processes(cpus: int) -> Scene:
    """The shipped probe, attached as it says."""
    probe = locate("etw_processes")
    return _scene(probe.object, probe.attach, cpus)


def all_kinds(cpus: int) -> Scene:
    """Every kind of map, fuel, printed lines and intervals, on all events and on some."""
    every = [(name, ALL) for name in ("on_tally", "on_size", "on_thread", "on_record", "on_fuel")]
    some = [("on_thread", "etw-kernel:Image"), ("on_size", "etw:Microsoft-Windows-Kernel-Process:ProcessStart")]
    timed = [("on_begin", "begin"), ("on_interval", "interval:10ms"), ("on_interval", "interval:1s"), ("on_end", "end")]
    return _scene(ALL_KINDS, [*every, *some, *timed], cpus)


def all_named(names: Sequence[str], cpus: int) -> Scene:
    """The same, but for the timed programs, on all events of these names."""
    programs = ("on_tally", "on_size", "on_thread", "on_record", "on_fuel")
    return _scene(ALL_KINDS, [(program, name) for program in programs for name in names], cpus)


def hammered(cpus: int) -> Scene:
    """The program that several threads run at once; its maps have a slot for each of them."""
    facts = [MapFacts(each.name, each.type, each.key_size, each.value_size, each.max_entries) for each in SPECS]
    return Scene(SPECS, (program(HAMMER, facts),), (), cpus)


def _scene(path: Path, links: Sequence[tuple[str, str]], cpus: int) -> Scene:
    obj = load(path)
    proved = []
    for name in dict.fromkeys(name for name, _ in links):
        verdict = verify(make_job(obj, obj.program(name), LINUX))
        assert not isinstance(verdict, Rejection), verdict
        proved.append(verdict)
    return Scene(tuple(obj.maps), tuple(proved), tuple(links), cpus)
