"""How a failed proof is worded, and how a state reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracerd.errors import TracerdError
from tracerd.isa.disassemble import format_instruction
from tracerd.isa.instruction import Instruction
from tracerd.verifier.values import KIND_NAMES, NOTHING, NUMBER, STACK, Value, signed_constant

if TYPE_CHECKING:
    from tracerd.verifier.facts import Facts
    from tracerd.verifier.state import State

MOST_LINES = 20_000
"""Lines that `explain` keeps."""


@dataclass(eq=False)
class Unproved(TracerdError):
    """One need that is not met: at `instruction`, of `register`, it takes `need` and there is `have`."""

    instruction: int
    need: str
    have: str = ""
    register: str = ""

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


def explain(
    code: Sequence[Instruction], lines: list[str], observe: Callable[[int, State], None] | None
) -> Callable[[int, State], None]:
    """Return an observer that writes the state before every instruction into `lines`."""

    def watch(at: int, state: State) -> None:
        if observe is not None:
            observe(at, state)
        if len(lines) < MOST_LINES:
            lines.append(f"{at}: {format_instruction(code[at], at)}\n    {show(state)}")

    return watch
