"""How bounds of a loop's variables jump, so that a fixpoint is reached after few rounds.

A bound that grew goes to the next number that the program itself mentions: loops usually end at one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracerd.isa.instruction import ALU, ALU64, AND, JMP, JMP32, LDDW, MOV, SECOND_SLOT, Instruction
from tracerd.verifier.domains import bits, scalar
from tracerd.verifier.domains.interval import (
    S64_MAX,
    S64_MIN,
    U64_MAX,
    threshold_above,
    threshold_below,
)
from tracerd.verifier.domains.scalar import Scalar
from tracerd.verifier.join import Widen

MOST_THRESHOLDS = 40
ALWAYS = (0, 0xFF, 0xFFFF, (1 << 31) - 1, (1 << 32) - 1)


def thresholds(code: Sequence[Instruction], indices: Iterable[int]) -> list[int]:
    """Return the numbers that those instructions compare with, start from or mask by, ascending."""
    found: set[int] = set()
    for index in indices:
        instruction = code[index]
        if instruction.opcode == SECOND_SLOT or instruction.uses_register:
            continue
        if instruction.klass in (JMP, JMP32) or instruction.opcode == LDDW:
            found |= {instruction.imm, instruction.imm + 1, instruction.imm - 1}
        elif instruction.klass in (ALU, ALU64) and instruction.operation in (AND, MOV):
            found.add(instruction.imm)
    chosen = sorted(found, key=abs)[:MOST_THRESHOLDS]
    return sorted({*chosen, *ALWAYS})


def widener(numbers: list[int], *, alignment: bool = True) -> Widen:
    """Return the widening that jumps to these thresholds. Without `alignment` it keeps no bits either."""
    unsigned = [n for n in numbers if n >= 0]

    def widen(before: Scalar, grown: Scalar) -> Scalar:
        """`grown` includes `before`. Each bound that moved jumps; bits survive only as alignment.

        A symbol can grow only as often as there are thresholds, so the chain ends.
        """
        ulo = before.ulo if grown.ulo >= before.ulo else threshold_below(grown.ulo, unsigned, 0)
        uhi = before.uhi if grown.uhi <= before.uhi else threshold_above(grown.uhi, unsigned, U64_MAX)
        slo = before.slo if grown.slo >= before.slo else threshold_below(grown.slo, numbers, S64_MIN)
        shi = before.shi if grown.shi <= before.shi else threshold_above(grown.shi, numbers, S64_MAX)
        low = (grown.unknown & -grown.unknown) - 1 if grown.unknown and alignment else 0
        known: bits.Bits = (grown.value & low, U64_MAX & ~low)
        return scalar.build((ulo, uhi), (slo, shi), known)

    return widen
