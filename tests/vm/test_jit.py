"""What the JIT makes of control flow, the frame, the context, maps and calls: the same as the interpreter does.

The differential test finds what nobody thought of; these name what somebody did.
"""

from __future__ import annotations

import struct

import pytest

from tests.certify import certify, job_of, program
from tests.vm.engines import BOTH, CPUS, INTERPRETER, JIT, Case, needs_jit, observe, prepared
from tracerd.errors import RunError
from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.instruction import EXIT, IND, JMP, LD, Instruction, W
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.verifier.job import MapFacts, Rejection, VerifiedProgram
from tracerd.verifier.verify import verify
from tracerd.vm.engine import Circumstances
from tracerd.vm.jit import compiler
from tracerd.vm.jit_graph import FRAME, build_graph
from tracerd.vm.jit_lower import lower
from tracerd.vm.jit_unit import MapCode, Unit, make_unit
from tracerd.vm.policy import EngineChoice

pytestmark = needs_jit

ARRAY = MapFacts("array", MapKind.ARRAY.value, 4, 16, 3)
PER_CPU = MapFacts("per_cpu", MapKind.PERCPU_ARRAY.value, 4, 8, 2)
HASH = MapFacts("hash", MapKind.HASH.value, 4, 8, 8)
RING = MapFacts("ring", MapKind.RINGBUF.value, 0, 0, 4096)
DATA = MapFacts("data", MapKind.ARRAY.value, 4, 16, 1, contents=bytes(range(16)))
CONSTANTS = MapFacts("constants", MapKind.ARRAY.value, 4, 24, 1, read_only=True, contents=bytes(range(100, 124)))


def agreed(subject: VerifiedProgram, *cases: Case, fuel: int = 1000) -> list[int]:
    """Run in both engines, the JIT at two levels; return the results they agree on."""
    want = observe(subject, INTERPRETER, cases, fuel=fuel)
    for level in (0, 2):
        assert observe(subject, JIT, cases, level=level, fuel=fuel) == want
    return [outcome.result for outcome in want.outcomes]


def numbers(*values: int) -> Case:
    """A tracepoint record whose words from offset 8 are those numbers."""
    return Case(struct.pack(f"<{len(values) + 1}Q", 0, *values))


def optimised(subject: VerifiedProgram, *maps: MapCode) -> str:
    """Return the machine code of a program."""
    return compiler().assembly(lower(make_unit(subject, maps)))


def test_value_that_crosses_a_wide_constant_stays_alive() -> None:
    """The second slot of an lddw looks like opcode 0; it must not count as a write to r0."""
    subject = program("""
        r0 = *(u64 *)(r1 + 8)
        if r0 > 5 goto big
        r0 += 1
    big:
        r4 = 0x1122334455667788 ll
        exit
    """, context_bytes=16)
    assert agreed(subject, numbers(3), numbers(9)) == [4, 9]


def test_loop_may_start_at_the_first_instruction() -> None:
    """The entry block may be jumped to."""
    subject = program("""
        r1 += 8
        r0 = *(u64 *)(r1 + 0)
        if r0 > 100 goto -3
        exit
    """)
    assert agreed(subject, numbers(200, 300, 7)) == [7]


def test_both_ways_of_a_branch_may_lead_to_the_same_place() -> None:
    """A conditional jump over nothing is a jump."""
    subject = program("r0 = *(u64 *)(r1 + 8)\nif r0 > 5 goto +0\nexit", context_bytes=16)
    assert agreed(subject, numbers(9)) == [9]


def test_code_that_is_never_reached_is_left_out() -> None:
    """Dead code may be anything, for nothing compiles it."""
    dead = Instruction(LD | IND | W, src=3)
    subject = certify(job_of([Instruction(0xB7, 0, imm=4), Instruction(JMP | 0, offset=1), dead, Instruction(0x95)]))
    backend = compiler()
    code = backend.link(backend.compile(lower(make_unit(subject, ()))), {})
    assert ffi.cast("tr_entry", code.address)(ffi.NULL, ffi.new("struct tr_run *")) == 4
    code.close()


def test_what_no_engine_runs_is_refused_by_its_place() -> None:
    """A legacy packet load that is reached is named with its instruction."""
    code = (Instruction(LD | IND | W, src=3), Instruction(JMP | EXIT))
    with pytest.raises(RunError, match=r"instruction 0 \(opcode 0x40\)"):
        lower(Unit(code, (("main", 0, 2),)))


