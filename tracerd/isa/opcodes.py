"""Every instruction encoding of RFC 9669 as one table, and the check that a slot is one of them.

A row says which values each field may have; a field that the instruction does not use must be zero (§3.1). The
decoder's check, the assembler and the tests read the same rows. Registers above r10 do not exist; whether an existing
register may be written here is the verifier's question, not the table's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tracerd.errors import InstructionError
from tracerd.isa.instruction import (
    ABS,
    ADD,
    ALU,
    ALU64,
    AND,
    ARSH,
    ATOMIC,
    CALL,
    CALL_BTF,
    CALL_HELPER,
    CALL_LOCAL,
    CMPXCHG,
    DIV,
    DW,
    END,
    EXIT,
    FETCH,
    IMM64_FUNCTION,
    IMM64_MAP_FD,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_MAP_VALUE,
    IMM64_PLAIN,
    IMM64_VARIABLE,
    IND,
    JA,
    JEQ,
    JGE,
    JGT,
    JLE,
    JLT,
    JMP,
    JMP32,
    JNE,
    JSET,
    JSGE,
    JSGT,
    JSLE,
    JSLT,
    LD,
    LDDW,
    LDX,
    LSH,
    MEM,
    MEMSX,
    MOD,
    MOV,
    MUL,
    NEG,
    OR,
    RSH,
    SECOND_SLOT,
    ST,
    STX,
    SUB,
    XCHG,
    XOR,
    B,
    H,
    Instruction,
    K,
    W,
    X,
)

# Conformance groups, §2.4. What no section puts elsewhere is base32.
BASE32, BASE64, ATOMIC32, ATOMIC64 = "base32", "base64", "atomic32", "atomic64"
DIVMUL32, DIVMUL64, PACKET = "divmul32", "divmul64", "packet"
GROUPS = (BASE32, BASE64, ATOMIC32, ATOMIC64, DIVMUL32, DIVMUL64, PACKET)

CALLX = JMP | CALL | X
"""clang's indirect call. RFC 9669 does not define it, so no row has it; the texts name it nevertheless."""

ZERO = range(1)
REGISTER = range(11)
S16 = range(-(1 << 15), 1 << 15)
S32 = range(-(1 << 31), 1 << 31)
U32 = range(1 << 32)
U64 = range(1 << 64)


def only(value: int) -> range:
    """Return the range of one value."""
    return range(value, value + 1)


@dataclass(frozen=True, slots=True)
class Encoding:
    """One instruction: its opcode and what its fields may hold. `name` is bpf_conformance's mnemonic."""

    name: str
    opcode: int
    group: str
    dst: range = ZERO
    src: range = ZERO
    offset: range = ZERO
    imm: range = ZERO

    def admits(self, instruction: Instruction) -> bool:
        """True if every field of an instruction with this opcode is in range."""
        return (
            instruction.imm in self.imm
            and instruction.offset in self.offset
            and instruction.src in self.src
            and instruction.dst in self.dst
        )


# §4.1 table 5: operations with either kind of second operand. (name, code, offset)
ARITHMETIC = (
    ("add", ADD, 0), ("sub", SUB, 0), ("mul", MUL, 0), ("div", DIV, 0), ("sdiv", DIV, 1), ("or", OR, 0),
    ("and", AND, 0), ("lsh", LSH, 0), ("rsh", RSH, 0), ("mod", MOD, 0), ("smod", MOD, 1), ("xor", XOR, 0),
    ("mov", MOV, 0), ("arsh", ARSH, 0),
)  # fmt: skip
CONDITIONS = (
    ("jeq", JEQ), ("jgt", JGT), ("jge", JGE), ("jset", JSET), ("jne", JNE), ("jsgt", JSGT), ("jsge", JSGE),
    ("jlt", JLT), ("jle", JLE), ("jslt", JSLT), ("jsle", JSLE),
)  # fmt: skip
SIZES = (("w", W), ("h", H), ("b", B), ("dw", DW))
ATOMICS = (
    ("add", ADD), ("or", OR), ("and", AND), ("xor", XOR), ("fetch add", ADD | FETCH), ("fetch or", OR | FETCH),
    ("fetch and", AND | FETCH), ("fetch xor", XOR | FETCH), ("xchg", XCHG), ("cmpxchg", CMPXCHG),
)  # fmt: skip


def _arithmetic() -> Iterator[Encoding]:
    """§4.1 and §4.2."""
    for klass, suffix, base, divmul in ((ALU, "32", BASE32, DIVMUL32), (ALU64, "", BASE64, DIVMUL64)):
        for name, code, offset in ARITHMETIC:
            group = divmul if code in (MUL, DIV, MOD) else base
            where = only(offset)
            yield Encoding(name + suffix, klass | code | K, group, dst=REGISTER, offset=where, imm=S32)
            yield Encoding(name + suffix, klass | code | X, group, dst=REGISTER, src=REGISTER, offset=where)
        yield Encoding("neg" + suffix, klass | NEG | K, base, dst=REGISTER)
        for bits in (8, 16) if klass == ALU else (8, 16, 32):
            name = f"movsx{bits}{suffix or 64}"
            yield Encoding(name, klass | MOV | X, base, dst=REGISTER, src=REGISTER, offset=only(bits))
    for name, opcode in (("le", ALU | END | K), ("be", ALU | END | X), ("bswap", ALU64 | END | K)):
        for bits in (16, 32, 64):
            group = BASE64 if bits == 64 else BASE32
            yield Encoding(f"{name}{bits}", opcode, group, dst=REGISTER, imm=only(bits))


