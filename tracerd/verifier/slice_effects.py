"""What one instruction writes and what goes into that, as a slice sees it.

Places are bits of an integer: 0 … 10 the registers, then `HELD` and `CALLERS`, then every byte of the function's frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tracerd.isa.instruction import (
    ABS,
    ALU,
    ALU64,
    ATOMIC,
    CALL,
    CALL_HELPER,
    CMPXCHG,
    END,
    EXIT,
    FETCH,
    IND,
    JA,
    JMP,
    JMP32,
    LD,
    LDX,
    MOV,
    NEG,
    ST,
    STX,
    Instruction,
)
from tracerd.platforms.model import Argument, Helper
from tracerd.verifier.liveness import FRAME_POINTER
from tracerd.verifier.slice_addresses import Address, Vague
from tracerd.verifier.values import FRAME_BYTES

R0, ARGUMENTS = 1, 0b111110
HELD = 1 << 11
"""Ring records that are reserved and not given back."""

CALLERS = 1 << 12
"""Memory in a caller's frame."""

FRAME = ((1 << FRAME_BYTES) - 1) << 16
"""All bytes of the function's own frame, the lowest first."""


class Effect(NamedTuple):
    """What an instruction does to places.

    Of `defines`, it surely overwrites `kills`, and makes what is in `lost` unreadable. `uses` goes into the others; of
    that, `values` is what a value comes from, where the rest only says where it lay.
    """

    defines: int = 0
    kills: int = 0
    uses: int = 0
    values: int = 0
    lost: int = 0


NONE = Effect()


def stack_bytes(offset: int, size: int) -> int:
    """Return the bytes [offset, offset + size) of the frame, those of them that are in it."""
    first, end = max(offset + FRAME_BYTES, 0), min(offset + size + FRAME_BYTES, FRAME_BYTES)
    return ((1 << end) - (1 << first)) << 16 if first < end else 0


def reached(address: Address, offset: int, size: int) -> int:
    """Return what an access through an address may touch; none for other memory, of which a proof knows nothing."""
    if isinstance(address, int):
        return stack_bytes(address + offset, size)
    return _SOMEWHERE[address]


def upward(address: Address) -> int:
    """Return what somebody may touch who is given an address: what starts there extends upwards."""
    return reached(address, 0, FRAME_BYTES)


_SOMEWHERE = {None: 0, Vague.OWN: FRAME, Vague.CALLERS: CALLERS, Vague.EITHER: FRAME | CALLERS}


def operands(instruction: Instruction) -> int:
    """Return the registers that a conditional jump compares."""
    if instruction.klass not in (JMP, JMP32) or instruction.operation in (JA, CALL, EXIT):
        return 0
    return 1 << instruction.dst | (1 << instruction.src if instruction.uses_register else 0)


def effect(
    instruction: Instruction, base: Address, arguments: tuple[Address, ...], helpers: Mapping[int, Helper]
) -> Effect:
    """Return what an instruction does; local calls are their function's affair."""
    klass = instruction.klass
    if klass in (ALU, ALU64):
        return _arithmetic(instruction)
    if klass == LDX:
        memory = reached(base, instruction.offset, instruction.size)
        dst = 1 << instruction.dst
        return Effect(dst, dst, 1 << instruction.src | memory, memory)
    if klass in (ST, STX):
        return _store(instruction, base)
    if klass == LD:
        return _wide(instruction)
    if instruction.operation == CALL and klass == JMP:
        return _call(helpers.get(instruction.imm) if instruction.src == CALL_HELPER else None, arguments)
    return NONE


def _arithmetic(instruction: Instruction) -> Effect:
    dst = 1 << instruction.dst
    uses = 0 if instruction.operation == MOV else dst
    if instruction.uses_register and instruction.operation not in (NEG, END):
        uses |= 1 << instruction.src
    return Effect(dst, dst, uses, uses)


def _store(instruction: Instruction, base: Address) -> Effect:
    """Only a store through r10 surely overwrites: another register may point elsewhere on another path."""
    memory = reached(base, instruction.offset, instruction.size)
    value = 0 if instruction.klass == ST else 1 << instruction.src
    uses = value | 1 << instruction.dst
    if instruction.klass == STX and instruction.mode == ATOMIC:
        fetched = R0 if instruction.imm == CMPXCHG else value if instruction.imm & FETCH else 0
        also = memory | (R0 if instruction.imm == CMPXCHG else 0)
        return Effect(memory | fetched, fetched, uses | also, value | also)
    return Effect(memory, memory if instruction.dst == FRAME_POINTER else 0, uses, value)


def _wide(instruction: Instruction) -> Effect:
    if instruction.mode in (ABS, IND):
        uses = 1 << 6 | (1 << instruction.src if instruction.mode == IND else 0)
        return Effect(R0 | ARGUMENTS, R0 | ARGUMENTS, uses, 0, ARGUMENTS)
    return Effect(1 << instruction.dst, 1 << instruction.dst)


def _call(helper: Helper | None, arguments: tuple[Address, ...]) -> Effect:
    """A helper makes r0 and writes what it is told to; one that is not known may write wherever it was pointed to."""
    memory = held = 0
    if helper is None:
        count = len(arguments)
        for address in arguments:
            memory |= upward(address)
    else:
        count = len(helper.arguments)
        held = HELD if helper.acquires or helper.releases else 0
        for address, wanted in zip(arguments, helper.arguments, strict=False):
            memory |= upward(address) if wanted in _WRITTEN else 0
    uses = ((1 << count) - 1) << 1
    return Effect(R0 | ARGUMENTS | memory | held, R0 | ARGUMENTS, uses, 0, ARGUMENTS)


_WRITTEN = (Argument.WRITABLE, Argument.TARGET, Argument.CHANGED)
_READ = (Argument.MAP_KEY, Argument.MAP_VALUE, Argument.READABLE, Argument.READABLE_OR_NULL, Argument.CHANGED)
_SIZED = (Argument.READABLE, Argument.READABLE_OR_NULL, *_WRITTEN)


def wanted_by(
    instruction: Instruction,
    register: str,
    base: Address,
    arguments: tuple[Address, ...],
    helpers: Mapping[int, Helper],
) -> int:
    """Return what to ask for where an instruction's need of a register is not met; "" is no register in particular.

    A register that points to stack bytes to be read stands for those bytes too: it may be them that are missing.
    """
    if not register:
        return operands(instruction) or HELD
    number = int(register[1:])
    klass = instruction.klass
    if klass == JMP and instruction.operation == CALL and instruction.src == CALL_HELPER:
        return 1 << number | _beside(number, arguments, helpers.get(instruction.imm))
    loads = klass == LDX and number == instruction.src
    changes = klass == STX and instruction.mode == ATOMIC and number == instruction.dst
    return 1 << number | (reached(base, instruction.offset, instruction.size) if loads or changes else 0)


def _beside(number: int, arguments: tuple[Address, ...], helper: Helper | None) -> int:
    """Return what belongs to a helper's argument: the bytes it points to, if they are read, and their size."""
    if helper is None or not 1 <= number <= len(helper.arguments):
        return 0
    kind = helper.arguments[number - 1]
    return (upward(arguments[number - 1]) if kind in _READ else 0) | (1 << (number + 1) if kind in _SIZED else 0)