def test_frame_places_are_known_through_copies_and_branches() -> None:
    """A register that holds r10 - 8 on every way stays a place of the frame; one that differs becomes a number."""
    code = program("""
        r2 = r10
        r2 += -8
        r3 = r10
        if r1 > 1 goto other
        r3 += -8
    other:
        r4 = r2
        exit
    """)
    graph = build_graph(make_unit(code, ()).code, 0, 7, {10: (FRAME, 512)})
    known = graph.bases[5]
    assert known[2] == (FRAME, 504)
    assert 3 not in known


def test_stack_slots_become_registers() -> None:
    """A number that is spilled and filled through r10 leaves no store in the code."""
    text = optimised(program("""
        r0 = *(u64 *)(r1 + 8)
        *(u64 *)(r10 - 8) = r0
        r2 = r10
        r2 += -8
        r3 = *(u64 *)(r2 + 0)
        r0 += r3
        exit
    """, context_bytes=16))
    assert "rsp" not in text


def test_frames_of_callers_and_callees_are_apart() -> None:
    """Each function has 512 bytes of its own, and may be given a pointer into its caller's."""
    subject = program("""
        r6 = r1
        *(u64 *)(r10 - 8) = 5
        r1 = r10
        r1 += -8
        r2 = *(u64 *)(r6 + 8)
        call add
        r1 = *(u64 *)(r10 - 8)
        r0 += r1
        r2 = *(u64 *)(r6 + 8)
        r0 += r2
        exit
    add:
        *(u64 *)(r10 - 8) = 100
        r6 = *(u64 *)(r1 + 0)
        r6 += r2
        *(u64 *)(r1 + 0) = r6
        r0 = *(u64 *)(r10 - 8)
        exit
    """, context_bytes=16)
    assert agreed(subject, numbers(7)) == [100 + 12 + 7]


def test_context_pointers_are_loaded_where_the_machine_keeps_them() -> None:
    """`data` and `data_end` of an XDP context are 4 bytes in the header and 8 natively; numbers keep their size."""
    subject = program("""
        r6 = r1
        r2 = *(u32 *)(r6 + 0)
        r3 = *(u32 *)(r6 + 4)
        r0 = r3
        r0 -= r2
        r4 = r2
        r4 += 3
        if r4 > r3 goto out
        r5 = *(u8 *)(r2 + 2)
        r0 += r5
    out:
        r5 = *(u32 *)(r6 + 12)
        r0 += r5
        exit
    """, kind="xdp", context_loads={1: 0, 2: 8, 10: 16})
    header = struct.pack("<IIIIII", 0, 0, 0, 5000, 0, 0)
    assert agreed(subject, Case(header, b"\1\2\3\4"), Case(header, b"\1")) == [4 + 3 + 5000, 1 + 5000]


def test_context_load_in_a_subprogram_finds_the_context() -> None:
    """A subprogram that was given the context loads its fields natively too."""
    subject = program("""
        call length
        exit
    length:
        r2 = *(u32 *)(r1 + 0)
        r0 = *(u32 *)(r1 + 4)
        r0 -= r2
        exit
    """, kind="xdp", context_loads={2: 0, 3: 8})
    assert agreed(subject, Case(b"", bytes(77))) == [77]


@pytest.mark.parametrize(("moved", "offset"), [(4, 8), (4, 0), (12, 0), (-4, 16)])
def test_a_moved_context_pointer_finds_the_same_field(moved: int, offset: int) -> None:
    """If the verifier lets a program move its context pointer, both engines load the field it then points to."""
    code = parse_llvm(f"r1 += {moved}\nr2 = *(u32 *)(r1 + {offset})\nr0 = r2\nexit")
    proved = verify(job_of(code, kind="xdp"))
    if isinstance(proved, Rejection):
        assert proved.instruction == 1
        return
    header = struct.pack("<IIIIII", 0, 0, 0, 5000, 6000, 7000)
    seen = [observe(proved, choice, [Case(header, b"x")]).outcomes[0].result for choice in BOTH]
    if moved + offset == 12:
        assert seen == [5000, 5000]
    else:
        assert moved + offset == 4, "data_end: an address, other in each run, but a whole one"
        assert all(address >> 32 for address in seen)


LOOKUP = """
    r6 = r1
    r2 = *(u64 *)(r6 + 8)
    *(u32 *)(r10 - 4) = w2
    r1 = map[0] ll
    r2 = r10
    r2 += -4
    call map_lookup_elem
    if r0 == 0 goto none
    r1 = *(u64 *)(r0 + 0)
    r2 = *(u64 *)(r6 + 16)
    r1 += r2
    *(u64 *)(r0 + 0) = r1
    r0 = r1
    exit
none:
    r0 = -1
    exit
"""


