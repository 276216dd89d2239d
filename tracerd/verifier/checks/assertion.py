"""The shape of an assertion, and the simple ones: what kind of value a register must hold."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tracerd.verifier.state import State
from tracerd.verifier.values import KIND_NAMES, NOTHING, NUMBER, REASONS, Value


class Unmet(NamedTuple):
    """An assertion that a state does not satisfy: `register` needs `need` and has `have`."""

    need: str
    have: str = ""
    register: str = ""


class Assertion(Protocol):
    """One demand of one instruction."""

    def check(self, state: State) -> Unmet | None:
        """Return what is missing, or None if every concrete state meant by `state` satisfies the demand."""
        ...


def describe(value: Value) -> str:
    """Say what a register holds, for a message."""
    return f"nothing ({REASONS[value.region]})" if value.kind == NOTHING else KIND_NAMES[value.kind]


class Readable:
    """The register has a value."""

    __slots__ = ("register",)

    def __init__(self, register: int) -> None:
        self.register = register

    def check(self, state: State) -> Unmet | None:
        value = state.regs[self.register]
        return Unmet("a value", describe(value), f"r{self.register}") if value.kind == NOTHING else None


class IsNumber:
    """The register holds a number: no pointer's bits may become one."""

    __slots__ = ("register",)

    def __init__(self, register: int) -> None:
        self.register = register

    def check(self, state: State) -> Unmet | None:
        value = state.regs[self.register]
        return None if value.kind == NUMBER else Unmet("a number", describe(value), f"r{self.register}")


class Never:
    """The instruction may not be reached."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def check(self, _state: State) -> Unmet | None:
        return Unmet(self.reason)
