"""Where a sheet has histograms: in a column of arrays, or in rows that are slots of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tui.model.sheet import LEAST_SLOTS, Places, Sheet, SheetColumn

Ids = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.uint64]

MOST_IN_ROWS = 256
"""An array with more entries is not taken for a histogram."""

SLOT_NAMES = frozenset(("slot", "bucket"))
"""A field of the key that is called so has the number of a slot."""


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """The histograms of a sheet at one moment: `counts[i]`, shape (histograms, slots), is that of `ids[i]`, ascending.

    Row r of the sheet belongs to histogram `of_row[r]`. Ids are the same from one moment to the next. `keys` are the
    columns that tell histograms apart; none where all rows are one.
    """

    counts: Counts
    ids: Ids
    of_row: Places
    keys: tuple[SheetColumn, ...] = ()

    @property
    def number(self) -> int:
        """How many slots each has."""
        return int(self.counts.shape[1])


def slot_columns(sheet: Sheet, *, array: bool) -> tuple[str, ...]:
    """Return the columns that histograms can be drawn of. `array`: it is a map whose keys are 0, 1, 2 …"""
    found = [each.name for each in sheet.columns if each.kind == "histogram" and _whole(each, 2)]
    if found:
        return tuple(found)
    inside = _in_rows(sheet, array=array)
    return (inside[1].name,) if inside is not None else ()


def slots_of(sheet: Sheet, name: str, *, array: bool) -> Slots:
    """Return the histograms of one of those columns."""
    column = sheet.by_name[name]
    if column.values.ndim > 1:
        ids, of_row = _numbered(sheet.keys, len(sheet))
        counts = np.zeros((len(ids), column.values.shape[1]), np.uint64)
        if len(ids) == len(sheet):                       # one each, as nearly always
            counts[of_row] = _counted(column)
        else:
            np.add.at(counts, of_row, _counted(column))
        return Slots(counts, ids, of_row, sheet.keys)
    inside = _in_rows(sheet, array=array)
    if inside is None:
        raise ValueError(f"{name} has no slots")
    slot, counted = inside
    keys = tuple(each for each in sheet.keys if each is not slot)
    ids, of_row = _numbered(keys, len(sheet))
    places = slot.numbers.astype(np.intp)
    counts = np.zeros((len(ids), max(int(places.max(initial=0)) + 1, LEAST_SLOTS)), np.uint64)
    np.add.at(counts, (of_row, places), _counted(counted))
    return Slots(counts, ids, of_row, keys)


def _in_rows(sheet: Sheet, *, array: bool) -> tuple[SheetColumn, SheetColumn] | None:
    """Return the column with the number of a row's slot, and the one with its count."""
    counted = [each for each in sheet.columns if not each.key and not each.per_second]
    named = [each for each in sheet.keys if each.name.casefold().rpartition(".")[2] in SLOT_NAMES]
    slot = next(iter(named), sheet.keys[0] if array and sheet.keys else None)
    if slot is None or len(counted) != 1 or not _whole(counted[0], 1) or not _whole(slot, 1) or not len(sheet):
        return None
    least, most = int(slot.numbers.min()), int(slot.numbers.max())
    fits = least >= 0 and most < MOST_IN_ROWS and (bool(named) or most + 1 >= LEAST_SLOTS)
    return (slot, counted[0]) if fits else None


def _whole(column: SheetColumn, dimensions: int) -> bool:
    return column.values.ndim == dimensions and column.values.dtype.kind in "iu"


def _counted(column: SheetColumn) -> Counts:
    """Return counts; what is negative is none."""
    values: npt.NDArray[np.integer] = column.values  # type: ignore[assignment]    # whole numbers, as was asked for
    return (np.maximum(values, 0) if values.dtype.kind == "i" else values).astype(np.uint64)


def _numbered(keys: tuple[SheetColumn, ...], rows: int) -> tuple[Ids, Places]:
    """Return the distinct ids of rows, ascending, and which of them each row has. Rows without keys are one."""
    ids, of_row = np.unique(_ids(keys, rows), return_inverse=True)
    return ids, of_row


def _ids(keys: tuple[SheetColumn, ...], rows: int) -> Ids:
    """Return a number for each row that is the same where its keys are: 64 bits, so no two meet by chance."""
    ids = np.zeros(rows, np.uint64)
    for column in keys:
        if column.values.dtype.kind == "O":
            words = column.words
            own = np.array([hash(text) & 0xFFFF_FFFF_FFFF_FFFF for text in words.texts], np.uint64)
            ids = _mixed(ids, own[words.places])
            continue
        for part in column.values.reshape(rows, -1).T if rows else ():
            floating = part.dtype.kind == "f"
            ids = _mixed(ids, part.astype(np.float64).view(np.uint64) if floating else part.astype(np.uint64))
    return ids


def _mixed(ids: Ids, more: Ids) -> Ids:
    """Return the numbers of both together (Steele and others, SplitMix64, 2014)."""
    mixed = (ids ^ more) + np.uint64(0x9E37_79B9_7F4A_7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
