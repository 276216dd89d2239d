"""Which conditional jumps decide whether a block is reached (Ferrante, Ottenstein, Warren 1987).

A block depends on a branch if one side of it always leads to the block and the other may not. That follows from
post-dominators, which are computed on the reversed graph of one function (Cooper, Harvey, Kennedy 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tracerd.verifier.cfg import Block

END = -1
"""Behind all exits of a function."""


def controllers(
    blocks: Sequence[Block], members: Sequence[int], spend: Callable[[int], None]
) -> dict[int, tuple[int, ...]]:
    """Return, for every block of a function, the blocks whose branch decides about it.

    `members` are the function's blocks; `spend` is told how many were looked at.
    """
    after = _successors(blocks, members)
    behind = _post_dominators(after, spend)
    found: dict[int, dict[int, None]] = {index: {} for index in members}
    for index in members:
        sides = after[index]
        if len(set(sides)) < 2:
            continue
        for side in sides:
            at = side
            while at not in (behind[index], END):
                spend(1)
                found[at][index] = None
                at = behind[at]
    return {index: tuple(branches) for index, branches in found.items()}


def _successors(blocks: Sequence[Block], members: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return successors within the function; exits lead to END, and so does one block of each part without an exit."""
    after = {index: blocks[index].successors or (END,) for index in members}
    before: dict[int, list[int]] = {}
    for index, sides in after.items():
        for side in sides:
            before.setdefault(side, []).append(index)
    ends: set[int] = set()
    _gather(before, END, ends)
    for index in reversed(members):
        if index not in ends:
            after[index] = (*after[index], END)
            _gather(before, index, ends)
    return after


def _gather(before: dict[int, list[int]], start: int, found: set[int]) -> None:
    waiting = [start]
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += before.get(at, ())


def _post_dominators(after: dict[int, tuple[int, ...]], spend: Callable[[int], None]) -> dict[int, int]:
    """Return the nearest block that every way from a block to the end goes through."""
    order = _reversed_postorder(after)
    place = {index: number for number, index in enumerate(order)}
    behind = {END: END}
    changed = True
    while changed:
        changed = False
        spend(len(order))
        for index in order[1:]:
            nearest: int | None = None
            for side in after[index]:
                if side in behind:
                    nearest = side if nearest is None else _common(behind, place, side, nearest, spend)
            assert nearest is not None, "a block comes after one of its successors in this order"
            if behind.get(index) != nearest:
                behind[index] = nearest
                changed = True
    return behind


def _common(behind: dict[int, int], place: dict[int, int], a: int, b: int, spend: Callable[[int], None]) -> int:
    while a != b:
        spend(abs(place[a] - place[b]))
        while place[a] > place[b]:
            a = behind[a]
        while place[b] > place[a]:
            b = behind[b]
    return a


def _reversed_postorder(after: dict[int, tuple[int, ...]]) -> list[int]:
    """Return END and all blocks, each behind one of its successors at least."""
    before: dict[int, list[int]] = {END: []}
    for index, sides in after.items():
        before.setdefault(index, [])
        for side in sides:
            before.setdefault(side, []).append(index)
    order: list[int] = []
    seen = {END}
    stack = [(END, iter(before[END]))]
    while stack:
        at, rest = stack[-1]
        fresh = next((each for each in rest if each not in seen), None)
        if fresh is None:
            order.append(at)
            stack.pop()
        else:
            seen.add(fresh)
            stack.append((fresh, iter(before[fresh])))
    order.reverse()
    return order
