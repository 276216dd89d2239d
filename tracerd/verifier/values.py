"""What a register or a stack slot holds: a kind, an identity, and symbol + constant.

The machine word is `base(kind, region) + sigma(symbol) + constant` modulo 2**64, where sigma gives every symbol one
number. Copies share the symbol, so whatever is learned about one is known of all; facts about symbols are the state's.
"""

from __future__ import annotations

from typing import NamedTuple

# Kinds. Plain integers: they are compared millions of times.
NUMBER = 0
CONTEXT = 1               # base: the context; constant offsets only
STACK = 2                 # base: top of the frame whose depth is `region`; offsets are negative
MAP = 3                   # a map, `region` is its index; no arithmetic
MAP_VALUE = 4             # base: an element; `region` is its identity
MAP_VALUE_OR_NULL = 5     # the same before the null check
PACKET = 6                # base: the payload's first byte; data_end is LENGTH bytes further
RECORD = 7                # base: a reserved ring record; `region` is its identity
RECORD_OR_NULL = 8
NOTHING = 9               # no value that may be read; `region` says why

KIND_NAMES = (
    "number", "context", "stack", "map", "map value", "map value or null", "packet", "ring record",
    "ring record or null", "nothing",
)  # fmt: skip

# Why a register holds nothing.
UNINITIALISED, CLOBBERED, RELEASED, MIXED, DEAD = range(5)
REASONS = (
    "never written on some path",
    "lost in a call",
    "a ring record that was submitted or discarded",
    "different kinds of values on different paths",
    "no longer used",
)

ZERO_SYMBOL = 0
"""The symbol that is always 0: `Value(NUMBER, 0, ZERO_SYMBOL, c)` is the constant c."""

LENGTH = 1
"""The symbol of data_end − data, in bytes."""

MAX_PACKET = 0xFFFF
"""Most bytes between data and data_end. Whoever makes a context promises this (an ETW payload's length is a USHORT)."""

MAX_FRAMES = 8
FRAME_BYTES = 512

WORD = (1 << 64) - 1


class Value(NamedTuple):
    """One word, see the module. `constant` is kept modulo 2**64."""

    kind: int
    region: int
    symbol: int
    constant: int

    def moved(self, by: int) -> Value:
        """Return the value `by` higher, modulo 2**64."""
        return Value(self.kind, self.region, self.symbol, (self.constant + by) & WORD)


def number(constant: int) -> Value:
    """Return a known number, given signed or unsigned."""
    return Value(NUMBER, 0, ZERO_SYMBOL, constant & WORD)


def symbolic(symbol: int, constant: int = 0) -> Value:
    """Return the number sigma(symbol) + constant."""
    return Value(NUMBER, 0, symbol, constant & WORD)


def nothing(reason: int) -> Value:
    return Value(NOTHING, reason, 0, 0)


UNSET = nothing(UNINITIALISED)
LOST = nothing(CLOBBERED)
MIXED_KINDS = nothing(MIXED)
UNUSED = nothing(DEAD)

NULL = number(0)


def signed_constant(value: Value) -> int:
    """Return the constant part, read as a signed number."""
    return value.constant - (1 << 64) if value.constant >> 63 else value.constant
