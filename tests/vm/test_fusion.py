"""Neighbours that the plain interpreter fuses, against the checked one, which executes them one by one."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

import tracerd.isa.instruction as isa
from tests.vm.arithmetic import COMPARISONS
from tests.vm.machine import run
from tracerd.isa.instruction import Instruction

NUMBERS = (0, 2, 3, 4, 5)
POINTER, INDEX, ADDRESS = 1, 6, 7
MEMORY = 256
SMALL = (0, 1, -1, 8, 32, 33, 0x7FFF, -0x8000, 0x8000, 0x12345678, -(1 << 31))
FUSED_ALU = (isa.ADD, isa.SUB, isa.MUL, isa.OR, isa.AND, isa.XOR, isa.LSH, isa.RSH, isa.ARSH)
SIZES = {isa.B: 1, isa.H: 2, isa.W: 4, isa.DW: 8}


class Writer:
    """Writes a program of the sequences that `fuse.c` looks for, with operands that are different or the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.code: list[Instruction] = []

    def emit(self, opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> None:
        self.code.append(Instruction(opcode, dst, src, offset, imm))

    def number(self) -> int:
        return self.random.choice(NUMBERS)

    def program(self) -> list[Instruction]:
        for place, register in enumerate(NUMBERS):
            self.emit(isa.LDX | isa.MEM | isa.DW, register, POINTER, 8 * place)
        self.emit(isa.LDX | isa.MEM | isa.B, INDEX, POINTER, 3)
        self.emit(isa.ALU64 | isa.AND, INDEX, imm=127)
        self.emit(isa.ALU64 | isa.MOV | isa.X, ADDRESS, POINTER)
        for _ in range(self.random.randint(5, 40)):
            self.random.choice((self.compute, self.index, self.add_jump, self.load_jump, self.extend, self.over))()
        for place, register in enumerate((*NUMBERS, INDEX)):
            self.emit(isa.STX | isa.MEM | isa.DW, POINTER, register, 128 + 8 * place)
        self.emit(isa.ALU64 | isa.SUB | isa.X, ADDRESS, POINTER)
        self.emit(isa.STX | isa.MEM | isa.DW, POINTER, ADDRESS, 248)
        self.emit(isa.JMP | isa.EXIT)
        return self.code

    def compute(self) -> None:
        dst, wide = self.number(), self.random.choice((isa.ALU, isa.ALU64))
        self.emit(self.random.choice((isa.ALU, isa.ALU64)) | isa.MOV | isa.X, dst, self.number())
        operation, other = self.random.choice(FUSED_ALU), self.random.choice((dst, self.number()))
        target = self.random.choice((dst, dst, dst, self.number()))
        if self.random.random() < 0.5:
            self.emit(wide | operation | isa.X, target, other)
        else:
            shift = operation in (isa.LSH, isa.RSH, isa.ARSH)
            self.emit(wide | operation, target, imm=self.random.randrange(32) if shift else self.random.choice(SMALL))

    def index(self) -> None:
        """An address is a move, an addition and a load; any of the first two may be missing."""
        size = self.random.choice(tuple(SIZES))
        self.emit(isa.ALU64 | isa.MOV | isa.X, ADDRESS, POINTER)
        if self.random.random() < 0.5:
            self.emit(isa.ALU64 | isa.MOV, self.number(), imm=1)
        self.emit(isa.ALU64 | isa.ADD | isa.X, ADDRESS, INDEX)
        loaded = self.number()
        self.emit(isa.LDX | isa.MEM | size, loaded, ADDRESS, self.random.randrange(128 - SIZES[size]))
        if self.random.random() < 0.2:
            self.emit(isa.ALU64 | isa.MOV | isa.X, ADDRESS, POINTER)
            self.emit(isa.ALU64 | isa.ADD | isa.X, ADDRESS, INDEX)
            self.emit(isa.LDX | isa.MEM | size, ADDRESS, ADDRESS, 0)
            self.emit(isa.ALU64 | isa.MOV | isa.X, ADDRESS, POINTER)

    def jump(self, register: int) -> None:
        """A condition on a register that jumps over a pair that could be fused, or between the two."""
        klass, condition = self.random.choice((isa.JMP, isa.JMP32)), self.random.choice(COMPARISONS)
        skip = self.random.randint(0, 3)
        if self.random.random() < 0.5:
            self.emit(klass | condition | isa.X, register, self.number(), skip)
        else:
            self.emit(klass | condition, register, 0, skip, self.random.choice(SMALL))
        dst = self.number()
        self.emit(isa.ALU64 | isa.XOR, dst, imm=self.random.choice(SMALL))
        self.emit(isa.ALU64 | isa.MOV | isa.X, dst, self.number())
        self.emit(isa.ALU64 | isa.ADD, dst, imm=self.random.choice(SMALL))

    def add_jump(self) -> None:
        dst = self.number()
        self.emit(self.random.choice((isa.ALU, isa.ALU64)) | isa.ADD, dst, imm=self.random.choice(SMALL))
        self.jump(self.random.choice((dst, self.number())))

    def load_jump(self) -> None:
        dst, size = self.number(), self.random.choice(tuple(SIZES))
        self.emit(isa.LDX | isa.MEM | size, dst, POINTER, self.random.randrange(MEMORY - 8))
        self.jump(self.random.choice((dst, dst, self.number())))

    def extend(self) -> None:
        dst = self.number()
        self.emit(isa.ALU64 | isa.LSH, dst, imm=self.random.choice((31, 32)))
        self.emit(isa.ALU64 | self.random.choice((isa.RSH, isa.ARSH)), dst, imm=self.random.choice((31, 32)))

    def over(self) -> None:
        """A condition that jumps over a jump."""
        dst, skip = self.number(), self.random.randint(0, 2)
        if self.random.random() < 0.5:
            self.emit(isa.ALU64 | isa.ADD, dst, imm=self.random.choice(SMALL))
        klass, condition = self.random.choice((isa.JMP, isa.JMP32)), self.random.choice(COMPARISONS)
        self.emit(klass | condition | isa.X, dst, self.number(), 1)
        self.emit(isa.JMP | isa.JA, offset=skip)
        for _ in range(skip):
            self.emit(isa.ALU64 | isa.ADD, self.number(), imm=self.random.choice(SMALL))


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 1 << 32), words=st.lists(st.integers(0, (1 << 64) - 1), min_size=5, max_size=5))
def test_fused_neighbours_do_what_each_would(seed: int, words: list[int]) -> None:
    """Registers and memory are the same after fused and after single operations."""
    code = Writer(seed).program()
    memory = b"".join(word.to_bytes(8, "little") for word in words) + bytes(range(MEMORY - 40))
    plain, checked = run(code, memory), run(code, memory, checked=True)
    assert (checked.aborted, checked.fault) == (0, 0)
    assert (plain.result, plain.memory) == (checked.result, checked.memory)
