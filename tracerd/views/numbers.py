"""Which of BTF's types are numbers, and of which form: letters of `struct`."""

from __future__ import annotations

from tracerd.btf import types as t
from tracerd.btf.layout import POINTER_BYTES

_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_FLOATS = {2: "e", 4: "f", 8: "d"}


def letter_of(found: t.Type) -> str:
    """Return the letter of `struct` for a number, or nothing."""
    match found:
        case t.Int(size=size, signed=signed) | t.Enum(size=size, signed=signed):
            unsigned = _UNSIGNED.get(size, "")
            return unsigned.lower() if signed else unsigned
        case t.Float(size=size):
            return _FLOATS.get(size, "")
        case t.Pointer():
            return _UNSIGNED[POINTER_BYTES]
        case _:
            return ""


def is_char(found: t.Type) -> bool:
    """True if an array of it is text."""
    return isinstance(found, t.Int) and found.size == 1 and (found.char or found.name == "char")


def is_bool(found: t.Type) -> bool:
    """True if it is read as true or false."""
    return isinstance(found, t.Int) and found.bool_
