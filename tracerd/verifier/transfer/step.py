"""One instruction on one state, whatever its class. Jumps are `branches`' work and local calls the fixpoint's."""

from __future__ import annotations

from tracerd.isa.instruction import ABS, ALU, ALU64, ATOMIC, IND, JMP, JMP32, LD, LDX, STX, Instruction
from tracerd.verifier.scope import Scope
from tracerd.verifier.state import State
from tracerd.verifier.transfer import arithmetic, calls, memory


def step(scope: Scope, state: State, instruction: Instruction) -> None:
    """Change the state as the instruction does. Its assertions hold."""
    klass = instruction.opcode & 7
    if klass in (ALU, ALU64):
        arithmetic.transfer(state, instruction)
    elif klass == LDX:
        memory.load(scope, state, instruction)
    elif klass == LD:
        if instruction.mode in (ABS, IND):
            calls.packet(state, instruction)
        else:
            calls.wide(scope, state, instruction)
    elif klass in (JMP, JMP32):
        calls.helper(scope, state, scope.helpers[instruction.imm])
    elif klass == STX and instruction.mode == ATOMIC:
        memory.atomic(state, instruction)
    else:
        memory.store(state, instruction)
