"""How a failed proof is worded, and how a state reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracerd.errors import TracerdError
from tracerd.verifier.values import KIND_NAMES, NOTHING, NUMBER, STACK, Value, signed_constant

if TYPE_CHECKING:
    from tracerd.verifier.facts import Facts
    from tracerd.verifier.job import Visit
    from tracerd.verifier.state import State

MOST_VISITS, MOST_LETTERS = 20_000, 16 << 20
"""States that `explain` keeps, and their length all together."""


@dataclass(eq=False)
class Unproved(TracerdError):
    """One need that is not met: at `instruction`, of `register`, it takes `need` and there is `have`.

    `known` is the state there, where somebody wants to see states.
    """

    instruction: int
    need: str
    have: str = ""
    register: str = ""
    known: str = field(default="", repr=False)

    def __str__(self) -> str:
        subject = f"{self.register}: " if self.register else ""
        return f"instruction {self.instruction}: {subject}{self.need}" + (f", has {self.have}" if self.have else "")


def show_value(facts: Facts, value: Value) -> str:
    """Return one value as a person reads it: kind, identity, offset."""
    if value.kind == NOTHING:
        return "-"
    known = facts.scalar(value)
    if value.kind == NUMBER:
        return str(known)
    name = KIND_NAMES[value.kind] + (f" {value.region}" if value.region or value.kind == STACK else "")
    if not value.symbol:
        return f"{name}{signed_constant(value):+d}" if value.constant else name
    return f"{name} + s{value.symbol}{signed_constant(value):+d} {known}"


def show(state: State) -> str:
    """Return a state on one line: registers with a value, and the running function's stack cells."""
    facts = state.facts
    parts = [f"r{n}={show_value(facts, v)}" for n, v in enumerate(state.regs[:10]) if v.kind != NOTHING]
    frame = state.frames[-1]
    parts += [f"[{offset}:{cell.size}]={show_value(facts, cell.value)}" for offset, cell in sorted(frame.cells.items())]
    if state.records:
        parts.append(f"held={list(state.records)}")
    return " ".join(parts)


def explain(visits: list[Visit], observe: Callable[[int, State], None] | None) -> Callable[[int, State], None]:
    """Return an observer that writes the state before every instruction into `visits`, as long as there is room."""
    room = MOST_LETTERS

    def watch(at: int, state: State) -> None:
        nonlocal room
        if observe is not None:
            observe(at, state)
        if len(visits) < MOST_VISITS and room > 0:
            visits.append((at, show(state)))
            room -= len(visits[-1][1])

    return watch
