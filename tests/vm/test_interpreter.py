"""The interpreter against RFC 9669's cases, against arithmetic written in Python, and its builds against each other."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.generate import MAPS, Generator, context
from tests.vm.arithmetic import COMPARISONS, OPERATIONS, compare, compute
from tests.vm.machine import ENGINES, make_map, run
from tracerd.errors import RunError
from tracerd.isa.assemble import assemble
from tracerd.isa.conformance import load_case
from tracerd.isa.encode import encode
from tracerd.isa.instruction import (
    ALU,
    ALU64,
    CALL,
    DW,
    EXIT,
    JA,
    JMP,
    JMP32,
    JNE,
    LDDW,
    LDX,
    MEM,
    MOV,
    STX,
    Instruction,
)  # fmt: skip
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.verifier.job import Certificate, Job, VerifiedProgram
from tracerd.vm.interpreter import Interpreter
from tracerd.vm.maps import Map

CASES = sorted((Path(__file__).parents[2].parent / "shared" / "conformance" / "cases").glob("*.data"))
EXIT_ = Instruction(JMP | EXIT)


@pytest.mark.parametrize("checked", ENGINES)
def test_every_conformance_case(checked: bool) -> None:
    """Each case of bpf_conformance returns its result, and the checked build finds nothing to complain about."""
    if not CASES:
        pytest.skip("the shared conformance cases are not beside the project")
    wrong = []
    for path in CASES:
        case = load_case(path)
        code = case.raw if case.raw is not None else encode(case.instructions or ())
        if case.name == "callx":
            with pytest.raises(RunError, match="through a register"):
                run(code)
            continue
        outcome = run(code, case.memory, checked=checked)
        if (outcome.result, outcome.aborted) != (case.result, 0):
            wrong.append((case.name, outcome))
    assert not wrong


EDGES = (0, 1, 2, 31, 32, 63, 64, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
words = st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << 64) - 1))
immediates = st.one_of(st.sampled_from((0, 1, -1, 7, 31, 32, 63, 64, -(1 << 31), (1 << 31) - 1)),
                       st.integers(-(1 << 31), (1 << 31) - 1))


def load_operands() -> list[Instruction]:
    """Return code that reads r3 and r4 from memory: nothing can be folded."""
    return [Instruction(LDX | MEM | DW, 3, 1, 0), Instruction(LDX | MEM | DW, 4, 1, 8)]


@pytest.mark.parametrize(("operation", "offset"), OPERATIONS)
@pytest.mark.parametrize("wide", [True, False])
@settings(max_examples=25, deadline=None)
@given(a=words, b=words, imm=immediates)
@example(a=1 << 63, b=(1 << 64) - 1, imm=-1)
@example(a=0x80000000, b=0xFFFFFFFF, imm=-1)
@example(a=(1 << 64) - 5, b=0, imm=0)
def test_arithmetic_is_the_rfcs(operation: int, offset: int, wide: bool, a: int, b: int, imm: int) -> None:
    """Register and immediate forms give what Python's integers say, truncated; 32-bit results are zero-extended."""
    klass, bits = (ALU64, 64) if wide else (ALU, 32)
    by_register = Instruction(klass | operation | 8, 3, 4, offset)
    by_constant = Instruction(klass | operation, 3, 0, offset, imm)
    for instruction, operand in ((by_register, b), (by_constant, imm)):
        code = [*load_operands(), instruction, Instruction(ALU64 | MOV | 8, 0, 3), EXIT_]
        expected = compute(operation, offset, a, operand, bits)
        for checked in ENGINES:
            assert run(code, struct.pack("<QQ", a, b), checked=checked).result == expected


@pytest.mark.parametrize("operation", COMPARISONS)
@pytest.mark.parametrize("wide", [True, False])
@settings(max_examples=25, deadline=None)
@given(a=words, b=words, imm=immediates)
@example(a=1 << 63, b=1, imm=-1)
@example(a=(1 << 64) - 1, b=(1 << 64) - 1, imm=-1)
def test_comparisons_are_the_rfcs(operation: int, wide: bool, a: int, b: int, imm: int) -> None:
    """Jumps are taken exactly when Python's comparison holds; immediates are sign-extended to 64 bits."""
    klass, bits = (JMP, 64) if wide else (JMP32, 32)
    by_register = Instruction(klass | operation | 8, 3, 4, 1)
    by_constant = Instruction(klass | operation, 3, 0, 1, imm)
    for jump, operand in ((by_register, b), (by_constant, imm)):
        code = [*load_operands(), Instruction(ALU64 | MOV, 0, imm=1), jump, Instruction(ALU64 | MOV, 0), EXIT_]
        expected = compare(operation, a, operand, bits)
        for checked in ENGINES:
            assert run(code, struct.pack("<QQ", a, b), checked=checked).result == expected


