"""A plain interpreter for tests: words, memory objects at made-up addresses, and nothing shared with the verifier.

An access outside every object is a `Fault`: a program that the verifier accepted must never have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tracerd.isa.instruction import (
    ADD,
    ALU,
    ALU64,
    AND,
    ARSH,
    ATOMIC,
    CALL,
    CALL_LOCAL,
    CMPXCHG,
    DIV,
    END,
    EXIT,
    FETCH,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
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
    LDX,
    LSH,
    MEMSX,
    MOD,
    MOV,
    MUL,
    NEG,
    OR,
    RSH,
    ST,
    SUB,
    XCHG,
    XOR,
    Instruction,
)

M64 = (1 << 64) - 1
CONTEXT, PACKET, STACK, MAPS, ELEMENTS, RECORDS = (n << 40 for n in (1, 2, 3, 4, 5, 6))
FRAME_STRIDE = 0x10000


class Fault(Exception):
    """The machine would have crashed or leaked."""


class Finished(Exception):
    """The program returned."""


@dataclass
class Object:
    """Memory from `base` on. `tag` tells the checker which object it is."""

    base: int
    data: bytearray
    kind: str
    tag: int = 0
    writable: bool = True


@dataclass
class Activation:
    """One active function: where to go back to, and what to restore."""

    back: int
    saved: tuple[int, int, int, int]


def signed(word: int, width: int = 64) -> int:
    word &= (1 << width) - 1
    return word - (1 << width) if word >> (width - 1) else word


@dataclass
class Machine:
    """One run. `xdp`: the context holds 32-bit stand-ins for data (at 0) and data_end (at 4)."""

    code: Sequence[Instruction]
    random: Random
    packet: bytes = b""
    context: bytes = bytes(64)
    xdp: bool = True
    value_sizes: Sequence[int] = ()
    regs: list[int] = field(default_factory=lambda: [0] * 11)
    at: int = 0
    objects: list[Object] = field(default_factory=list)
    active: list[Activation] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    counter: int = 0

    def __post_init__(self) -> None:
        self.regs = [self.word() for _ in range(11)]
        self.objects = [
            Object(CONTEXT, bytearray(self.context), "context", writable=False),
            Object(PACKET, bytearray(self.packet), "packet", writable=False),
        ]
        self.regs[1] = CONTEXT
        self._frame()

    def word(self) -> int:
        """Return a number that tends to sit near a boundary."""
        bits = self.random.choice((0, 1, 4, 8, 16, 31, 32, 33, 63, 64))
        word = self.random.getrandbits(bits) if bits else self.random.randrange(20)
        return (word if self.random.random() < 0.6 else -word - self.random.randrange(3)) & M64

    def _frame(self) -> None:
        depth = len(self.active)
        top = STACK + (depth + 1) * FRAME_STRIDE
        noise = bytearray(self.random.getrandbits(8) for _ in range(512))
        self.objects = [o for o in self.objects if not (o.kind == "stack" and o.tag >= depth)]
        self.objects.append(Object(top - 512, noise, "stack", depth))
        self.regs[10] = top

    def find(self, address: int, size: int) -> Object:
        for each in self.objects:
            if each.base <= address and address + size <= each.base + len(each.data):
                return each
        raise Fault(f"instruction {self.at}: {size} bytes at {address:#x}")

    def read(self, address: int, size: int) -> int:
        if self.xdp and address in (CONTEXT, CONTEXT + 4) and size == 4:
            return PACKET if address == CONTEXT else PACKET + len(self.packet)
        each = self.find(address, size)
        start = address - each.base
        return int.from_bytes(each.data[start : start + size], "little")

    def write(self, address: int, size: int, word: int) -> None:
        each = self.find(address, size)
        if not each.writable:
            raise Fault(f"instruction {self.at}: write to the {each.kind}")
        start = address - each.base
        each.data[start : start + size] = (word & ((1 << 8 * size) - 1)).to_bytes(size, "little")

    def step(self) -> None:
        """Run one instruction."""
        instruction = self.code[self.at]
        klass = instruction.klass
        here, self.at = self.at, self.at + 1
        if klass in (ALU, ALU64):
            self.regs[instruction.dst] = self._alu(instruction)
        elif klass == LDX:
            word = self.read((self.regs[instruction.src] + instruction.offset) & M64, instruction.size)
            if instruction.mode == MEMSX:
                word = signed(word, 8 * instruction.size) & M64
            self.regs[instruction.dst] = word
        elif klass == LD:
            self.at += 1
            self.regs[instruction.dst] = self._wide(instruction)
        elif klass in (JMP, JMP32):
            self._jump(instruction, here)
        else:
            self._store(instruction)

    def _wide(self, instruction: Instruction) -> int:
        if instruction.src == IMM64_MAP_INDEX:
            return MAPS + instruction.imm
        if instruction.src == IMM64_MAP_INDEX_VALUE:
            return self.element(instruction.imm & 0xFFFFFFFF, 0).base + (instruction.imm >> 32)
        return instruction.imm

    def _alu(self, instruction: Instruction) -> int:
        narrow = instruction.klass == ALU
        width = 32 if narrow else 64
        mask = (1 << width) - 1
        operation = instruction.operation
        a = self.regs[instruction.dst]
        b = self.regs[instruction.src] if instruction.uses_register else instruction.imm & M64
        if operation == END:
            size = instruction.imm // 8
            low = (a & ((1 << instruction.imm) - 1)).to_bytes(size, "little")
            swap = instruction.klass == ALU64 or instruction.uses_register
            return int.from_bytes(low, "big" if swap else "little")
        if operation == MOV and instruction.offset:
            return signed(b, instruction.offset) & mask
        a, b = a & mask, b & mask
        x, y = signed(a, width), signed(b, width)
        shift = b & (width - 1)
        if operation == DIV and instruction.offset:
            result = 0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        elif operation == MOD and instruction.offset:
            result = x if y == 0 else abs(x) % abs(y) * (-1 if x < 0 else 1)
        else:
            result = {
                MOV: lambda: b, ADD: lambda: a + b, SUB: lambda: a - b, MUL: lambda: a * b,
                DIV: lambda: a // b if b else 0, MOD: lambda: a % b if b else a, OR: lambda: a | b,
                AND: lambda: a & b, XOR: lambda: a ^ b, LSH: lambda: a << shift, RSH: lambda: a >> shift,
                ARSH: lambda: x >> shift, NEG: lambda: -a,
            }[operation]()  # fmt: skip
        return result & mask

    def _jump(self, instruction: Instruction, here: int) -> None:
        operation = instruction.operation
        if operation == JA:
            self.at = here + 1 + (instruction.imm if instruction.klass == JMP32 else instruction.offset)
        elif operation == EXIT:
            self._exit()
        elif operation == CALL:
            self._call(instruction, here)
        elif self._holds(instruction):
            self.at = here + 1 + instruction.offset

    def _holds(self, instruction: Instruction) -> bool:
        width = 32 if instruction.klass == JMP32 else 64
        mask = (1 << width) - 1
        a = self.regs[instruction.dst] & mask
        b = (self.regs[instruction.src] if instruction.uses_register else instruction.imm) & mask
        x, y = signed(a, width), signed(b, width)
        return {
            JEQ: a == b, JNE: a != b, JGT: a > b, JGE: a >= b, JLT: a < b, JLE: a <= b, JSET: bool(a & b),
            JSGT: x > y, JSGE: x >= y, JSLT: x < y, JSLE: x <= y,
        }[instruction.operation]  # fmt: skip

    def _exit(self) -> None:
        if not self.active:
            raise Finished
        last = self.active.pop()
        self.objects = [o for o in self.objects if not (o.kind == "stack" and o.tag > len(self.active))]
        self.at = last.back
        self.regs[6:10] = last.saved
        self.regs[1:6] = [self.word() for _ in range(5)]
        self.regs[10] = STACK + (len(self.active) + 1) * FRAME_STRIDE

    def _call(self, instruction: Instruction, here: int) -> None:
        if instruction.src == CALL_LOCAL:
            a, b, c, d = self.regs[6:10]
            self.active.append(Activation(here + 1, (a, b, c, d)))
            self.at = here + 1 + instruction.imm
            self._frame()
            return
        self.regs[0] = self._helper(instruction.imm)
        self.regs[1:6] = [self.word() for _ in range(5)]

    def element(self, which: int, tag: int) -> Object:
        """Return an element of a map, made when first asked for."""
        base = ELEMENTS + which * 0x1000000 + tag * 0x1000
        for each in self.objects:
            if each.base == base:
                return each
        data = bytearray(self.random.getrandbits(8) for _ in range(self.value_sizes[which]))
        self.objects.append(Object(base, data, "element", which))
        return self.objects[-1]

    def _helper(self, number: int) -> int:
        if number == 1:
            if self.random.random() < 0.4:
                return 0
            return self.element(self.regs[1] - MAPS, self.random.randrange(3)).base
        if number in (112, 113):
            for offset in range(self.regs[2]):
                self.write(self.regs[1] + offset, 1, 0)
            return -14 & M64
        if number == 131:
            if self.random.random() < 0.3:
                return 0
            self.counter += 1
            base = RECORDS + self.counter * 0x10000
            self.objects.append(Object(base, bytearray(self.regs[2]), "record", self.counter))
            self.held.append(base)
            return base
        if number in (132, 133):
            self.held.remove(self.regs[1])
            self.objects = [o for o in self.objects if o.base != self.regs[1]]
            return self.word()
        return self.word()

    def _store(self, instruction: Instruction) -> None:
        address = (self.regs[instruction.dst] + instruction.offset) & M64
        size = instruction.size
        if instruction.klass == ST:
            self.write(address, size, instruction.imm)
            return
        source = self.regs[instruction.src]
        if instruction.mode != ATOMIC:
            self.write(address, size, source)
            return
        old = self.read(address, size)
        operand = source & ((1 << 8 * size) - 1)
        if instruction.imm == CMPXCHG:
            expected = self.regs[0] & ((1 << 8 * size) - 1)
            self.write(address, size, operand if old == expected else old)
            self.regs[0] = old
            return
        new = operand if instruction.imm == XCHG else {
            ADD: old + operand, OR: old | operand, AND: old & operand, XOR: old ^ operand,
        }[instruction.imm & ~FETCH]  # fmt: skip
        self.write(address, size, new)
        if instruction.imm & FETCH:
            self.regs[instruction.src] = old