@pytest.mark.parametrize("facts", [ARRAY, PER_CPU, HASH], ids=lambda facts: facts.name)
def test_lookups_find_the_element_or_nothing(facts: MapFacts) -> None:
    """Array lookups are inline: an index up to the last is found, one beyond it is not, on the run's own CPU."""
    subject = program(LOOKUP, [facts], context_bytes=24)
    cases = [
        Case(numbers(key, 10 + key).context, circumstances=Circumstances(cpu=cpu))
        for key in (0, 1, 2, 3, 0xFFFFFFFF)
        for cpu in range(CPUS)
    ]
    agreed(subject, *cases, *cases)


def test_a_cpu_beyond_the_slots_finds_nothing() -> None:
    """An event of a CPU that the map has no slot for gets null, never a neighbour's memory."""
    subject = program(LOOKUP, [PER_CPU], context_bytes=24)
    assert agreed(subject, Case(numbers(0, 1).context, circumstances=Circumstances(cpu=CPUS))) == [(1 << 64) - 1]


def test_array_lookups_are_inline() -> None:
    """With the map known from the certificate, looking an array up needs no call; a hash is called, specialised."""
    array = MapCode(MapKind.ARRAY, 16, 3, 16, 16)
    assert "call" not in optimised(program(LOOKUP, [ARRAY], context_bytes=24), array)
    lowered = lower(make_unit(program(LOOKUP, [HASH], context_bytes=24), (MapCode(MapKind.HASH, 8, 8, 8, 8),)))
    assert lowered.helpers == {("map_lookup_elem", 0)}


def test_global_data_is_read_and_written_in_place() -> None:
    """`.data` lives in its map, `.rodata` is folded into the code, both at an offset."""
    subject = program("""
        r1 = map[0][8] ll
        r0 = *(u64 *)(r1 + 0)
        r2 = r0
        r2 += 1
        *(u64 *)(r1 + 0) = r2
        r3 = map[1][16] ll
        r4 = *(u64 *)(r3 + 0)
        r0 ^= r4
        exit
    """, [DATA, CONSTANTS])
    first = int.from_bytes(bytes(range(8, 16)), "little")
    constant = int.from_bytes(bytes(range(116, 124)), "little")
    assert agreed(subject, Case(b""), Case(b"")) == [first ^ constant, (first + 1) ^ constant]


def test_constants_are_folded() -> None:
    """A load from read-only data leaves no load in the code."""
    subject = program("r1 = map[0][8] ll\nr0 = *(u32 *)(r1 + 0)\nexit", [CONSTANTS])
    text = optimised(subject, MapCode(MapKind.ARRAY, 24, 1, 24, 24, constant=CONSTANTS.contents))
    assert str(int.from_bytes(bytes(range(108, 112)), "little")) in text
    assert "(%r" not in text


def test_helpers_answer_from_the_run() -> None:
    """Time, CPU, task and user come from the circumstances; the random state goes on from call to call."""
    subject = program("""
        call ktime_get_ns
        r6 = r0
        call get_smp_processor_id
        r6 += r0
        call get_current_pid_tgid
        r6 ^= r0
        call get_current_uid_gid
        r6 ^= r0
        call get_prandom_u32
        r7 = r0
        call get_prandom_u32
        r7 -= r0
        r0 = r6
        r0 ^= r7
        exit
    """)
    given = Circumstances(now_ns=1 << 40, cpu=2, pid_tgid=77 << 32 | 78, uid_gid=5, random=9)
    agreed(subject, Case(b"", circumstances=given), Case(b""))


def test_ring_records_of_all_engines_are_the_same() -> None:
    """Reserve, write, submit and discard by calls; records come out alike."""
    subject = program("""
        r6 = r1
        r1 = map[0] ll
        r2 = 16
        r3 = 0
        call ringbuf_reserve
        if r0 == 0 goto out
        r1 = *(u64 *)(r6 + 8)
        *(u64 *)(r0 + 0) = r1
        *(u64 *)(r0 + 8) = 99
        r2 = 0
        if r1 > 100 goto throw
        r1 = r0
        call ringbuf_submit
        goto out
    throw:
        r1 = r0
        call ringbuf_discard
    out:
        r0 = 0
        exit
    """, [RING], context_bytes=16)
    records = []
    for choice in BOTH:
        with prepared(subject, choice) as (executable, maps):
            for number in (1, 1000, 7):
                assert executable.run(numbers(number).context).result == 0
            records.append(maps[0].read())
    assert records[0] == records[1] == [struct.pack("<QQ", number, 99) for number in (1, 7)]


