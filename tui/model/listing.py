"""Instructions and the source lines that they come from as lines of a given width: what is long goes on below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len, chop_cells

from tracerd.daemon.feed import ListingLine
from tracerd.text import printable

MOST_LINES = 6
"""Lines that one text may take; what is left of it stays on the last."""

LEAST_ROOM = 12
"""With less room nothing is wrapped."""

SOURCE, CODE, MORE = 5, 7, 9
"""Columns before a source line, an instruction or a note, and what goes on; the digits of numbers come on top."""

_SOURCE = re.compile(r"(?P<file>.*?):(?P<line>\d+):? ?(?P<text>.*)", re.DOTALL)
_TAB = "    "


@dataclass(frozen=True, slots=True)
class ListingRow:
    """One line. What is no instruction belongs to the one beside it. `place` stands before it, `more`: it goes on."""

    instruction: int
    kind: Literal["code", "source", "note"]
    text: str
    place: str = ""                              # "file.c:12  "
    more: bool = False


def digits_of(lines: Sequence[ListingLine]) -> int:
    """Return how many digits the numbers of instructions have."""
    return max((len(str(line.instruction)) for line in lines), default=1)


def listing_rows(lines: Sequence[ListingLine], notes: Mapping[int, str], width: int) -> list[ListingRow]:
    """Return a program as lines of a width. `notes` stand below their instructions."""
    digits = digits_of(lines)
    return [each for row in _rows(lines, notes) for each in _folded(row, width - digits)]


def widest(lines: Sequence[ListingLine], notes: Mapping[int, str]) -> int:
    """Return how many columns it takes for nothing to be folded."""
    digits = digits_of(lines)
    return max((digits + _before(row) + _cells(row.place) + _cells(row.text) for row in _rows(lines, notes)), default=0)


def _rows(lines: Sequence[ListingLine], notes: Mapping[int, str]) -> Iterator[ListingRow]:
    for line in lines:
        if line.source is not None:
            place, text = place_and_text(line.source)
            yield ListingRow(line.instruction, "source", text, f"{place}  " if place else "")
        yield ListingRow(line.instruction, "code", printable(line.text))
        if line.instruction in notes:
            yield ListingRow(line.instruction, "note", printable(notes[line.instruction]))


def place_and_text(source: str) -> tuple[str, str]:
    """Take "file:line: text" apart: of the file its last name. A source that is written otherwise has no place."""
    found = _SOURCE.fullmatch(source.strip())
    text = printable((found["text"] if found is not None else source).strip().replace("\t", _TAB))
    if found is None:
        return "", text
    file = found["file"].replace("\\", "/").rpartition("/")[2]
    return f"{printable(file)}:{found['line']}", text


def _before(row: ListingRow) -> int:
    return MORE if row.more else SOURCE if row.kind == "source" else CODE


def _folded(row: ListingRow, width: int) -> Iterator[ListingRow]:
    """Yield a row's lines. All but the first begin further right."""
    room = width - _before(row) - _cells(row.place)
    if _cells(row.text) <= room or width - MORE < LEAST_ROOM:
        yield row
        return
    first, *others = _wrapped(row.text, room, width - MORE)
    yield replace(row, text=first)
    for text in others:
        yield replace(row, text=text, place="", more=True)


def _wrapped(text: str, room: int, room_below: int) -> list[str]:
    """Break a text at blanks, and words that are longer than a line anywhere."""
    found: list[str] = []
    if room < LEAST_ROOM:
        found, room = [""], room_below
    while _cells(text) > room and len(found) < MOST_LINES - 1:
        most = len(chop_cells(text[:room], room)[0])
        cut = most if text[most] == " " else text.rfind(" ", 1, most)
        cut = cut if cut > 0 else most
        found.append(text[:cut])
        text, room = text[cut:].lstrip(" "), room_below
    return [*found, text]


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
