"""Instructions to text, in the words of `llvm-objdump -d` (LLVM 19).

Two things differ, because text must name one instruction only: calls that are not helper calls are written
`call pc+0x5` and `call btf 0x5`, and an lddw of a map, variable or function as `r1 = map[0x2] ll`,
`map[0x2][0x10]`, `map_fd[0x5]`, `variable[0x1]`, `code[pc+0x5]` (LLVM: `call 0x5`, `ld_pseudo r1, 0x5, 0x2`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tracerd.isa.instruction import (
    ABS,
    ALU,
    ALU64,
    ATOMIC,
    CALL,
    CALL_BTF,
    CALL_LOCAL,
    CMPXCHG,
    DW,
    END,
    EXIT,
    IMM64_FUNCTION,
    IMM64_PLAIN,
    JA,
    JMP,
    JMP32,
    LD,
    LDX,
    MEMSX,
    MOV,
    NEG,
    SECOND_SLOT,
    ST,
    STX,
    XCHG,
    Instruction,
)
from tracerd.isa.opcodes import CALLX, find
from tracerd.isa.syntax import (
    ARITHMETIC,
    ATOMICS,
    CONDITIONS,
    FETCHES,
    PSEUDO_LOADS,
    PSEUDO_WITH_OFFSET,
    SIZES,
    SWAPS,
)

UNKNOWN = "<unknown>"


def disassemble(instructions: Iterable[Instruction], *, alu32: bool = False, symbol: str | None = None) -> list[str]:
    """Return one line per slot; the second slot of an lddw is an empty line. Options as `format_instruction`."""
    return [
        format_instruction(instruction, index, alu32=alu32, symbol=symbol)
        for index, instruction in enumerate(instructions)
    ]


def format_instruction(instruction: Instruction, index: int, *, alu32: bool = False, symbol: str | None = None) -> str:
    """Return the text of the instruction in slot `index`, or `<unknown>` for what RFC 9669 does not define.

    With `alu32`, loads and stores below 64 bits name the 32-bit registers, as `llvm-objdump --mattr=+alu32` does.
    With the `symbol` of slot 0, jumps end in their target as llvm-objdump's do: `goto +0x3 <main+0x20>`.
    """
    if instruction.opcode == CALLX:
        return f"callx r{instruction.dst}"
    if instruction == Instruction(SECOND_SLOT):
        return ""
    if find(instruction) is None:
        return UNKNOWN
    text = _WRITERS[instruction.klass](instruction, alu32)
    if symbol is not None and (distance := _jump_distance(instruction)) is not None:
        target = (index + 1 + distance) * 8
        # llvm-objdump subtracts unsigned: a target before the symbol is a huge distance after it.
        text += f" <{symbol}+{target % (1 << 64):#x}>" if target else f" <{symbol}>"
    return text


def _jump_distance(instruction: Instruction) -> int | None:
    if instruction.klass == JMP32 and instruction.operation == JA:
        return instruction.imm
    if instruction.klass in (JMP, JMP32) and instruction.operation not in (CALL, EXIT):
        return instruction.offset
    return None


def _signed(value: int) -> str:
    return f"{value:+#x}"


def _address(register: int, offset: int) -> str:
    return f"r{register} {'-' if offset < 0 else '+'} {abs(offset):#x}"


def _alu(instruction: Instruction, _alu32: bool) -> str:
    kind = "r" if instruction.klass == ALU64 else "w"
    dst, operation = f"{kind}{instruction.dst}", instruction.operation
    if operation == END:
        # A swap names the 64-bit register even in the ALU class: it writes all of it.
        return f"r{instruction.dst} = {SWAPS[instruction.opcode]}{instruction.imm} r{instruction.dst}"
    if operation == NEG:
        return f"{dst} = -{dst}"
    value = f"{kind}{instruction.src}" if instruction.uses_register else f"{instruction.imm:#x}"
    if operation == MOV:
        cast = f"(s{instruction.offset})" if instruction.offset else ""
        return f"{dst} = {cast}{value}"
    return f"{dst} {ARITHMETIC[operation, instruction.offset]} {value}"


def _jump(instruction: Instruction, _alu32: bool) -> str:
    operation = instruction.operation
    if operation == JA:
        narrow = instruction.klass == JMP
        return f"goto {_signed(instruction.offset)}" if narrow else f"gotol {_signed(instruction.imm)}"
    if operation == EXIT:
        return "exit"
    if operation == CALL:
        return f"call {_callee(instruction)}"
    kind = "r" if instruction.klass == JMP else "w"
    value = f"{kind}{instruction.src}" if instruction.uses_register else f"{instruction.imm:#x}"
    return f"if {kind}{instruction.dst} {CONDITIONS[operation]} {value} goto {_signed(instruction.offset)}"


def _callee(instruction: Instruction) -> str:
    if instruction.src == CALL_LOCAL:
        return f"pc{_signed(instruction.imm)}"
    return f"btf {instruction.imm:#x}" if instruction.src == CALL_BTF else f"{instruction.imm:#x}"


def _wide_or_packet(instruction: Instruction, _alu32: bool) -> str:
    if instruction.is_lddw:
        return f"r{instruction.dst} = {_constant(instruction)} ll"
    where = f"{instruction.imm:#x}"
    if instruction.mode != ABS:
        # LLVM drops the constant of an indirect packet load; it is part of the address.
        where = f"r{instruction.src}" if instruction.imm == 0 else _address(instruction.src, instruction.imm)
    return f"r0 = *(u{instruction.size * 8} *)skb[{where}]"


def _constant(instruction: Instruction) -> str:
    imm, kind = instruction.imm, instruction.src
    if kind == IMM64_PLAIN:
        return f"{imm - ((imm >> 63) << 64):#x}"
    low, high = imm & 0xFFFFFFFF, imm >> 32
    if kind == IMM64_FUNCTION:
        return f"{PSEUDO_LOADS[kind]}[pc{_signed(low - ((low >> 31) << 32))}]"
    offset = f"[{high:#x}]" if kind in PSEUDO_WITH_OFFSET else ""
    return f"{PSEUDO_LOADS[kind]}[{low:#x}]{offset}"


def _load(instruction: Instruction, alu32: bool) -> str:
    sign = "s" if instruction.mode == MEMSX else "u"
    kind = "w" if alu32 and sign == "u" and instruction.size < 8 else "r"
    where = _address(instruction.src, instruction.offset)
    return f"{kind}{instruction.dst} = *({sign}{instruction.size * 8} *)({where})"


def _store(instruction: Instruction, alu32: bool) -> str:
    if instruction.mode == ATOMIC:
        return _atomic(instruction, alu32)
    kind = "w" if alu32 and instruction.size < 8 else "r"
    value = f"{instruction.imm:#x}" if instruction.klass == ST else f"{kind}{instruction.src}"
    return f"*(u{instruction.size * 8} *)({_address(instruction.dst, instruction.offset)}) = {value}"


def _atomic(instruction: Instruction, alu32: bool) -> str:
    bits = SIZES[instruction.opcode & DW]
    kind, name = ("r", "_64") if bits == 64 else ("w", "32_32")
    src, where = f"{kind}{instruction.src}", _address(instruction.dst, instruction.offset)
    if instruction.imm == XCHG:
        return f"{src} = xchg{name}({where}, {src})"
    if instruction.imm == CMPXCHG:
        return f"{kind}0 = cmpxchg{name}({where}, {kind}0, {src})"
    if instruction.imm in FETCHES:
        return f"{src} = atomic_fetch_{FETCHES[instruction.imm]}((u{bits} *)({where}), {src})"
    # The plain 32-bit add is the only 32-bit atomic that LLVM knows without alu32.
    if ATOMICS[instruction.imm] == "+=" and not alu32:
        src = f"r{instruction.src}"
    return f"lock *(u{bits} *)({where}) {ATOMICS[instruction.imm]} {src}"


_WRITERS: dict[int, Callable[[Instruction, bool], str]] = {
    LD: _wide_or_packet, LDX: _load, ST: _store, STX: _store, ALU: _alu, JMP: _jump, JMP32: _jump, ALU64: _alu,
}  # fmt: skip
