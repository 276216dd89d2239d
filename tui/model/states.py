"""What a proof knew before an instruction, taken apart and in words: "r2=packet + s7+2 (2..40)" and its like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tracerd.text import printable

_PARTS = re.compile(r" (?=(?:r\d+|\[-?\d+:\d+\]|held)=)")
_CELL = re.compile(r"\[(?P<offset>-?\d+):(?P<size>\d+)\]")
_POINTER = re.compile(
    r"(?P<kind>context|stack|map value or null|map value|packet|ring record or null|ring record|map)"
    r"(?: (?P<region>\d+))?"
    r"(?:(?P<offset>[+-]\d+)| \+ s(?P<symbol>\d+)(?P<plus>[+-]\d+) (?P<known>.*))?"
)
_BITS = re.compile(r"bits (0x[0-9a-f]+)/(0x[0-9a-f]+)")

LENGTH = "1"
"""The symbol of the packet's length: a pointer that is so far into the packet is its end."""


@dataclass(frozen=True, slots=True)
class Known:
    """One thing that was known: of a register, a stack cell, or what is held. `fresh`: it was not so a step before."""

    name: str
    value: str
    fresh: bool = False


def known(state: str, before: str | None = None) -> list[Known]:
    """Take a state apart, as the verifier writes it: "r1=packet + s1+0 (14..65535) r2=packet+14 [-8:8]=0"."""
    then = dict(_pairs(before)) if before is not None else None
    return [
        Known(_name(name), _value(name, value), then is not None and then.get(name) != value)
        for name, value in _pairs(state)
    ]


def _pairs(state: str) -> Iterator[tuple[str, str]]:
    for part in _PARTS.split(state.strip()):
        name, _, value = part.partition("=")
        if name:
            yield printable(name), printable(value)


def _name(name: str) -> str:
    """Return what a value is of: a stack cell by its place and size, all else as it is called."""
    cell = _CELL.fullmatch(name)
    return f"stack{_moved(cell['offset'])} ({cell['size']} bytes):" if cell is not None else name


def _value(name: str, value: str) -> str:
    if name == "held":
        return f"ring records {value.strip('[]')}, which must be submitted or discarded"
    found = _POINTER.fullmatch(value)
    if found is None:
        return _number(value)
    what = _what(found["kind"], found["region"] or "")
    if found["offset"]:
        return f"{what}{_moved(found['offset'])}"
    symbol = found["symbol"]
    if symbol is None:
        return what
    known = _number(found["known"])
    if (found["kind"], symbol, found["plus"]) == ("packet", LENGTH, "+0"):
        return f"packet end: {what} + {known}"
    exact = "" if found["plus"] == "+0" else _moved(found["plus"])
    return f"{what} + {known} (s{symbol}{exact})"


def _what(kind: str, region: str) -> str:
    """Return where a pointer points; things that have the same number are the same."""
    kind, _, null = kind.partition(" or ")
    if kind == "stack":
        which = f" of call {region}" if region not in ("", "0") else ""
    else:
        which = f" #{region}" if region else ""
    return f"{kind}{which}{' or null' if null else ''}"


def _moved(by: str) -> str:
    """Return an offset with blanks around its sign; none if it is zero."""
    number = int(by)
    return f" {'-' if number < 0 else '+'} {abs(number)}" if number else ""


def _number(text: str) -> str:
    """Return a set of numbers: "(0..7, bits 0x0/0x6)" without its parentheses, bits in words."""
    bare = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    if bare == "0x0..0xffffffff":
        return "any 32-bit number"
    return _BITS.sub(r"bits \1 set, \2 unknown", bare)
