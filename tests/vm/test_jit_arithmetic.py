"""Everything that LLVM leaves undefined and RFC 9669 defines, with operands that no optimiser can know.

The reference is `arithmetic`, written with Python's integers. Operands come from the context, results leave through a
map, so nothing is folded at any optimisation level.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import partial

import pytest

from tests.certify import certify, job_of
from tests.vm.arithmetic import COMPARISONS, OPERATIONS, compare, compute, signed
from tests.vm.engines import BOTH, JIT, needs_jit, prepared
from tracerd.isa.instruction import (
    ALU,
    ALU64,
    CALL,
    DW,
    END,
    EXIT,
    IMM64_MAP_INDEX,
    JA,
    JEQ,
    JMP,
    JMP32,
    LDDW,
    LDX,
    LSH,
    MEM,
    MOV,
    NEG,
    OR,
    RSH,
    SECOND_SLOT,
    ST,
    STX,
    Instruction,
    K,
    X,
)
from tracerd.platforms.model import MapKind
from tracerd.verifier.job import MapFacts
from tracerd.vm.policy import EngineChoice

U32, U64 = (1 << 32) - 1, (1 << 64) - 1
VALUES = (
    0, 1, 2, 3, 31, 32, 63, 64, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x1FFFFFFFF, 0x7FFFFFFFFFFFFFFF,
    0x8000000000000000, 0xFFFFFFFF80000000, 0xFFFFFFFFFFFFFFFF, 0x123456789ABCDEF0,
)  # fmt: skip
CONSTANTS = (0, 1, -1, 3, 31, 32, 63, 64, 0x7FFFFFFF, -0x80000000, -7)
PAIRS = [(a, b) for a in VALUES for b in VALUES]
LEVELS = (0, 2)
pytestmark = needs_jit


def storing(snippets: Iterable[list[Instruction]]) -> list[Instruction]:
    """Run each snippet with r3 = a and r4 = b from the context, and store r3 in the next word of the map's value."""
    code = [
        Instruction(ALU64 | MOV | X, 6, 1),
        Instruction(ST | MEM | DW, 10, 0, -8, 0),
        Instruction(LDDW, 1, IMM64_MAP_INDEX, 0, 0),
        Instruction(SECOND_SLOT),
        Instruction(ALU64 | MOV | X, 2, 10),
        Instruction(ALU64 | K, 2, 0, 0, -8),
        Instruction(JMP | CALL, imm=1),
        Instruction(JMP | JEQ | K, 0, 0, 0),           # patched below: to the exit
        Instruction(ALU64 | MOV | X, 7, 0),
    ]
    check = 7
    for number, snippet in enumerate(snippets):
        code += [Instruction(LDX | MEM | DW, 3, 6, 8), Instruction(LDX | MEM | DW, 4, 6, 16), *snippet]
        code.append(Instruction(STX | MEM | DW, 7, 3, 8 * number))
    code[check] = Instruction(JMP | JEQ | K, 0, 0, len(code) - check - 1)
    return [*code, Instruction(ALU64 | MOV | K, 0, 0, 0, 0), Instruction(JMP | EXIT)]


def results(
    snippets: list[list[Instruction]], choice: EngineChoice, level: int
) -> Iterator[tuple[int, int, list[int]]]:
    """Yield (a, b, what every snippet left in r3) for all pairs of values."""
    out = MapFacts("out", MapKind.ARRAY.value, 4, 8 * len(snippets), 1)
    program = certify(job_of(storing(snippets), [out]), context_bytes=24)
    with prepared(program, choice, level=level) as (executable, maps):
        for a, b in PAIRS:
            assert executable.run(bytes(8) + struct.pack("<QQ", a, b)).aborted == 0
            value = maps[0].lookup(bytes(4))
            assert value is not None
            yield a, b, list(struct.unpack(f"<{len(snippets)}Q", value))


@pytest.fixture(params=[(choice, level) for choice in BOTH for level in LEVELS if choice is JIT or not level],
                ids=lambda each: f"{each[0].engine}-O{each[1]}")
def engine(request: pytest.FixtureRequest) -> tuple[EngineChoice, int]:
    """Both engines; the JIT with and without its optimiser."""
    found: tuple[EngineChoice, int] = request.param
    return found


@pytest.mark.parametrize("klass", [ALU, ALU64], ids=["32", "64"])
def test_binary_operations_with_registers(engine: tuple[EngineChoice, int], klass: int) -> None:
    """Shifts mask their count, x / 0 is 0, x % 0 is x, the smallest number over -1 wraps, 32-bit results have no upper
    half."""
    bits = 64 if klass == ALU64 else 32
    snippets = [[Instruction(klass | operation | X, 3, 4, offset)] for operation, offset in OPERATIONS]
    for a, b, found in results(snippets, *engine):
        assert found == [compute(operation, offset, a, b, bits) for operation, offset in OPERATIONS], (a, b)


