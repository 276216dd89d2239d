"""Rows that have something in common as one: what adds up is added up, what does not is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tui.model.map_rows import STATES
from tui.model.sheet import Numbers, Places, Sheet, SheetColumn

ROWS = "rows"
"""What the column is called that tells how many rows are in a group."""

NO_GROUPS = "nothing to group rows by: no part of the key and no text comes in several of them"

_TOTAL = "total_ns"
_SUMS = frozenset(("count", "bytes", ""))
"""Units of whole numbers that add up, unless their name says that they are something else."""

_WIDE = {"u": np.uint64, "i": np.int64, "f": np.float64}
"""What sums are kept in, by the kind of their numbers: 64 bits have more digits than a float."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Row i is in group `of_row[i]`. They are numbered in the order in which they come; `first` has their first rows.

    `order` has the rows group by group, group g's from `starts[g]`.
    """

    of_row: Places
    first: Places
    order: Places
    starts: Places

    def __len__(self) -> int:
        return len(self.first)

    @property
    def sizes(self) -> Places:
        """How many rows are in each."""
        return np.diff(self.starts, append=len(self.order))

    def rows(self, groups: Places) -> Places:
        """Return the rows that are in some of the groups, ascending."""
        wanted = np.zeros(len(self), np.bool_)
        wanted[groups] = True
        return np.flatnonzero(wanted[self.of_row])


def group_columns(sheet: Sheet) -> tuple[str, ...]:
    """Return the columns by which rows can be grouped, so that there are fewer.

    Those are parts of the key, and texts of which most come more than once.
    """
    return tuple(column.name for column in sheet.columns if _groups_by(column))


def next_by(sheet: Sheet, by: str) -> str:
    """Return what comes after `by` when somebody goes through all ways to group a sheet; "" is rows as they are."""
    able = {*group_columns(sheet), by}           # rows may have changed since that was chosen
    ways = ["", *(column.name for column in sheet.columns if column.name in able)]
    here = ways.index(by) if by in ways else 0   # a column that is gone groups nothing
    return ways[(here + 1) % len(ways)]


def groups_of(column: SheetColumn) -> Groups:
    """Return which rows have the same value."""
    numbers = column.numbers if column.kind == "number" else column.words.places
    _, first, ranked = np.unique(numbers, return_index=True, return_inverse=True)
    came = np.argsort(first)
    rank = np.empty(len(came), np.intp)
    rank[came] = np.arange(len(came))
    of_row = rank[ranked]
    order = np.argsort(of_row, kind="stable")
    return Groups(of_row, first[came], order, np.searchsorted(of_row[order], np.arange(len(came))))


def grouped(sheet: Sheet, by: str, groups: Groups | None = None) -> Sheet:
    """Return one row for each value of a column, and how many rows that was; without such a column the sheet as it is.

    Rates are those of the rows, added up: had totals been, a row that goes away would take the others' change with it.
    Of text there is what all rows of a group have, or how many different ones they have. `groups`: those of the column,
    where they are known already.
    """
    column = sheet.by_name.get(by)
    if column is None:
        return sheet
    found = groups if groups is not None else groups_of(column)
    key = replace(column, values=column.values[found.first], key=True, rate=False)
    rows = ROWS
    while rows in sheet.by_name:
        rows += "_"
    size = SheetColumn(rows, rows, found.sizes, "count")
    return Sheet(f"{sheet.name} by {by}", (key, size, *_together(sheet, by, found)))


def _groups_by(column: SheetColumn) -> bool:
    rows = len(column)
    if column.key:
        return len(groups_of(column)) < rows
    return column.kind == "text" and 0 < len(column.words.texts) <= rows // 2


def _together(sheet: Sheet, by: str, groups: Groups) -> Iterator[SheetColumn]:
    for column in sheet.columns:
        if column.name == by:
            continue
        if adds_up(column):
            yield replace(column, values=_sums(column.values, groups))
        elif column.kind == "text":
            yield replace(column, values=_texts(column, groups), key=False)


def adds_up(column: SheetColumn) -> bool:
    """Say whether a column's values may be added up: it counts, or tells how fast that goes, or is a histogram."""
    kind = column.values.dtype.kind
    if column.key or kind not in _WIDE or column.kind not in ("number", "histogram"):
        return False
    if column.kind == "histogram":
        return True
    named = column.unit in _SUMS and kind in "iu" and not STATES.search(column.name)
    return column.rate or column.per_second or named or column.name.endswith(_TOTAL)


def _sums(values: npt.NDArray[np.generic], groups: Groups) -> Numbers:
    numbers: Numbers = values
    wide = _WIDE[numbers.dtype.kind]
    if not len(groups):
        return numbers.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):       # what is no number makes a sum that is none
        return np.asarray(np.add.reduceat(numbers[groups.order], groups.starts, axis=0, dtype=wide))


def _texts(column: SheetColumn, groups: Groups) -> npt.NDArray[np.object_]:
    """Return the text of each group, or how many different ones there are. An empty one says nothing: it is none."""
    texts, places = column.words.texts, column.words.places
    known = np.array([text != "" for text in texts], np.bool_)[places]
    pairs = np.unique(groups.of_row[known] * len(texts) + places[known])
    group, place = pairs // max(len(texts), 1), pairs % max(len(texts), 1)
    different = np.bincount(group, minlength=len(groups))
    told = np.full(len(groups), "", dtype=object)
    told[group] = np.array(texts, dtype=object)[place]
    for many in np.flatnonzero(different > 1).tolist():
        told[many] = f"{different[many]:,} different"
    return told
