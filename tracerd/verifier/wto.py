"""The order in which nodes are analysed: a weak topological order (Bourdoncle 1993).

Straight parts come in topological order; every loop is one component with a head, and its inner loops are components
inside it. Cutting the heads leaves no cycle, so the head is the only place where widening is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Loop:
    """A component: `members` are all its nodes, the head and those of inner loops included."""

    head: int
    body: list[Element]
    members: frozenset[int]


Element = int | Loop


def order(successors: Sequence[Sequence[int]], entry: int = 0) -> list[Element]:
    """Return the weak topological order of what `entry` reaches."""
    return _order(successors, [entry], None)


def _order(successors: Sequence[Sequence[int]], roots: list[int], within: frozenset[int] | None) -> list[Element]:
    found: list[Element] = []
    for component in _components(successors, roots, within):
        head = component[0]
        if len(component) == 1 and head not in successors[head]:
            found.append(head)
            continue
        members = frozenset(component)
        inside = members - {head}
        starts = [node for node in successors[head] if node in inside]
        rest = _order(successors, starts + [node for node in component if node != head], inside)
        found.append(Loop(head, rest, members))
    return found


def _components(
    successors: Sequence[Sequence[int]], roots: list[int], within: frozenset[int] | None
) -> list[list[int]]:
    """Return the strongly connected components in topological order, each with the node entered first in front.

    Tarjan's algorithm with its own stack: programs have more blocks than Python has recursion.
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    result: list[list[int]] = []
    for root in roots:
        if root in index:
            continue
        work: list[tuple[int, int]] = [(root, 0)]
        while work:
            node, position = work.pop()
            if position == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            children = successors[node]
            descended = False
            while position < len(children):
                child = children[position]
                position += 1
                if within is not None and child not in within:
                    continue
                if child not in index:
                    work += [(node, position), (child, 0)]
                    descended = True
                    break
                if child in on_stack:
                    low[node] = min(low[node], index[child])
            if descended:
                continue
            if low[node] == index[node]:
                component: list[int] = []
                while not component or component[-1] != node:
                    component.append(stack.pop())
                    on_stack.discard(component[-1])
                result.append(component[::-1])
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[node])
    return result[::-1]
