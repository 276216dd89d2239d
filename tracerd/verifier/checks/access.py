"""Demands of memory accesses: inside the object, allowed for its kind, and no pointer's bytes where they may leak."""

from __future__ import annotations

from tracerd.verifier.checks.assertion import Unmet, describe
from tracerd.verifier.domains.bits import trailing_zeros
from tracerd.verifier.domains.interval import to_signed
from tracerd.verifier.frame import byte_mask
from tracerd.verifier.scope import PLAIN, Scope
from tracerd.verifier.state import State
from tracerd.verifier.transfer.memory import field_at
from tracerd.verifier.values import (
    CONTEXT,
    FRAME_BYTES,
    LENGTH,
    MAP_VALUE,
    MAP_VALUE_OR_NULL,
    NOTHING,
    NUMBER,
    PACKET,
    RECORD,
    RECORD_OR_NULL,
    STACK,
    ZERO_SYMBOL,
    Value,
    signed_constant,
)

READ, WRITE, ATOMIC = "read", "write", "atomic"


class Access:
    """A load or store of `size` bytes at register + offset."""

    __slots__ = ("at", "mode", "offset", "register", "scope", "size")

    def __init__(self, scope: Scope, at: int, register: int, offset: int, size: int, mode: str) -> None:
        self.scope, self.at, self.register, self.offset, self.size, self.mode = scope, at, register, offset, size, mode

    def check(self, state: State) -> Unmet | None:
        base = state.regs[self.register]
        where = base.moved(self.offset) if self.offset else base
        kind = where.kind
        if kind != CONTEXT and kind not in (NOTHING, NUMBER) and not _plain(self.scope, self.at):
            return Unmet("either the context or other memory on all paths", describe(base), f"r{self.register}")
        if kind == CONTEXT:
            return self._context(state, where)
        found = span(self.scope, state, where, self.size, self.mode, f"r{self.register}", self.offset)
        if found is None and self.mode == ATOMIC:
            return self._aligned(state, where)
        return found

    def passable(self, state: State) -> bool:
        """True if the transfer is right for the concrete states whose access is allowed, whatever the bounds say."""
        return state.regs[self.register].kind in (PACKET, MAP_VALUE, RECORD, STACK)

    def _context(self, state: State, where: Value) -> Unmet | None:
        """Context loads: readable bytes, or a field; where the machine's place differs, the certificate says so."""
        register, context, scope = f"r{self.register}", self.scope.type.context, self.scope
        if self.mode != READ:
            return Unmet("the context to be left as it is", f"a {self.mode}", register)
        place = state.facts.constant(where)
        if place is None:
            return Unmet("a constant offset into the context", "a variable", register)
        offset = to_signed(place)
        end = offset + self.size
        native = PLAIN
        if context.fields:
            field = field_at(context, offset, self.size)
            if field is None:
                have = f"{self.size} bytes at {offset}"
                return Unmet(f"a field that a {scope.type.name} program may read", have, register)
            start = field.offset if field.native_offset < 0 else field.native_offset
            pointer = field.kind.pointer
            if start != field.offset or (pointer and field.size != 8):
                native = start + offset - field.offset
            end = start + (8 if pointer else offset - field.offset + self.size)
        elif offset < context.first or end > context.size:
            return Unmet(
                f"context bytes {context.first}..{context.size - 1}", f"{self.size} bytes at {offset}", register
            )
        # The engines put the native offset in the instruction, where it counts from the register's own value.
        if native != PLAIN and offset != self.offset:
            return Unmet("the context pointer as it was given", f"context {offset - self.offset:+}", register)
        evidence = scope.evidence
        if evidence.loads.setdefault(self.at, native) != native:
            return Unmet("one context field on all paths", "another on an earlier path", register)
        evidence.context_bytes = max(evidence.context_bytes, end)
        return None

    def _aligned(self, state: State, where: Value) -> Unmet | None:
        """Objects start at multiples of 8, so the offset's low bits are the address's."""
        known = state.facts.scalar(where)
        if trailing_zeros((known.value, known.unknown)) < self.size.bit_length() - 1:
            return Unmet(f"an address aligned to {self.size} for an atomic operation", str(known), f"r{self.register}")
        return None


def _plain(scope: Scope, at: int) -> bool:
    """Note that this instruction touches other memory than the context; False if on another path it is special."""
    return scope.evidence.loads.setdefault(at, PLAIN) == PLAIN


class LoadsNumber:
    """A sign-extending load: not of a context field that is a pointer."""

    __slots__ = ("offset", "register", "scope", "size")

    def __init__(self, scope: Scope, register: int, offset: int, size: int) -> None:
        self.scope, self.register, self.offset, self.size = scope, register, offset, size

    def check(self, state: State) -> Unmet | None:
        at = state.regs[self.register].moved(self.offset)
        if at.kind != CONTEXT:
            return None
        place = state.facts.constant(at)
        if place is None:
            return Unmet("a constant offset into the context", "a variable", f"r{self.register}")
        field = field_at(self.scope.type.context, to_signed(place), self.size)
        if field is None or not field.kind.pointer:
            return None
        return Unmet("a load without sign extension", f"pointer field {field.name}", f"r{self.register}")


