"""Does a loop end? Yes, if some number goes up (or down) every round and cannot pass a bound.

At the head of a loop the analysis writes down every register and stack cell as a mark. Marks take part in joins like
registers, so when a state comes back the distance between a value and its mark is what one round added, whatever was
merged in between.
"""

from __future__ import annotations

from collections.abc import Iterator

from tracerd.verifier.domains.interval import S64_MAX, S64_MIN, U64_MAX
from tracerd.verifier.facts import Facts
from tracerd.verifier.state import State
from tracerd.verifier.values import MAP_VALUE, NUMBER, PACKET, RECORD, STACK, Value, signed_constant, symbolic

MOST_TRIPS = 1 << 22
"""Rounds beyond which a bound is no comfort: the loop is treated as one without. Those of nested loops multiply."""

COUNTABLE = frozenset({NUMBER, PACKET, MAP_VALUE, RECORD, STACK})

Place = tuple[str, int, int]
"""A register or stack cell, its number or offset, and its bytes: a counter read with 4 bytes is not the same as the
8-byte number that is stored there, whose low half may wrap."""


def _places(state: State) -> Iterator[tuple[Place, Value]]:
    """Yield what may count: registers and whole cells of the running function, as symbol + constant."""
    for register in range(10):
        value = state.regs[register]
        if value.kind in COUNTABLE:
            yield ("register", register, 8), value
    for offset, cell in state.frames[-1].cells.items():
        if cell.value.kind in COUNTABLE and cell.size >= 4:
            yield ("stack", offset, cell.size), cell.value


def mark(state: State, head: int) -> State:
    """Return a copy that remembers its values under the head's name."""
    other = state.copy()
    other.marks = {key: value for key, value in state.marks.items() if key[0] != head}
    other.marks.update({(head, place): symbolic(value.symbol, value.constant) for place, value in _places(state)})
    return other


def most_rounds(heads: list[State], back: list[State], head: int) -> int | None:
    """Return a bound of the loop's rounds, or None if none is proved below `MOST_TRIPS`.

    `heads` include every state the head has, `back` all that come back to it.

    Let v be the place's word at the head, in [low, high] at every visit. If every round adds between d > 0 and e, and
    high + e does not wrap, then v strictly grows as a plain integer and the head is visited at most
    (high − low) / d + 1 times. The same downwards, and for either reading of the word.
    """
    if not back:
        return 1
    if not heads:
        return None
    current = [dict(_places(state)) for state in back]
    for place in dict(_places(heads[0])):
        steps = _steps(back, current, (head, place), place)
        if steps is None:
            continue
        for low, high in _ranges(heads, place):
            rounds = _rounds(steps, low, high)
            if rounds is not None:
                return rounds
    return None


def _steps(
    back: list[State], current: list[dict[Place, Value]], key: tuple[int, Place], place: Place
) -> tuple[int, int] | None:
    """Return the least and most that one round adds, or None if that is not known."""
    least: int | None = None
    most = 0
    for state, values in zip(back, current, strict=True):
        before, now = state.marks.get(key), values.get(place)
        if before is None or now is None:
            return None
        step = _difference(state.facts, before, now)
        if step is None:
            return None
        least, most = (step[0], step[1]) if least is None else (min(least, step[0]), max(most, step[1]))
    return None if least is None else (least, most)


def _difference(facts: Facts, before: Value, now: Value) -> tuple[int, int] | None:
    """Return bounds of now − before modulo 2**64, read as signed: by a shared symbol, or a sum with it."""
    by = signed_constant(now.moved(-before.constant))
    if before.symbol == now.symbol:
        return by, by
    definition = facts.definition(now.symbol)
    if definition is None or definition.operation != "add":
        return None
    parts = {definition.first, definition.second}
    if before.symbol not in parts or len(parts) != 2:
        return None
    added = facts.scalars[(parts - {before.symbol}).pop()]
    return added.slo + by, added.shi + by


def _ranges(heads: list[State], place: Place) -> Iterator[tuple[int, int]]:
    """Yield the range of a place over all head states, signed and unsigned, where the analysis knows it."""
    known = []
    for state in heads:
        value = dict(_places(state)).get(place)
        if value is None:
            return
        known.append(state.facts.scalar(value))
    signed = min(k.slo for k in known), max(k.shi for k in known)
    unsigned = min(k.ulo for k in known), max(k.uhi for k in known)
    if signed != (S64_MIN, S64_MAX):
        yield signed
    if unsigned != (0, U64_MAX):
        yield unsigned


def _rounds(steps: tuple[int, int], low: int, high: int) -> int | None:
    least, most = steps
    top, bottom = (S64_MAX, S64_MIN) if low < 0 or high <= S64_MAX else (U64_MAX, 0)
    if least > 0 and high + most <= top:
        rounds = (high - low) // least + 1
    elif most < 0 and low + least >= bottom:
        rounds = (high - low) // -most + 1
    else:
        return None
    return rounds if rounds <= MOST_TRIPS else None
