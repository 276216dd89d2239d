"""Demands of calls and exits: arguments by the helper's prototype, references given back, results in range."""

from __future__ import annotations

from tracerd.platforms.model import Argument, Helper, MapKind
from tracerd.verifier.checks.access import WRITE, readable_bytes, span
from tracerd.verifier.checks.assertion import Unmet, describe
from tracerd.verifier.domains.interval import U32_MAX
from tracerd.verifier.scope import Scope
from tracerd.verifier.state import State
from tracerd.verifier.transfer.memory import constant_bytes
from tracerd.verifier.values import (
    CONTEXT,
    FRAME_BYTES,
    LENGTH,
    MAP,
    NOTHING,
    NUMBER,
    PACKET,
    RECORD,
    STACK,
    ZERO_SYMBOL,
    Value,
    signed_constant,
)

MAX_RECORDS = 8
"""TR_MAX_RESERVED in native/border/run.h: ring records a run may hold at once."""

FORMAT_ARGUMENTS = 2
"""The format string and its size come first."""

MEMORY = frozenset(
    {Argument.READABLE, Argument.READABLE_OR_NULL, Argument.WRITABLE, Argument.TARGET, Argument.CHANGED}
)
"""Arguments whose size is the next argument."""

WRITERS = frozenset({"map_update_elem", "map_delete_elem"})


class HelperArguments:
    """A helper call's r1 … r5."""

    __slots__ = ("at", "helper", "scope")

    def __init__(self, scope: Scope, at: int, helper: Helper) -> None:
        self.scope, self.at, self.helper = scope, at, helper

    def check(self, state: State) -> Unmet | None:
        given: Value | None = None
        for position, wanted in enumerate(self.helper.arguments, 1):
            value = state.regs[position]
            name = f"r{position}"
            if wanted is Argument.PRINTED and position > FORMAT_ARGUMENTS + self._conversions(state):
                continue
            if value.kind == NOTHING:
                return Unmet(f"{wanted.value} for {self.helper.name}", describe(value), name)
            if wanted in (Argument.MAP, Argument.RINGBUF):
                unmet = self._map(value, wanted, name)
                given = value
            elif wanted in MEMORY:
                unmet = self._memory(state, value, wanted, position)
            else:
                unmet = self._other(state, value, wanted, given, name)
            if unmet is not None:
                return unmet
        if self.helper.acquires and len(state.records) >= MAX_RECORDS:
            return Unmet(f"at most {MAX_RECORDS} ring records held", f"{len(state.records)} held before this one")
        if given is not None:
            self.scope.evidence.call(self.at, given.region)
        return None

    def _conversions(self, state: State) -> int:
        """Return how many numbers the format in r1 (r2 bytes) asks for at most: all, if it is not a known constant."""
        size = state.facts.constant(state.regs[2]) if state.regs[2].kind == NUMBER else None
        text = constant_bytes(self.scope, state, state.regs[1], size) if size and size <= FRAME_BYTES else None
        if text is None:
            return len(self.helper.arguments)
        return text.partition(b"\0")[0].replace(b"%%", b"").count(b"%")

    def _map(self, value: Value, wanted: Argument, name: str) -> Unmet | None:
        if value.kind != MAP:
            return Unmet(f"a {wanted.value} for {self.helper.name}", describe(value), name)
        facts, kind = self.scope.maps[value.region], self.scope.kinds[value.region]
        suits = kind is MapKind.RINGBUF if wanted is Argument.RINGBUF else kind.keyed
        if not suits:
            return Unmet(f"a {wanted.value} for {self.helper.name}", f"map {facts.name} of kind {kind.name}", name)
        if facts.read_only and self.helper.name in WRITERS:
            return Unmet(f"a map that may be written for {self.helper.name}", f"{facts.name}, read-only", name)
        return None

    def _memory(self, state: State, value: Value, wanted: Argument, position: int) -> Unmet | None:
        """A buffer and the size after it: the size's upper bound must fit, its lower bound must be allowed."""
        size = state.regs[position + 1]
        if size.kind != NUMBER:
            return Unmet(f"a size for {self.helper.name}", describe(size), f"r{position + 1}")
        known = state.facts.scalar(size)
        least = 1 if self.helper.arguments[position] is Argument.SIZE else 0
        if known.ulo < least or known.uhi > U32_MAX >> 1:
            return Unmet(f"a size of {least}..{U32_MAX >> 1} for {self.helper.name}", str(known), f"r{position + 1}")
        name = f"r{position}"
        if wanted is Argument.READABLE_OR_NULL and state.facts.constant(size) == 0 and is_null(state, value):
            return None
        if wanted in (Argument.WRITABLE, Argument.TARGET):
            return span(self.scope, state, value, known.uhi, WRITE, name)
        unmet = None if payload_has(state, value, size) else readable_bytes(self.scope, state, value, known.uhi, name)
        if unmet is None and wanted is Argument.CHANGED:
            return span(self.scope, state, value, known.uhi, WRITE, name)
        return unmet

    def _other(self, state: State, value: Value, wanted: Argument, given: Value | None, name: str) -> Unmet | None:
        unmet = Unmet(f"{wanted.value} for {self.helper.name}", describe(value), name)
        if wanted in (Argument.MAP_KEY, Argument.MAP_VALUE):
            facts = self.scope.maps[given.region] if given is not None else None
            if facts is None:
                return unmet
            size = facts.key_size if wanted is Argument.MAP_KEY else facts.value_size
            return readable_bytes(self.scope, state, value, size, name)
        if wanted is Argument.RING_RECORD:
            whole = value.kind == RECORD and value.symbol == ZERO_SYMBOL and value.constant == 0
            return None if whole else unmet
        if wanted is Argument.CONTEXT:
            whole = value.kind == CONTEXT and value.symbol == ZERO_SYMBOL and value.constant == 0
            return None if whole else unmet
        if value.kind != NUMBER:
            return unmet
        if wanted is Argument.CONSTANT_SIZE:
            constant = state.facts.constant(value)
            if constant is None or not 1 <= constant <= U32_MAX >> 1:
                return Unmet(f"a {wanted.value} for {self.helper.name}", str(state.facts.scalar(value)), name)
        return None


