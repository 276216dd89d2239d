"""Forget what no later instruction can read, so that states are small and differ only where it matters.

Forgetting is always sound: a smaller state says less, and stands for more concrete ones.
"""

from __future__ import annotations

from tracerd.verifier.frame import byte_mask
from tracerd.verifier.liveness import SLOT, slots_of
from tracerd.verifier.state import State
from tracerd.verifier.symbols import LOW32, SEXT
from tracerd.verifier.values import LENGTH, UNUSED, ZERO_SYMBOL, Value


def live_bytes(live: int) -> int:
    """Return the frame bytes of the slots in a live set, as `Frame` counts them."""
    slots = live >> SLOT
    mask = 0
    while slots:
        lowest = slots & -slots
        mask |= 0xFF << 8 * (lowest.bit_length() - 1)
        slots ^= lowest
    return mask


def prune(state: State, live: int, alive: int) -> None:
    """Drop dead registers, dead stack bytes (`alive` are the live ones), and symbols that nothing mentions."""
    regs = state.regs
    for register in range(10):
        if not live >> register & 1:
            regs[register] = UNUSED
    _stack(state, live, alive)
    _constants(state)
    _symbols(state)


def _stack(state: State, live: int, alive: int) -> None:
    """Dead bytes become uninitialised. A cell that is partly alive stays."""
    frame = state.frames[-1]
    if not frame.init & ~alive:
        return
    frame = state.frame_to_write(state.depth)
    kept = alive
    for offset, cell in list(frame.cells.items()):
        if slots_of(offset, cell.size) & live:
            kept |= byte_mask(offset, cell.size)
        else:
            frame.remove(offset)
    frame.init &= kept


def _constants(state: State) -> None:
    """Write symbols that can be only one number as that number."""
    known = {
        symbol: found.ulo
        for symbol, found in state.facts.scalars.items()
        if found.ulo == found.uhi and symbol != ZERO_SYMBOL
    }
    if known:

        def written(value: Value) -> Value:
            return value.moved(known[value.symbol])._replace(symbol=ZERO_SYMBOL)

        state.change(lambda value: value.symbol in known, written)
        state.marks = {key: written(v) if v.symbol in known else v for key, v in state.marks.items()}


def _symbols(state: State) -> None:
    """Keep the symbols that values mention, and the halves and extensions computed from them."""
    facts = state.facts
    used = {value.symbol for value in state.values()}
    used.add(ZERO_SYMBOL)
    used.add(LENGTH)
    scalars = facts.scalars
    definitions = facts.symbols.definitions
    kept = {}
    for symbol, known in scalars.items():
        if symbol in used:
            kept[symbol] = known
        else:
            definition = definitions.get(symbol)
            if definition is not None and definition.operation in (LOW32, SEXT) and definition.first in used:
                kept[symbol] = known
    facts.scalars = kept
    if facts.order:
        facts.order = {pair: by for pair, by in facts.order.items() if pair[0] in used and pair[1] in used}

