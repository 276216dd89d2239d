"""Which assertions an instruction makes."""

from __future__ import annotations

from tracerd.isa.instruction import (
    ABS,
    ADD,
    ALU,
    ALU64,
    CALL,
    CALL_BTF,
    CALL_HELPER,
    CALL_LOCAL,
    CMPXCHG,
    END,
    EXIT,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_PLAIN,
    IND,
    JA,
    JMP,
    JMP32,
    LD,
    LDX,
    MEMSX,
    MOV,
    NEG,
    ST,
    SUB,
    Instruction,
)
from tracerd.isa.instruction import ATOMIC as ATOMIC_MODE
from tracerd.verifier.checks.access import ATOMIC, READ, WRITE, Access, LoadsNumber, Storable
from tracerd.verifier.checks.arithmetic import Comparable, Sum
from tracerd.verifier.checks.assertion import Assertion, IsNumber, Never, Readable
from tracerd.verifier.checks.calls import HelperArguments, KnownHelper, PacketLoad, Returns
from tracerd.verifier.liveness import FRAME_POINTER
from tracerd.verifier.scope import Scope


def assertions(scope: Scope, at: int) -> tuple[Assertion, ...]:
    """Return what the instruction at that index demands, in the order in which to complain."""
    instruction = scope.code[at]
    klass = instruction.klass
    if klass in (ALU, ALU64):
        return _arithmetic(instruction)
    if klass in (JMP, JMP32):
        return _jump(scope, at, instruction)
    if klass == LD:
        return _wide_or_packet(scope, instruction)
    return _memory(scope, at, instruction)


def _written(register: int) -> tuple[Assertion, ...]:
    return (Never("r10, the frame pointer, is read-only"),) if register == FRAME_POINTER else ()


def _arithmetic(instruction: Instruction) -> tuple[Assertion, ...]:
    operation, dst = instruction.operation, instruction.dst
    src = instruction.src if instruction.uses_register and operation not in (NEG, END) else None
    before = _written(dst)
    if operation == MOV:
        if src is None:
            return before
        whole = instruction.klass == ALU64 and not instruction.offset
        return (*before, Readable(src) if whole else IsNumber(src))
    if operation in (ADD, SUB):
        return (*before, Sum(operation, instruction.klass == ALU64, dst, src, instruction.imm))
    operands: tuple[Assertion, ...] = (IsNumber(dst),) if src is None else (IsNumber(dst), IsNumber(src))
    return (*before, *operands)


def _jump(scope: Scope, at: int, instruction: Instruction) -> tuple[Assertion, ...]:
    operation = instruction.operation
    if operation == JA:
        return ()
    if operation == EXIT:
        return (Returns(scope),)
    if operation == CALL:
        return _call(scope, at, instruction)
    src = instruction.src if instruction.uses_register else None
    wide = instruction.klass == JMP
    return (Comparable(operation, wide, instruction.dst, src, instruction.imm),)


def _call(scope: Scope, at: int, instruction: Instruction) -> tuple[Assertion, ...]:
    if instruction.src == CALL_LOCAL:
        return ()
    if instruction.src == CALL_BTF or instruction.src != CALL_HELPER:
        return (Never("calls of kernel functions by BTF id are not supported"),)
    helper = scope.helpers.get(instruction.imm)
    known = KnownHelper(scope, instruction.imm)
    return (known,) if helper is None else (known, HelperArguments(scope, at, helper))


def _wide_or_packet(scope: Scope, instruction: Instruction) -> tuple[Assertion, ...]:
    if instruction.mode in (ABS, IND):
        if not scope.type.packet_loads:
            return (Never(f"legacy packet loads are not available to {scope.type.name} programs"),)
        index: tuple[Assertion, ...] = (IsNumber(instruction.src),) if instruction.mode == IND else ()
        return (PacketLoad(), *index)
    before = _written(instruction.dst)
    if instruction.src == IMM64_PLAIN:
        return before
    which, offset = instruction.imm & 0xFFFFFFFF, instruction.imm >> 32
    if instruction.src not in (IMM64_MAP_INDEX, IMM64_MAP_INDEX_VALUE):
        return (Never(f"lddw of kind {instruction.src} is not resolved"),)
    if which >= len(scope.maps):
        return (Never(f"map {which} does not exist, the object has {len(scope.maps)}"),)
    if instruction.src == IMM64_MAP_INDEX:
        return before
    facts = scope.maps[which]
    if not scope.kinds[which].array or scope.kinds[which].per_cpu or facts.max_entries != 1:
        return (Never(f"direct access needs an array of one element, map {facts.name} is none"),)
    if offset > facts.value_size:
        return (Never(f"offset {offset} is outside the value of map {facts.name}"),)
    return before


def _memory(scope: Scope, at: int, instruction: Instruction) -> tuple[Assertion, ...]:
    size, offset = instruction.size, instruction.offset
    if instruction.klass == LDX:
        access = Access(scope, at, instruction.src, offset, size, READ)
        if instruction.mode == MEMSX:
            return (*_written(instruction.dst), access, LoadsNumber(scope, instruction.src, offset, size))
        return (*_written(instruction.dst), access)
    if instruction.klass == ST:
        return (Access(scope, at, instruction.dst, offset, size, WRITE),)
    if instruction.mode == ATOMIC_MODE:
        operands: list[Assertion] = [IsNumber(instruction.src)]
        if instruction.imm == CMPXCHG:
            operands.append(IsNumber(0))
        elif instruction.imm & 1:
            operands += _written(instruction.src)
        return (*operands, Access(scope, at, instruction.dst, offset, size, ATOMIC))
    return (
        Readable(instruction.src),
        Access(scope, at, instruction.dst, offset, size, WRITE),
        Storable(instruction.dst, offset, size, instruction.src),
    )