WILD = """
    r6 = *(u64 *)(r1 + 8)
    r0 = 0
again:
    r0 += 1
    r6 += -1
    if r6 != 0 goto again
    exit
"""


@pytest.mark.parametrize("choice", BOTH, ids=lambda choice: choice.engine)
def test_fuel_ends_a_loop_that_nobody_bounded(choice: EngineChoice) -> None:
    """With fuel for n back-edges a loop of n + 1 trips ends by itself, one of n + 2 is aborted and counted."""
    with prepared(program(WILD, terminates=False, context_bytes=16), choice, fuel=10) as (executable, _):
        good = executable.run(numbers(11).context)
        assert (good.result, good.aborted) == (11, lib.TR_ABORT_NONE)
        bad = executable.run(numbers(12).context)
        assert (bad.result, bad.aborted) == (0, lib.TR_ABORT_FUEL)
        assert (executable.statistics().runs, executable.statistics().aborted) == (2, 1)


@pytest.mark.parametrize("choice", BOTH, ids=lambda choice: choice.engine)
def test_an_abort_ends_the_callers_too(choice: EngineChoice) -> None:
    """A callee that runs out of fuel returns through all frames: nothing after the call happens. Fuel is shared."""
    subject = program("""
        r6 = r1
        r1 = *(u64 *)(r6 + 8)
        call spin
        r1 = *(u64 *)(r6 + 16)
        call spin
        r1 = map[0][0] ll
        *(u64 *)(r1 + 0) = 1
        r0 = 5
        exit
    spin:
        r1 += -1
        if r1 != 0 goto spin
        r0 = 0
        exit
    """, [DATA], terminates=False, context_bytes=24)
    with prepared(subject, choice, fuel=10) as (executable, maps):
        assert executable.run(numbers(6, 7).context).aborted == lib.TR_ABORT_FUEL
        assert maps[0].lookup(bytes(4)) == DATA.contents
        assert executable.run(numbers(6, 6).context).result == 5
        assert maps[0].lookup(bytes(4)) != DATA.contents


def test_fuel_costs_no_memory_access() -> None:
    """Inside the loop fuel is a register: the run is read once before it and written once after it."""
    text = optimised(program(WILD, terminates=False, context_bytes=16))
    assert text.count("(%rsi)") <= 4


def test_a_loop_without_effect_is_not_taken_away() -> None:
    """LLVM may not assume that a loop ends (no `mustprogress`): an endless one is aborted, not deleted."""
    subject = program("r0 = 3\nagain:\ngoto again\nexit", terminates=False)
    for level in (0, 1, 2, 3):
        with prepared(subject, JIT, fuel=1000, level=level) as (executable, _):
            assert executable.run(b"").aborted == lib.TR_ABORT_FUEL


ATOMICS = (
    "lock *(u64 *)(r10 - 8) += r3",
    "lock *(u32 *)(r10 - 8) ^= w3",
    "r3 = atomic_fetch_add((u64 *)(r10 - 8), r3)",
    "w3 = atomic_fetch_or((u32 *)(r10 - 8), w3)",
    "r3 = xchg_64(r10 - 8, r3)",
    "w3 = xchg32_32(r10 - 8, w3)",
    "r0 = cmpxchg_64(r10 - 8, r0, r3)",
    "w0 = cmpxchg32_32(r10 - 8, w0, w3)",
)


@pytest.mark.parametrize("atomic", ATOMICS)
def test_atomics_fetch_and_leave_the_same(atomic: str) -> None:
    """What is fetched is zero-extended, what is not touched stays; cmpxchg compares with r0."""
    subject = program(f"""
        r3 = *(u64 *)(r1 + 16)
        r0 = *(u64 *)(r1 + 24)
        r2 = *(u64 *)(r1 + 8)
        *(u64 *)(r10 - 8) = r2
        {atomic}
        r2 = *(u64 *)(r10 - 8)
        r0 ^= r3
        r0 *= 31
        r0 ^= r2
        exit
    """, context_bytes=32)
    big = 0xFEDCBA9876543210
    agreed(subject, numbers(big, 0x1234567890ABCDEF, big), numbers(big, 5, 0x76543210), numbers(1, 2, 3))