def certificate(job: Job, **more: object) -> Certificate:
    facts: dict[str, object] = {
        "digest": job.digest(), "verifier": "test", "context_bytes": 8192, "stack_bytes": (512,), "terminates": True,
        "fuel_edges": (), "context_loads": {}, "call_maps": {}, "instructions": 0, "states": 0, "seconds": 0.0,
        "peak_mb": 0.0,
    }  # fmt: skip
    return Certificate(**(facts | more))  # type: ignore[arg-type]


def outcome_of(job: Job, memory: bytes, checked: bool) -> tuple[object, ...]:
    """Run a job once; return everything it could have changed."""
    maps = [make_map(MapKind(m.kind), m.key_size, m.value_size, m.max_entries, cpus=2) for m in job.maps]
    program = Interpreter(VerifiedProgram(job, certificate(job)), maps, checked=checked)
    state: Any = ffi.new("struct tr_run *")
    native = ffi.new("uint8_t[]", memory)
    regions: Any = ffi.new("struct tr_regions *")
    table: Any = ffi.new("struct tr_region[1]")
    handles = ffi.new("struct tr_map *[]", [each.handle for each in maps])
    table[0].start, table[0].size = int(ffi.cast("uintptr_t", native)), len(memory)
    regions.table, regions.count, regions.maps, regions.map_count = table, 1, handles, len(maps)
    state.regions, state.now_ns, state.cpu, state.random, state.comm = regions, 12345, 1, 99, b"comm"
    try:
        result = lib.tr_program_run(program.native, native, state)
        contents = [list(each.items()) for each in maps]
        return result, state.aborted, regions.fault, regions.fault_slot, state.random, contents
    finally:
        program.close()
        for each in maps:
            each.close()


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_fused_and_watched_programs_agree(seed: int) -> None:
    """A program fused into fewer operations leaves the same result and maps as one executed instruction by instruction.

    The checked build also proves that the generated programs are as safe as they claim.
    """
    source = random.Random(seed)
    job = Generator(source).program(30).job
    memory = context(source)
    plain, checked = outcome_of(job, memory, False), outcome_of(job, memory, True)
    assert plain[:2] == checked[:2]
    assert plain[4:] == checked[4:]
    assert checked[1:3] == (0, 0), f"fault at instruction {checked[3]}"
    assert len(MAPS) == len(job.maps)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (b"", "empty"),
        (struct.pack("<BBhi", 0x18, 0, 0, 1), "second half"),
        (struct.pack("<BBhi", 0x05, 0, 5, 0), "out of the program"),
        (struct.pack("<BBhi", 0x05, 0, -2, 0), "out of the program"),
        (struct.pack("<BBhi", 0x06, 0, 0, 0x7FFFFFFF), "out of the program"),
        (struct.pack("<BBhi", 0x85, 0x10, 0, -9), "out of the program"),
        (struct.pack("<BBhi", 0x85, 0, 0, 9999), "helper 9999"),
        (struct.pack("<BBhi", 0x85, 0x20, 0, 1), "BTF"),
        (struct.pack("<BBhi", 0x8D, 0x01, 0, 0), "through a register"),
        (struct.pack("<BBhi", 0x20, 0, 0, 0), "legacy packet load"),
        (struct.pack("<BBhi", 0xFF, 0, 0, 0), "not an eBPF instruction"),
        (struct.pack("<BBhi", 0xB7, 0x0B, 0, 0), "above r10"),
        (struct.pack("<BBhi", 0xB7, 0x0A, 0, 0), "writes r10"),
        (struct.pack("<BBhi", 0xB7, 0x10, 0, 0), "reserved"),
        (struct.pack("<BBhi", 0xBF, 0x10, 3, 0), "reserved"),
        (struct.pack("<BBhi", 0xD4, 0x00, 0, 24), "16, 32 nor 64"),
        (struct.pack("<BBhi", 0xDB, 0x10, 0, 0x02), "unknown atomic"),
        (struct.pack("<BBhi", 0xD3, 0x10, 0, 0x00), "neither 4 nor 8"),
        (struct.pack("<BBhiBBhi", 0x18, 0x10, 0, 1, 0, 0, 0, 0), "not linked"),
        (struct.pack("<BBhiBBhiBBhi", 0x18, 0, 0, 1, 0, 0, 0, 0, 0x05, 0, -2, 0), "second half of an lddw and a jump"),
    ],
)
def test_code_that_is_no_program_is_refused(code: bytes, cause: str) -> None:
    """An image is refused with the instruction and the cause, before anything runs."""
    with pytest.raises(RunError, match=cause):
        run(code)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_crash_the_builder(code: bytes) -> None:
    """Building an image of anything ends in an image or an error."""
    options = ffi.new("struct tr_image_options *")
    error = ffi.new("char[256]")
    image = lib.tr_image_new(code, len(code) // 8, options, error, 256)
    assert bool(image) != bool(ffi.string(error))
    lib.tr_image_free(image)


LOOP = assemble("mov %r0, 0\nadd %r0, 1\njlt %r0, 10, -2\nexit")
SWAPPED_LOOP = assemble("mov %r0, 0\nadd %r0, 1\njeq %r0, 10, +1\nja -3\nexit")


@pytest.mark.parametrize("checked", ENGINES)
@pytest.mark.parametrize(("code", "edge"), [(LOOP, 2), (SWAPPED_LOOP, 3)])
def test_fuel_is_taken_by_taken_back_edges_only(checked: bool, code: tuple[Instruction, ...], edge: int) -> None:
    """Ten rounds take nine back-edges: nine units of fuel are enough, eight are not."""
    enough = run(code, fuel=9, fuel_edges=[edge], checked=checked)
    assert (enough.result, enough.aborted, enough.fuel) == (10, 0, 0)
    short = run(code, fuel=8, fuel_edges=[edge], checked=checked)
    assert (short.result, short.aborted) == (0, lib.TR_ABORT_FUEL)


@pytest.mark.parametrize("edge", [0, 1, 3, 99])
def test_fuel_edge_must_be_a_jump(edge: int) -> None:
    """A certificate that does not fit the code is refused."""
    with pytest.raises(RunError, match="fuel edge"):
        run(LOOP, fuel_edges=[edge])


def nested(depth: int) -> str:
    """Return a program that calls `depth` functions deep; each adds 1 and keeps r6 and its own stack slot."""
    lines = []
    for level in range(depth):
        lines += [f"f{level}:", f"mov %r6, {level}", f"stdw [%r10-8], {level}"]
        lines += [f"call local f{level + 1}"] if level + 1 < depth else ["mov %r0, 0"]
        lines += ["ldxdw %r1, [%r10-8]", "add %r0, %r1", "sub %r0, %r6", "add %r0, 1", "exit"]
    return "\n".join(lines)


@pytest.mark.parametrize("checked", ENGINES)
def test_calls_keep_registers_and_stack_apart(checked: bool) -> None:
    """Eight frames work: r6 and the stack are each function's own; a ninth ends the run instead of the process."""
    assert run(assemble(nested(8)), checked=checked).result == 8
    assert run(assemble(nested(9)), checked=checked).aborted == lib.TR_ABORT_FAULT


@pytest.mark.parametrize("checked", ENGINES)
def test_code_that_runs_over_its_end_is_stopped(checked: bool) -> None:
    """Nothing follows the last instruction but the end of the run."""
    assert run(assemble("mov %r0, 1"), checked=checked).aborted == lib.TR_ABORT_FAULT


@pytest.mark.parametrize(
    ("text", "fault", "slot"),
    [
        ("ldxdw %r0, [%r1+9]\nexit", lib.TR_FAULT_MEMORY, 0),
        ("ldxb %r0, [%r1-1]\nexit", lib.TR_FAULT_MEMORY, 0),
        ("mov %r0, 0\nldxdw %r0, [%r0]\nexit", lib.TR_FAULT_MEMORY, 1),
        ("ldxb %r0, [%r10]\nexit", lib.TR_FAULT_MEMORY, 0),
        ("stb [%r10-513], 0\nmov %r0, 0\nexit", lib.TR_FAULT_MEMORY, 0),
        ("stb [%r1], 0\nmov %r0, 0\nexit", lib.TR_FAULT_READ_ONLY, 0),
        ("stw [%r10-8], 0\nldxdw %r0, [%r10-8]\nexit", lib.TR_FAULT_STACK_BYTE, 1),
        ("mov %r0, %r3\nexit", lib.TR_FAULT_REGISTER, 0),
        ("exit", lib.TR_FAULT_REGISTER, 0),
        ("stdw [%r10-8], 0\nmov %r3, 1\nlock add [%r10-4], %r3\nmov %r0, 0\nexit", lib.TR_FAULT_ALIGNMENT, 2),
        ("mov %r1, 1\nmov %r2, %r10\ncall 1\nexit", lib.TR_FAULT_ARGUMENT, 2),
        ("mov %r1, %r10\nmov %r2, 4\nmov %r3, 0\ncall 4\nexit", lib.TR_FAULT_MEMORY, 3),
        ("call 5\nmov %r0, %r2\nexit", lib.TR_FAULT_REGISTER, 1),
    ],
)
def test_checked_build_names_the_fault(text: str, fault: int, slot: int) -> None:
    """The first thing a program may not do ends the run and is recorded with its instruction."""
    outcome = run(assemble(text), bytes(16), checked=True, writable=False)
    assert (outcome.aborted, outcome.fault, outcome.slot) == (lib.TR_ABORT_FAULT, fault, slot)


def address_of(map_: Map) -> list[Instruction]:
    return [Instruction(LDDW, 1, imm=map_.address), Instruction(0)]


@pytest.mark.parametrize(("offset", "fault"), [(0, 0), (4, 0), (5, lib.TR_FAULT_MEMORY), (12, lib.TR_FAULT_MEMORY)])
def test_checked_build_keeps_to_one_value(offset: int, fault: int) -> None:
    """A looked-up value is value_size bytes: the padding behind it is out of bounds."""
    with make_map(MapKind.ARRAY, value_size=12, max_entries=4) as array:
        code = [
            *assemble("stw [%r10-4], 1\nmov %r2, %r10\nadd %r2, -4"),
            *address_of(array),
            Instruction(JMP | CALL, imm=1),
            Instruction(JMP | JNE, 0, 0, 1, 0),
            EXIT_,
            Instruction(LDX | MEM | DW, 0, 0, offset),
            EXIT_,
        ]
        outcome = run(code, checked=True, maps=[array])
        assert (outcome.fault, outcome.aborted) == (fault, lib.TR_ABORT_FAULT if fault else 0)


def test_checked_build_sees_a_leaked_record() -> None:
    """A ring record that is reserved and neither submitted nor discarded is a fault at exit."""
    with make_map(MapKind.RINGBUF, max_entries=4096) as ring:
        code = [*address_of(ring), *assemble("mov %r2, 8\nmov %r3, 0\ncall 131\nmov %r0, 0\nexit")]
        assert run(code, checked=True, maps=[ring]).fault == lib.TR_FAULT_LEAK


def test_linked_references_reach_the_maps() -> None:
    """A map reference becomes the handle, a value reference the address of the data plus its offset."""
    index = (Instruction(LDDW, 1, 5, imm=0), Instruction(0))
    value = (Instruction(LDDW, 7, 6, imm=1 | 8 << 32), Instruction(0))
    code = [
        *assemble("stw [%r10-4], 2\nmov %r2, %r10\nadd %r2, -4"), *index, Instruction(JMP | CALL, imm=1),
        Instruction(JMP | JNE, 0, 0, 1, 0), EXIT_, *value, Instruction(LDX | MEM | DW, 7, 7, 0),
        Instruction(STX | MEM | DW, 0, 7, 0), Instruction(ALU64 | MOV, 0), EXIT_,
    ]  # fmt: skip
    job = Job("linked", "linux", "tracepoint", encode(code), (("linked", 0, len(code)),), MAPS)
    with make_map(MapKind.ARRAY, max_entries=3) as first, make_map(
        MapKind.ARRAY, value_size=16, max_entries=1, contents=b"01234567ABCDEFGH", read_only=True
    ) as data:
        for call_maps in ({}, {5: 0}):
            program = Interpreter(VerifiedProgram(job, certificate(job, call_maps=call_maps)), [first, data])
            lib.tr_program_run(program.native, ffi.NULL, ffi.new("struct tr_run *"))
            assert first.lookup(struct.pack("<I", 2)) == b"ABCDEFGH"
            first.update(struct.pack("<I", 2), bytes(8))
            program.close()


def test_linked_context_loads_are_native() -> None:
    """A 4-byte load of xdp's `data` becomes an 8-byte load of a pointer; a number only moves."""
    code = assemble("ldxw %r2, [%r1]\nldxb %r0, [%r2+1]\nldxw %r3, [%r1+12]\nadd %r0, %r3\nexit")
    job = Job("xdp", "linux", "xdp", encode(code), (("xdp", 0, len(code)),), ())
    packet = ffi.new("uint8_t[]", b"\1\2\3")
    native = ffi.new("uint8_t[]", struct.pack("<QQII", int(ffi.cast("uintptr_t", packet)), 0, 100, 0))
    program = Interpreter(VerifiedProgram(job, certificate(job, context_loads={0: 0, 2: 16})), [])
    assert lib.tr_program_run(program.native, native, ffi.new("struct tr_run *")) == 102
    program.close()


def test_jump_over_a_wide_constant_lands_behind_it() -> None:
    """Jump distances count slots, an lddw has two."""
    code = [*assemble("mov %r0, 1\nja +2"), Instruction(LDDW, 0, imm=5), Instruction(0), EXIT_]
    assert code[1].opcode == JMP | JA
    assert run(code).result == 1