@pytest.mark.parametrize("klass", [ALU, ALU64], ids=["32", "64"])
def test_binary_operations_with_constants(engine: tuple[EngineChoice, int], klass: int) -> None:
    """The same with the constant in the instruction, sign-extended for 64 bits."""
    bits = 64 if klass == ALU64 else 32
    rows = [(operation, offset, imm) for operation, offset in OPERATIONS for imm in CONSTANTS]
    snippets = [[Instruction(klass | operation | K, 3, 0, offset, imm)] for operation, offset, imm in rows]
    for a, b, found in results(snippets, *engine):
        if b == VALUES[0]:
            assert found == [compute(operation, offset, a, imm & U64, bits) for operation, offset, imm in rows], a


@pytest.mark.parametrize("klass", [ALU, ALU64], ids=["32", "64"])
def test_operands_that_the_optimiser_knows(engine: tuple[EngineChoice, int], klass: int) -> None:
    """The opposite of the tests above: a count or divisor in a register that LLVM can see is out of its range.

    A machine masks shift counts by itself, so only here would a count that LLVM calls poison be seen.
    """
    bits = 64 if klass == ALU64 else 32
    rows = [(operation, offset, imm) for operation, offset in OPERATIONS for imm in CONSTANTS]
    known = [
        [Instruction(ALU64 | MOV | K, 4, imm=imm), Instruction(klass | operation | X, 3, 4, offset)]
        for operation, offset, imm in rows
    ]
    high = [
        [Instruction(ALU64 | OR | K, 4, imm=64), Instruction(klass | operation | X, 3, 4, offset)]
        for operation, offset in OPERATIONS
    ]
    for a, b, found in results(known + high, *engine):
        want = [compute(operation, offset, a, imm & U64, bits) for operation, offset, imm in rows]
        want += [compute(operation, offset, a, b | 64, bits) for operation, offset in OPERATIONS]
        assert found == want, (a, b)


def test_unary_operations(engine: tuple[EngineChoice, int]) -> None:
    """Negation, byte order and sign-extending moves, in all widths."""
    rows = [
        (Instruction(ALU | NEG, 3), lambda a: -a & U32),
        (Instruction(ALU64 | NEG, 3), lambda a: -a & U64),
        *((Instruction(ALU | END | K, 3, imm=bits), partial(swap, bits, False)) for bits in (16, 32, 64)),
        *((Instruction(ALU | END | X, 3, imm=bits), partial(swap, bits, True)) for bits in (16, 32, 64)),
        *((Instruction(ALU64 | END | K, 3, imm=bits), partial(swap, bits, True)) for bits in (16, 32, 64)),
        *((Instruction(ALU | MOV | X, 3, 3, bits), partial(extend, bits, U32)) for bits in (8, 16)),
        *((Instruction(ALU64 | MOV | X, 3, 3, bits), partial(extend, bits, U64)) for bits in (8, 16, 32)),
        (Instruction(ALU | MOV | X, 3, 3), lambda a: a & U32),
    ]
    for a, _, found in results([[instruction] for instruction, _ in rows], *engine):
        assert found == [reference(a) for _, reference in rows], a


def swap(bits: int, reverse: bool, value: int) -> int:
    """Cut to `bits` and, if asked, turn the bytes round."""
    value &= (1 << bits) - 1
    return int.from_bytes(value.to_bytes(bits // 8, "little"), "big") if reverse else value


def extend(bits: int, mask: int, value: int) -> int:
    """Sign-extend the low `bits`."""
    return signed(value, bits) & mask


@pytest.mark.parametrize("klass", [JMP32, JMP], ids=["32", "64"])
def test_comparisons(engine: tuple[EngineChoice, int], klass: int) -> None:
    """Every condition, signed and unsigned, with a register and with constants."""
    bits = 64 if klass == JMP else 32
    rows = [(operation, imm) for operation in COMPARISONS for imm in (None, 0, -1, 0x7FFFFFFF, -0x80000000)]
    snippets = []
    for operation, imm in rows:
        jump = Instruction(klass | operation | (X if imm is None else K), 3, 4 if imm is None else 0, 2, imm or 0)
        taken, not_taken = Instruction(ALU64 | MOV | K, 3, imm=1), Instruction(ALU64 | MOV | K, 3, imm=0)
        snippets.append([jump, not_taken, Instruction(JMP | JA, offset=1), taken])
    for a, b, found in results(snippets, *engine):
        want = [compare(operation, a, b if imm is None else imm & U64, bits) for operation, imm in rows]
        assert found == [int(each) for each in want], (a, b)


def test_results_feed_each_other(engine: tuple[EngineChoice, int]) -> None:
    """A 32-bit result used as a 64-bit shift count and divisor, and the other way round."""
    snippets = [
        [Instruction(ALU | MOV | X, 5, 4), Instruction(ALU64 | LSH | X, 3, 5), Instruction(ALU | RSH | X, 3, 4)],
        [Instruction(ALU64 | RSH | X, 3, 4), Instruction(ALU | LSH | X, 3, 3), Instruction(ALU64 | LSH | X, 3, 3)],
    ]
    for a, b, found in results(snippets, *engine):
        first = compute(RSH, 0, compute(LSH, 0, a, b & U32, 64), b, 32)
        second = compute(RSH, 0, a, b, 64)
        second = compute(LSH, 0, second, second, 32)
        assert found == [first, compute(LSH, 0, second, second, 64)], (a, b)
