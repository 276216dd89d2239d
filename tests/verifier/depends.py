"""A machine that knows of every register and stack byte which instructions it came from, in this one run."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.verifier.concrete import CONTEXT, M64, STACK, Machine
from tracerd.isa.instruction import (
    ALU,
    ALU64,
    ATOMIC,
    CALL,
    CALL_LOCAL,
    CMPXCHG,
    END,
    EXIT,
    FETCH,
    LDX,
    MOV,
    NEG,
    ST,
    STX,
    Instruction,
)
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import Argument

Origins = frozenset[int]
NONE: Origins = frozenset()


@dataclass
class Depending(Machine):
    """Runs as its base does, and notes origins beside it: data only, no conditions."""

    origins: list[Origins] = field(default_factory=lambda: [NONE] * 11)
    memory: dict[int, Origins] = field(default_factory=dict)
    below: list[list[Origins]] = field(default_factory=list)

    def step(self) -> None:
        """Run one instruction."""
        at, instruction = self.at, self.code[self.at]
        registers = list(self.regs)
        super().step()
        klass = instruction.klass
        if klass in (ALU, ALU64):
            self.origins[instruction.dst] = self._computed(instruction, at)
        elif klass == LDX:
            address = (registers[instruction.src] + instruction.offset) & M64
            came = {at} | self.origins[instruction.src] | self._read(address, instruction.size)
            self.origins[instruction.dst] = frozenset(came)
        elif klass in (ST, STX):
            self._noted_store(instruction, at, (registers[instruction.dst] + instruction.offset) & M64)
        elif instruction.opcode & 7 == 0:
            self.origins[instruction.dst] = frozenset({at})
        elif instruction.operation == CALL:
            self._noted_call(instruction, at, registers)
        elif instruction.operation == EXIT and self.below:
            call, *saved = self.below.pop()
            self.origins[0] |= call
            self.origins[1:6] = [call] * 5
            self.origins[6:10] = saved

    def _computed(self, instruction: Instruction, at: int) -> Origins:
        came = {at} | (NONE if instruction.operation == MOV else self.origins[instruction.dst])
        if instruction.uses_register and instruction.operation not in (NEG, END):
            came |= self.origins[instruction.src]
        return frozenset(came)

    def _read(self, address: int, size: int) -> Origins:
        return NONE.union(*(self.memory.get(address + each, NONE) for each in range(size)))

    def _noted_store(self, instruction: Instruction, at: int, address: int) -> None:
        came = {at} | self.origins[instruction.dst]
        came |= NONE if instruction.klass == ST else self.origins[instruction.src]
        if instruction.klass == STX and instruction.mode == ATOMIC:
            came |= self._read(address, instruction.size)
            if instruction.imm == CMPXCHG:
                came |= self.origins[0]
                self.origins[0] = frozenset(came)
            elif instruction.imm & FETCH:
                self.origins[instruction.src] = frozenset(came)
        self._write(address, instruction.size, frozenset(came))

    def _write(self, address: int, size: int, came: Origins) -> None:
        if STACK <= address < STACK + CONTEXT:
            self.memory.update({address + each: came for each in range(size)})

    def _noted_call(self, instruction: Instruction, at: int, registers: list[int]) -> None:
        here = frozenset({at})
        if instruction.src == CALL_LOCAL:
            self.below.append([here, *self.origins[6:10]])
            frame = self.regs[10]
            self.memory = {address: came for address, came in self.memory.items() if not frame - 512 <= address < frame}
            self.origins[0] = NONE           # a function has but its arguments
            self.origins[6:10] = [NONE] * 4
            return
        helper = LINUX.helper_by_id[instruction.imm]
        came = here.union(*self.origins[1 : 1 + len(helper.arguments)])
        if Argument.WRITABLE in helper.arguments:
            self._write(registers[1], registers[2], came)
        self.origins[0] = came
        self.origins[1:6] = [here] * 5