def is_null(state: State, value: Value) -> bool:
    """True if a register holds the number 0."""
    return value.kind == NUMBER and state.facts.constant(value) == 0


def payload_has(state: State, at: Value, size: Value) -> bool:
    """True if a size that varies is proved to end before data_end does: `size` bytes from a known place of the payload.

    That is place + size <= LENGTH in plain integers. The size is its symbol's number plus a constant; where that sum
    as plain integers lies in 0 … 2**31 no part of it has wrapped, so it is the word that the helper gets. A difference
    is about plain integers too, so one from the symbol to LENGTH that covers both constants is the claim.
    """
    if at.kind != PACKET or at.symbol != ZERO_SYMBOL:
        return False
    place = signed_constant(at)
    low, high = state.facts.integers(size)
    if place < 0 or low < 0 or high > U32_MAX >> 1:
        return False
    distance = state.facts.distance(size.symbol, LENGTH)
    return distance is not None and distance >= place + signed_constant(size)


class KnownHelper:
    """The program type has the helper."""

    __slots__ = ("number", "scope")

    def __init__(self, scope: Scope, number: int) -> None:
        self.scope, self.number = scope, number

    def check(self, _state: State) -> Unmet | None:
        if self.number in self.scope.helpers:
            return None
        helper = self.scope.platform.helper_by_id.get(self.number)
        if helper is None:
            return Unmet(f"a helper of platform {self.scope.platform.name}", f"unknown helper {self.number}")
        return Unmet(f"a helper that {self.scope.type.name} programs have", f"{helper.name} ({self.number})")


class Returns:
    """An exit: r0 in the type's range and every ring record given back; from a function, no address of its frame."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def check(self, state: State) -> Unmet | None:
        result = state.regs[0]
        if state.depth:
            if result.kind == STACK and result.region == state.depth:
                return Unmet("a result that outlives the function", "an address in its own frame", "r0")
            return None
        if result.kind != NUMBER:
            return Unmet("a number to return", describe(result), "r0")
        allowed = self.scope.type.returns
        known = state.facts.scalar(result)
        if allowed is not None and not (allowed[0] <= known.slo and known.shi <= allowed[1]):
            return Unmet(f"a return value of {allowed[0]}..{allowed[1]}", str(known), "r0")
        return released(state)


def released(state: State) -> Unmet | None:
    """Check that nothing reserved is left at the end."""
    if state.records:
        return Unmet("every reserved ring record submitted or discarded", f"{len(state.records)} still held")
    return None


class PacketLoad:
    """A legacy packet load: the context in r6, and nothing held, since the program ends if it is out of range."""

    def check(self, state: State) -> Unmet | None:
        if state.depth:
            return Unmet("legacy packet loads only in the main function")
        context = state.regs[6]
        if context.kind != CONTEXT or context.symbol != ZERO_SYMBOL or context.constant:
            return Unmet("the context for a legacy packet load", describe(context), "r6")
        return released(state)

