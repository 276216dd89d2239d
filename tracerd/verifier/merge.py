"""Keep a few states per node: drop the included, and join the two that differ least where it matters.

Joining is always sound; which states are joined decides what can still be proved afterwards. States that differ in what
a register is, or in how far a payload was checked, are kept apart the longest.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracerd.verifier.inclusion import included
from tracerd.verifier.join import Widen, join
from tracerd.verifier.liveness import slots_of
from tracerd.verifier.state import State
from tracerd.verifier.values import LENGTH, NOTHING, NUMBER, PACKET, Value

MOST_APART = 32
"""States that cannot be joined because they hold different ring records; beyond this the node is given up."""


def merge(states: Sequence[State], limit: int, decisive: int) -> list[State]:
    """Return at most `limit` states (more only if they cannot be joined) that include all of `states`."""
    kept: list[State] = []
    for state in states:
        if any(included(state, other) for other in kept):
            continue
        kept = [other for other in kept if not included(other, state)]
        kept.append(state)
        while len(kept) > limit:
            if not _join_closest(kept, decisive):
                break
    return kept


def _join_closest(kept: list[State], decisive: int) -> bool:
    """Replace the closest pair that can be joined. False if there is none."""
    pairs = sorted(
        (distance(a, b, decisive), i, j) for j, b in enumerate(kept) for i, a in enumerate(kept[:j])
    )
    for _, i, j in pairs:
        joined = join(kept[i], kept[j])
        if joined is not None:
            del kept[j]
            kept[i] = joined
            return True
    return False


def absorb(
    heads: list[State], state: State, limit: int, decisive: int, widen: Widen | None, *, plain: bool = False
) -> None:
    """Let a loop head's states include one more: widen the closest, or keep it apart while there is room."""
    order = sorted(range(len(heads)), key=lambda i: distance(heads[i], state, decisive))
    for i in order:
        if distance(heads[i], state, decisive) >= KIND and len(heads) < limit:
            break
        joined = join(heads[i], state, widen, plain=plain, loop=True)
        if joined is not None:
            heads[i] = joined
            return
    heads.append(state)


KIND = 400
"""Distance from which two states differ in kind, not only in numbers."""


def distance(a: State, b: State, decisive: int) -> int:
    """Say how much a join of the two would lose."""
    if len(a.records) != len(b.records):
        return 1 << 20
    total = 0
    for register, (x, y) in enumerate(zip(a.regs, b.regs, strict=True)):
        if x != y:
            total += _differ(x, y) * (4 if decisive >> register & 1 else 1)
    if a.facts.scalars[LENGTH] != b.facts.scalars[LENGTH]:
        total += 10
    for f, g in zip(a.frames, b.frames, strict=True):
        if f is g:
            continue
        for offset in f.cells.keys() | g.cells.keys():
            p, q = f.cells.get(offset), g.cells.get(offset)
            if p == q:
                continue
            weight = 4 if decisive & slots_of(offset, 8) else 1
            if p is None or q is None:
                total += 5 * weight
            else:
                total += _differ(p.value, q.value) * weight
        for x, y in zip(f.saved, g.saved, strict=True):
            if x != y:
                total += _differ(x, y)
    return total


def _differ(x: Value, y: Value) -> int:
    if x.kind != y.kind:
        return 60 if NOTHING in (x.kind, y.kind) else 100
    if x.kind == NUMBER:
        if not x.symbol and not y.symbol:
            return 8
        return 2 if x.symbol and y.symbol else 4
    if x.kind == PACKET:
        return 40
    return 30 if x.symbol == y.symbol else 10
