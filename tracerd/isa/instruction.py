"""One eBPF instruction, as every room passes it around.

A program is a tuple with one `Instruction` per 8-byte slot, so that an index here is the index in `llvm-objdump`, in
the kernel's log and in a jump offset. The 16-byte `lddw` (RFC 9669 §5.4) fills two slots: the first carries the whole
64-bit constant, the second is kept as `opcode == 0` and is never executed.
"""

from __future__ import annotations

from dataclasses import dataclass

# Instruction classes, RFC 9669 §3 table 3.
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)

# Operand source bit, §4.1 table 4.
K, X = 0x00, 0x08

# ALU operations, §4.1 table 5 (high four bits of the opcode).
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR, MOV, ARSH, END = (op << 4 for op in range(14))

# Jump operations, §4.3 table 9.
JA, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE, CALL, EXIT, JLT, JLE, JSLT, JSLE = (op << 4 for op in range(14))

# Load and store: mode modifiers (§5 table 11) and sizes (table 12).
IMM, ABS, IND, MEM, MEMSX, ATOMIC = 0x00, 0x20, 0x40, 0x60, 0x80, 0xC0
W, H, B, DW = 0x00, 0x08, 0x10, 0x18
SIZE_BYTES = {W: 4, H: 2, B: 1, DW: 8}

# Atomic operations in `imm`, §5.3 tables 13 and 14.
FETCH, XCHG, CMPXCHG = 0x01, 0xE1, 0xF1

# What `src` means in an lddw (§5.4 table 15; the numbers of linux/bpf.h BPF_PSEUDO_*).
IMM64_PLAIN, IMM64_MAP_FD, IMM64_MAP_VALUE, IMM64_VARIABLE, IMM64_FUNCTION, IMM64_MAP_INDEX, IMM64_MAP_INDEX_VALUE = (
    range(7)
)

# What `src` means in a call (§4.3.1).
CALL_HELPER, CALL_LOCAL, CALL_BTF = range(3)

LDDW = LD | IMM | DW


@dataclass(frozen=True, slots=True)
class Instruction:
    """One slot of a program.

    `offset` is signed 16 bits and `imm` signed 32 bits, except in an `lddw` whose `imm` is the unsigned 64-bit
    constant of both slots together.
    """

    opcode: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0

    @property
    def klass(self) -> int:
        """Instruction class, the low three bits."""
        return self.opcode & 0x07

    @property
    def operation(self) -> int:
        """ALU or jump operation, the high four bits."""
        return self.opcode & 0xF0

    @property
    def mode(self) -> int:
        """Mode modifier of a load or store, the high three bits."""
        return self.opcode & 0xE0

    @property
    def size(self) -> int:
        """Bytes that a load or store touches."""
        return SIZE_BYTES[self.opcode & 0x18]

    @property
    def uses_register(self) -> bool:
        """True if the second operand of an ALU or jump instruction is `src`, not `imm`."""
        return bool(self.opcode & X)

    @property
    def is_lddw(self) -> bool:
        return self.opcode == LDDW


SECOND_SLOT = 0x00
"""Opcode kept in the second slot of an lddw."""