class Storable:
    """A register's value may be stored there: pointers only whole, aligned, and on the stack."""

    __slots__ = ("base", "offset", "size", "source")

    def __init__(self, base: int, offset: int, size: int, source: int) -> None:
        self.base, self.offset, self.size, self.source = base, offset, size, source

    def check(self, state: State) -> Unmet | None:
        value = state.regs[self.source]
        if value.kind == NUMBER:
            return None
        name = f"r{self.source}"
        if value.kind == NOTHING:
            return Unmet("a value", describe(value), name)
        target = state.regs[self.base].moved(self.offset)
        if target.kind != STACK:
            return Unmet("a number: a pointer would leak", describe(value), name)
        offset = state.facts.constant(target)
        if self.size != 8 or offset is None or offset % 8:
            return Unmet("pointers spilled whole at a constant multiple of 8", describe(value), name)
        if value.kind == STACK and value.region > target.region:
            return Unmet("nothing that points into a frame below", "an address that outlives its frame", name)
        return None


def span(scope: Scope, state: State, at: Value, size: int, mode: str, register: str, offset: int = 0) -> Unmet | None:
    """Check that `size` bytes at a value may be read or written. `offset` is only for the wording."""
    kind = at.kind
    if kind == STACK:
        return _stack(scope, state, at, size, mode, register)
    if kind == MAP_VALUE:
        facts = scope.maps[scope.symbols.regions[at.region].map]
        if mode != READ and facts.read_only:
            return Unmet(f"map {facts.name} to be left as it is", f"a {mode}; it is read-only", register)
        return _inside(state, at, size, facts.value_size, f"value of map {facts.name}", register)
    if kind == PACKET:
        if mode != READ:
            return Unmet("the payload to be left as it is", f"a {mode}", register)
        return _packet(state, at, size, register, offset)
    if kind == RECORD:
        return _inside(state, at, size, scope.symbols.regions[at.region].size, "ring record", register)
    if kind in (MAP_VALUE_OR_NULL, RECORD_OR_NULL):
        return Unmet("a null check before access", describe(at), register)
    return Unmet("a pointer to readable memory" if mode == READ else "a pointer to writable memory", describe(at),
                 register)


def _inside(state: State, at: Value, size: int, limit: int, what: str, register: str) -> Unmet | None:
    """Bytes of an object of fixed size: 0 <= offset and offset + size <= limit in plain integers, so nothing wraps."""
    low, high = state.facts.integers(at)
    if low >= 0 and high + size <= limit:
        return None
    if low == high:
        return Unmet(f"bytes within 0..{limit - 1} of the {what}", f"{size} bytes at {low}", register)
    return Unmet(f"offset 0..{limit - size} of the {what}", f"offset {_range(low, high)}", register)


def _range(low: int, high: int) -> str:
    bottom = "-inf" if low < -(1 << 62) else str(low)
    top = "inf" if high > 1 << 62 else str(high)
    return f"{bottom}..{top}"


def _packet(state: State, at: Value, size: int, register: str, offset: int) -> Unmet | None:
    """The first byte is not before data: the signed minimum decides. The last is before data_end: a proved distance."""
    facts = state.facts
    low, _ = facts.integers(at)
    if low < 0:
        return Unmet("an offset of at least 0 from data", f"offset {_range(*facts.integers(at))}", register)
    best = facts.distance(at.symbol, LENGTH)
    by = signed_constant(at)
    if best is not None and best >= by + size:
        return None
    if best is not None and at.symbol == ZERO_SYMBOL:
        return Unmet(f"data + {by + size} <= data_end", f"data + {best} <= data_end", register)
    need = f"{register} + {offset + size} <= data_end"
    if best is None or best - by + offset < -MAX_SHOWN:
        return Unmet(need, "no such bound", register)
    have = best - by + offset
    return Unmet(need, f"{register} {'+' if have >= 0 else '-'} {abs(have)} <= data_end", register)


MAX_SHOWN = 0x10000


def _stack(scope: Scope, state: State, at: Value, size: int, mode: str, register: str) -> Unmet | None:
    """Bytes of a frame: within its 512, and if read, all initialised and no part of a spilled pointer.

    A whole spilled pointer may be read at its place. Atomics read and write, so they need initialised numbers.
    """
    low, high = state.facts.integers(at)
    if low < -FRAME_BYTES or high + size > 0:
        have = f"{size} bytes at {_range(low, high) if low != high else low}"
        return Unmet(f"stack bytes within -{FRAME_BYTES}..-1", have, register)
    scope.evidence.stack(scope.function_at_depth[at.region], low)
    if mode == WRITE:
        return None
    frame = state.frames[at.region]
    length = high - low + size
    missing = byte_mask(low, length) & ~frame.init
    if missing:
        first = (missing & -missing).bit_length() - 1 - FRAME_BYTES
        return Unmet(f"initialised stack bytes {low}..{low + length - 1}", f"byte {first} never written", register)
    if frame.pointers_in(low, length):
        cell = frame.cells.get(low)
        if not (mode == READ and low == high and cell is not None and cell.size == size == 8):
            return Unmet("numbers: a pointer would leak", f"a spilled pointer in stack bytes {low}..{low + length - 1}",
                         register)
    return None


def readable_bytes(scope: Scope, state: State, at: Value, size: int, register: str) -> Unmet | None:
    """Check memory that a helper reads: as `span`, but a spilled pointer may not be read even whole."""
    found = span(scope, state, at, size, READ, register)
    if found is None and at.kind == STACK:
        low, high = state.facts.integers(at)
        if state.frames[at.region].pointers_in(low, high - low + size):
            return Unmet("numbers: a pointer would leak", "a spilled pointer in the buffer", register)
    return found

