"""Running programs through struct tr_program: counts, fuel, clean-up, the exchange of entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.vm.machine import make_map
from tracerd.isa.assemble import assemble
from tracerd.isa.encode import encode
from tracerd.isa.instruction import LDDW, Instruction
from tracerd.native import ffi, lib
from tracerd.platforms.linux import HELPERS
from tracerd.platforms.model import MapKind
from tracerd.vm.interpreter import Image


class Loaded:
    """A native program with its image and a run."""

    def __init__(self, code: tuple[Instruction, ...], fuel_edges: tuple[int, ...] = ()) -> None:
        self.image = Image("test", encode(code), HELPERS, fuel_edges=fuel_edges)
        self.native: Any = lib.tr_program_new()
        self.state: Any = ffi.new("struct tr_run *")
        lib.tr_program_set_entry(self.native, self.image.entry, self.image.native)

    def run(self, context: Any = ffi.NULL) -> int:
        return int(lib.tr_program_run(self.native, context, self.state))

    def close(self) -> None:
        lib.tr_program_free(self.native)
        self.image.close()


@pytest.fixture
def loaded() -> Iterator[list[Loaded]]:
    made: list[Loaded] = []
    yield made
    for each in made:
        each.close()


def make(made: list[Loaded], text: str, *prefix: Instruction, fuel_edges: tuple[int, ...] = ()) -> Loaded:
    made.append(Loaded((*prefix, *assemble(text)), fuel_edges))
    return made[-1]


def test_runs_are_counted_and_one_in_64_is_timed(loaded: list[Loaded]) -> None:
    """200 runs are 200 runs, three of them timed; the last result is kept."""
    program = make(loaded, "ldxdw %r0, [%r1]\nexit")
    context = ffi.new("uint64_t *")
    for number in range(200):
        context[0] = number
        assert program.run(context) == number
    assert (program.native.runs, program.native.last_result, program.native.aborted) == (200, 199, 0)
    assert program.native.sampled_runs == 3
    assert 0 < program.native.sampled_ns < 1_000_000_000


def test_timed_runs_are_counted_by_how_long_they_took(loaded: list[Loaded]) -> None:
    """Only the timed ones, each in one slot: all of them together lie between the slots' bounds."""
    program = make(loaded, "mov %r0, 0\nexit")
    for _ in range(64 * 50 + 63):
        program.run()
    slots = list(program.native.sampled_slots)
    assert len(slots) == lib.TR_RUN_SLOTS
    assert sum(slots) == program.native.sampled_runs == 50
    least = sum(count << number for number, count in enumerate(slots) if number)
    most = sum(count * ((2 << number) - 1) for number, count in enumerate(slots))
    assert least <= program.native.sampled_ns <= most


@pytest.mark.parametrize("ns", [0, 1, 2, 3, 1023, 1024, 2**39 - 1, 2**39, 2**40, 2**63, 2**64 - 1])
def test_a_run_is_counted_in_the_slot_of_its_time(ns: int) -> None:
    """Slot i from 2**i on, 0 with 1, and what is longer than all slots in the last."""
    assert lib.tr_run_slot(ns) == min(max(ns.bit_length() - 1, 0), lib.TR_RUN_SLOTS - 1)


def test_every_run_gets_its_fuel(loaded: list[Loaded]) -> None:
    """A run that used its fuel up is aborted, returns 0 and takes nothing from the next one."""
    program = make(loaded, "ldxdw %r2, [%r1]\nmov %r0, 7\nadd %r2, -1\njne %r2, 0, -2\nexit", fuel_edges=(3,))
    program.native.fuel = 5
    context = ffi.new("uint64_t *")
    for rounds, result, aborted in ((6, 7, 0), (7, 0, 1), (6, 7, 0)):
        context[0] = rounds
        assert program.run(context) == result
        assert program.state.aborted == (lib.TR_ABORT_FUEL if aborted else 0)
    assert (program.native.runs, program.native.aborted) == (3, 1)


def test_aborted_run_discards_what_it_reserved(loaded: list[Loaded]) -> None:
    """The reader does not wait for ever at a record whose program ran out of fuel."""
    with make_map(MapKind.RINGBUF, max_entries=4096) as ring:
        map_ = (Instruction(LDDW, 1, imm=ring.address), Instruction(0))
        text = "mov %r2, 8\nmov %r3, 0\ncall 131\nja -1\nexit"
        program = make(loaded, text, *map_, fuel_edges=(5,))
        program.run()
        assert program.state.aborted == lib.TR_ABORT_FUEL
        assert program.state.reserved_count == 0
        lib.tr_program_run(program.native, ffi.NULL, program.state)
        assert ring.read() == []
        assert ring.statistics.count == 0


def test_entry_can_be_exchanged_between_runs(loaded: list[Loaded]) -> None:
    """The next run uses the new entry; an entry without an image leaves the interpreter's in place."""
    first, second = make(loaded, "mov %r0, 1\nexit"), make(loaded, "mov %r0, 2\nexit")
    assert first.run() == 1
    lib.tr_program_set_entry(first.native, second.image.entry, second.image.native)
    assert first.run() == 2
    lib.tr_program_set_entry(first.native, first.image.entry, ffi.NULL)
    assert first.native.image == second.image.native
    assert first.run() == 2


def test_repeat_runs_on_one_context_and_reports_time(loaded: list[Loaded]) -> None:
    """The benchmark's entry counts its runs and returns the last result."""
    program = make(loaded, "ldxdw %r0, [%r1]\nadd %r0, 1\nstxdw [%r1], %r0\nexit")
    context, taken = ffi.new("uint64_t *"), ffi.new("uint64_t *")
    assert lib.tr_program_repeat(program.native, context, program.state, 1000, taken) == 1000
    assert program.native.runs == 1000
    assert taken[0] > 0
