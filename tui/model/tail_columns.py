"""How the records of one stream are read: their fields in an order that stays, and as columns.

Texts come first, since they say what a record is about, short ones before long ones. Raw times come last, since a line
begins with one already. Within each of these, fields stand as in the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum

from rich.cells import cell_len, set_cell_size

from tracerd.text import printable
from tui.model.tail import Line, fields, is_time, shown, title

LONG_TEXT = 24
"""Columns of the terminal beyond which a text is long; one such value makes its field one of long texts."""

WIDEST_TEXT = 32
"""Columns of the terminal that a text gets among others; `tail.expanded` tells all of it."""

GAP = "  "


class Rank(IntEnum):
    """What is read before what."""

    SHORT_TEXT = 0
    LONG_TEXT = 1
    NUMBER = 2
    TIME = 3


def in_order(value: object) -> list[tuple[str, object]]:
    """Return a record's fields in the order they are read in, as far as this record alone tells it."""
    return sorted(fields(value), key=lambda pair: rank(*pair))


def rank(path: str, value: object) -> Rank:
    """Return what a field is to somebody who reads it."""
    if isinstance(value, str):
        return Rank.LONG_TEXT if cell_len(value) > LONG_TEXT else Rank.SHORT_TEXT
    return Rank.TIME if is_time(path.rpartition(".")[2]) else Rank.NUMBER


def _settled(known: Rank | None, found: Rank) -> Rank:
    """Return what a field is after another value of it: it becomes a text, and a long one, and stays that."""
    if known is None or found is Rank.LONG_TEXT or (found is Rank.SHORT_TEXT and known > Rank.LONG_TEXT):
        return found
    return known


def _cell(path: str, value: object, line: Line, offset_ns: int) -> str:
    """Print a value that stands in a column: it needs no quotes to tell where it ends."""
    return printable(value) if isinstance(value, str) else shown(path, value, line, offset_ns)


class Columns:
    """The order and the widths of a stream's fields. It learns of the records that are seen, and never unlearns."""

    def __init__(self) -> None:
        self._widths: dict[str, int] = {}        # by path, in reading order
        self._titles: dict[str, str] = {}
        self._ranks: dict[str, Rank] = {}

    def learn(self, line: Line, offset_ns: int) -> bool:
        """Take what a record has; True if what was drawn before would be drawn otherwise now."""
        if not isinstance(line.value, Mapping):
            return False
        changed = [self._learn(path, value, line, offset_ns) for path, value in fields(line.value)]
        if any(changed):
            self._widths = {path: self._widths[path] for path in sorted(self._widths, key=self._ranks.__getitem__)}
        return any(changed)

    def _learn(self, path: str, value: object, line: Line, offset_ns: int) -> bool:
        before = self._ranks.get(path), self._widths.get(path, 0)
        settled = _settled(before[0], rank(path, value))
        if settled is not before[0]:
            self._ranks[path] = settled
            self._titles[path] = title(path, value)
        width = max(cell_len(_cell(path, value, line, offset_ns)), cell_len(self._titles[path]), before[1])
        self._widths[path] = min(width, WIDEST_TEXT) if self._is_text(path) else width
        return before != (settled, self._widths[path])

    def ordered(self, value: object) -> list[tuple[str, object]]:
        """Return a record's fields in the order they are read in; that of other records is the same."""
        return sorted(fields(value), key=lambda pair: self._ranks.get(pair[0], rank(*pair)))

    def heading(self) -> str:
        """Return the fields' names, each above its column; "" before there are any."""
        return GAP.join(self._padded(path, self._titles[path]) for path in self._widths)

    def cells(self, line: Line, offset_ns: int) -> Iterator[str]:
        """Yield a record's fields, each as wide as its column; one that it does not have is blank."""
        found = dict(fields(line.value))
        for path in self._widths:
            yield self._padded(path, _cell(path, found[path], line, offset_ns) if path in found else "")

    def _is_text(self, path: str) -> bool:
        return self._ranks[path] <= Rank.LONG_TEXT

    def _padded(self, path: str, text: str) -> str:
        width, size = self._widths[path], cell_len(text)
        if size > width:
            return set_cell_size(text, width - 1) + "…"
        return text + " " * (width - size) if self._is_text(path) else " " * (width - size) + text
