"""Helper calls, map references and legacy packet loads: where pointers come from."""

from __future__ import annotations

from tracerd.isa.instruction import IMM64_MAP_INDEX, IMM64_MAP_INDEX_VALUE, Instruction
from tracerd.platforms.model import Argument, Helper, Return
from tracerd.verifier.domains import scalar
from tracerd.verifier.domains.scalar import FULL
from tracerd.verifier.scope import Scope
from tracerd.verifier.state import State
from tracerd.verifier.symbols import Region
from tracerd.verifier.transfer.memory import fill
from tracerd.verifier.values import (
    LOST,
    MAP,
    MAP_VALUE,
    MAP_VALUE_OR_NULL,
    RECORD_OR_NULL,
    ZERO_SYMBOL,
    Value,
    number,
)

ERRORS = scalar.signed_range(-4095, 0)
"""What `Return.ERROR` means."""


def helper(scope: Scope, state: State, prototype: Helper) -> None:
    """Run a helper call: memory it writes, the record it takes back, r0, and r1 … r5 lost."""
    given = size = 0
    for position, wanted in enumerate(prototype.arguments, 1):
        value = state.regs[position]
        if wanted in (Argument.MAP, Argument.RINGBUF):
            given = value.region
        elif wanted in (Argument.WRITABLE, Argument.TARGET, Argument.CHANGED):
            known = state.facts.scalar(state.regs[position + 1])
            fill(state, value, _least(state, wanted, position), known.uhi)
        elif wanted is Argument.CONSTANT_SIZE:
            size = state.facts.constant(value) or 0
        elif wanted is Argument.RING_RECORD and prototype.releases:
            state.release(value.region)
    state.regs[0] = _result(scope, state, prototype, given, size)
    state.regs[1:6] = [LOST] * 5


def _least(state: State, wanted: Argument, position: int) -> int:
    """Return how many bytes of its memory a call surely initialises.

    A TARGET gets what is copied, if that surely fits; else the helper may leave everything as it was. CHANGED memory
    was initialised before, so nothing has to be said.
    """
    room = state.facts.scalar(state.regs[position + 1])
    if wanted is Argument.WRITABLE:
        return room.ulo
    if wanted is Argument.CHANGED:
        return 0
    copied = state.facts.scalar(state.regs[position + 3])
    return copied.ulo if copied.uhi <= room.ulo else 0


def _result(scope: Scope, state: State, prototype: Helper, given: int, size: int) -> Value:
    if prototype.returns is Return.MAP_VALUE_OR_NULL:
        region = scope.symbols.region(Region(given, scope.maps[given].value_size))
        return Value(MAP_VALUE_OR_NULL, region, ZERO_SYMBOL, 0)
    if prototype.returns is Return.RING_RECORD_OR_NULL:
        region = scope.symbols.region(Region(given, size))
        state.records = (*state.records, region)
        return Value(RECORD_OR_NULL, region, ZERO_SYMBOL, 0)
    return state.facts.fresh(ERRORS if prototype.returns is Return.ERROR else FULL)


def wide(scope: Scope, state: State, instruction: Instruction) -> None:
    """Run lddw: a constant, a map, or an address in the only element of a map."""
    which = instruction.imm & 0xFFFFFFFF
    if instruction.src == IMM64_MAP_INDEX:
        value = Value(MAP, which, ZERO_SYMBOL, 0)
    elif instruction.src == IMM64_MAP_INDEX_VALUE:
        region = scope.symbols.only_element(Region(which, scope.maps[which].value_size))
        value = Value(MAP_VALUE, region, ZERO_SYMBOL, instruction.imm >> 32)
    else:
        value = number(instruction.imm)
    state.regs[instruction.dst] = value


def packet(state: State, instruction: Instruction) -> None:
    """Run a legacy packet load: r0 gets the number, r1 … r5 are lost."""
    state.regs[0] = state.facts.fresh(scalar.of_size(instruction.size))
    state.regs[1:6] = [LOST] * 5