def _jumps() -> Iterator[Encoding]:
    """§4.3."""
    yield Encoding("ja", JMP | JA, BASE32, offset=S16)
    yield Encoding("ja32", JMP32 | JA, BASE32, imm=S32)
    yield Encoding("call", JMP | CALL, BASE32, src=only(CALL_HELPER), imm=S32)
    yield Encoding("call local", JMP | CALL, BASE32, src=only(CALL_LOCAL), imm=S32)
    yield Encoding("call runtime", JMP | CALL, BASE32, src=only(CALL_BTF), imm=S32)
    yield Encoding("exit", JMP | EXIT, BASE32)
    for klass, suffix, group in ((JMP, "", BASE64), (JMP32, "32", BASE32)):
        for name, code in CONDITIONS:
            yield Encoding(name + suffix, klass | code | K, group, dst=REGISTER, offset=S16, imm=S32)
            yield Encoding(name + suffix, klass | code | X, group, dst=REGISTER, src=REGISTER, offset=S16)


def _memory() -> Iterator[Encoding]:
    """§5.1 to §5.3."""
    for name, size in SIZES:
        group = BASE64 if size == DW else BASE32
        yield Encoding(f"ldx{name}", LDX | MEM | size, group, dst=REGISTER, src=REGISTER, offset=S16)
        yield Encoding(f"st{name}", ST | MEM | size, group, dst=REGISTER, offset=S16, imm=S32)
        yield Encoding(f"stx{name}", STX | MEM | size, group, dst=REGISTER, src=REGISTER, offset=S16)
    for name, size in SIZES[:3]:
        yield Encoding(f"ldxs{name}", LDX | MEMSX | size, BASE32, dst=REGISTER, src=REGISTER, offset=S16)
    for size, suffix, group in ((W, "32", ATOMIC32), (DW, "", ATOMIC64)):
        for name, operation in ATOMICS:
            yield Encoding(
                f"lock {name}{suffix}", STX | ATOMIC | size, group,
                dst=REGISTER, src=REGISTER, offset=S16, imm=only(operation),
            )  # fmt: skip


def _wide_and_packet() -> Iterator[Encoding]:
    """§5.4 and §5.5. An lddw's `imm` is that of both slots; next_imm is unused by all but three kinds."""
    for kind, imm in (
        (IMM64_PLAIN, U64), (IMM64_MAP_FD, U32), (IMM64_MAP_VALUE, U64), (IMM64_VARIABLE, U32),
        (IMM64_FUNCTION, U32), (IMM64_MAP_INDEX, U32), (IMM64_MAP_INDEX_VALUE, U64),
    ):  # fmt: skip
        yield Encoding("lddw", LDDW, BASE64, dst=REGISTER, src=only(kind), imm=imm)
    for name, size in SIZES[:3]:
        yield Encoding(f"ldabs{name}", LD | ABS | size, PACKET, imm=S32)
        yield Encoding(f"ldind{name}", LD | IND | size, PACKET, src=REGISTER, imm=S32)


ENCODINGS: tuple[Encoding, ...] = (*_arithmetic(), *_jumps(), *_memory(), *_wide_and_packet())


def _by_opcode() -> Mapping[int, tuple[Encoding, ...]]:
    rows: defaultdict[int, list[Encoding]] = defaultdict(list)
    for row in ENCODINGS:
        rows[row.opcode].append(row)
    return {opcode: tuple(found) for opcode, found in rows.items()}


BY_OPCODE = _by_opcode()


def find(instruction: Instruction) -> Encoding | None:
    """Return the row that an instruction is, or None if RFC 9669 does not define it."""
    for row in BY_OPCODE.get(instruction.opcode, ()):
        if row.admits(instruction):
            return row
    return None


def check(instruction: Instruction, index: int) -> None:
    """Refuse whatever RFC 9669 does not define. Slot `index` is for the message.

    Second slots of an lddw are not instructions: `check_program` knows them.

    Raises:
        InstructionError: unknown opcode, a register above r10, or a reserved field that is not zero.
    """
    if find(instruction) is None:
        raise InstructionError(index, _cause(instruction))


def check_program(program: Sequence[Instruction]) -> None:
    """Check every slot, and that every lddw is followed by its second slot and nothing else is.

    Raises:
        InstructionError: as `check`, or a slot that is out of place.
    """
    wide = False
    for index, instruction in enumerate(program):
        if wide:
            if instruction != Instruction(SECOND_SLOT):
                raise InstructionError(index, "the second slot of an lddw must be zero but for its constant")
            wide = False
        else:
            check(instruction, index)
            wide = instruction.opcode == LDDW
    if wide:
        raise InstructionError(len(program) - 1, "lddw needs two slots, the program ends after the first")


def _cause(instruction: Instruction) -> str:
    """Name the first field that no row of the opcode admits."""
    opcode = instruction.opcode
    if opcode == CALLX:
        return "callx (opcode 0x8d), a call through a register, is not defined by RFC 9669"
    rows: Iterable[Encoding] = BY_OPCODE.get(opcode, ())
    if not rows:
        return f"opcode {opcode:#04x} is not defined by RFC 9669"
    name = next(iter(rows)).name
    for field in ("dst", "src", "offset", "imm"):
        value: int = getattr(instruction, field)
        fitting = [row for row in rows if value in getattr(row, field)]
        if not fitting:
            allowed = dict.fromkeys(_show(getattr(row, field)) for row in rows)
            return f"{name} (opcode {opcode:#04x}): {field} is {value}, RFC 9669 allows {' or '.join(allowed)}"
        rows, name = fitting, fitting[0].name
    raise AssertionError(f"{instruction} is valid")


def _show(values: range) -> str:
    return str(values.start) if values.stop - values.start == 1 else f"{values.start}..{values.stop - 1}"
