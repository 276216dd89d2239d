"""How fast each row changes: a sheet beside an earlier one, joined by the columns that tell rows apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tui.model.sheet import Numbers, Places, Sheet, SheetColumn, Words, flat

Rates = Mapping[str, npt.NDArray[np.float64]]
_Whole = npt.NDArray[np.integer]
_Pair = tuple[_Whole, _Whole]
"""A column now and before, as numbers that are equal where its values are."""

_MOST = 1 << 62
"""Numbers made of several columns stay below this, so that they fit in 64 bits with a sign."""


def rated(now: Sheet, before: Sheet | None, seconds: float) -> Sheet:
    """Return a sheet with a column of its change per second before each one whose rate is told."""
    found = rates(now, before, seconds)
    columns: list[SheetColumn] = []
    for column in now.columns:
        if column.name in found:
            name, title, values = f"{column.name}/s", f"{column.title}/s", found[column.name]
            columns.append(SheetColumn(name, title, values, column.unit, per_second=True, alert=column.alert))
        columns.append(column)
    return Sheet(now.name, tuple(columns))


def rates(now: Sheet, before: Sheet | None, seconds: float) -> Rates:
    """Return the change per second of each `rate` column: NaN where nothing is known of before.

    A row that is new counts from zero. One that has shrunk has begun anew: its rate is 0. Of several rows with one key
    the first is taken, unless all rows are where they were.
    """
    wanted = [column for column in now.columns if column.rate and _counts(column)]
    matched = _match(now, before) if wanted and before is not None and seconds > 0 else None
    if matched is None or before is None:
        return {column.name: np.full(len(now), np.nan) for column in wanted}
    return {column.name: _rate(column, before.by_name.get(column.name), matched, seconds) for column in wanted}


@dataclass(frozen=True, slots=True)
class _Matched:
    """Row i was at `places[i]` before if `known[i]`, else it is new. None: every row is where it was."""

    places: Places | None = None
    known: npt.NDArray[np.bool_] | None = None


def _counts(column: SheetColumn) -> bool:
    return column.values.ndim == 1 and column.values.dtype.kind in "iuf"


def _rate(now: SheetColumn, before: SheetColumn | None, at: _Matched, seconds: float) -> npt.NDArray[np.float64]:
    if before is None or not _counts(before):
        return np.full(len(now), np.nan)
    after, old = now.numbers, before.numbers
    if at.places is not None and at.known is not None:
        old = np.where(at.known, old[at.places], old.dtype.type(0)) if len(old) else np.zeros_like(after)
    # Subtracted as they are, since 64 bits have more digits than a float; what has grown does not overflow.
    return np.asarray(np.where(after > old, after - old, 0) / seconds)


def _match(now: Sheet, before: Sheet) -> _Matched | None:
    """Return where each row was; None if the two cannot be compared."""
    if [_shape(column) for column in now.keys] != [_shape(column) for column in before.keys]:
        return None
    if not now.keys:
        return _Matched() if len(now) == len(before) else None
    if not len(now) or not len(before):
        return _Matched(np.zeros(len(now), np.intp), np.zeros(len(now), np.bool_))
    pairs = [pair for new, old in zip(now.keys, before.keys, strict=True) for pair in _pairs(new, old)]
    if len(now) == len(before) and all(bool((new == old).all()) for new, old in pairs):
        return _Matched()
    return _join(*_packed(pairs))


def _shape(column: SheetColumn) -> tuple[object, ...]:
    return column.name, column.values.dtype, column.values.shape[1:]


def _join(new: _Whole, old: _Whole, many: int) -> _Matched:
    """Find each new number among the old ones; `many` is how many different ones there may be.

    Row numbers are sorted along in the low bits: that is several times faster than sorting places by their numbers, and
    of equal ones the first comes first.
    """
    bits = max(len(new), len(old)).bit_length()
    if many > _MOST >> bits:
        new, old, _ = _ranked(new, old)
    new, old = (np.sort(values << bits | np.arange(len(values))) for values in (new, old))
    found = np.minimum(np.searchsorted(old >> bits, new >> bits), len(old) - 1)
    low = (1 << bits) - 1
    rows, places, known = new & low, np.empty(len(new), np.intp), np.empty(len(new), np.bool_)
    places[rows] = old[found] & low
    known[rows] = old[found] >> bits == new >> bits
    return _Matched(places, known)


def _pairs(new: SheetColumn, old: SheetColumn) -> list[_Pair]:
    """Return a key column as whole numbers; a wide one is several."""
    if new.values.dtype.kind == "O":
        return [(new.words.places, _as_in(new.words, old.words))]
    return list(zip(_wholes(new), _wholes(old), strict=True))


def _as_in(new: Words, old: Words) -> Places:
    """Return the places of old texts among the new ones, past their end for those that are gone."""
    place_of = {text: place for place, text in enumerate(new.texts)}
    return np.array([place_of.get(text, len(new.texts)) for text in old.texts], np.intp)[old.places]


def _wholes(column: SheetColumn) -> list[_Whole]:
    """Return a column of numbers as whole ones that are equal where they are; eight bytes are one."""
    wide: Numbers = flat(column.values)
    if column.kind == "bytes":
        padded = np.zeros((len(column), -(-wide.shape[1] // 8) * 8), np.uint8)
        padded[:, : wide.shape[1]] = wide
        wide = padded.view(np.uint64)
    elif wide.dtype.kind in "bf":
        wide = wide.astype(np.float64).view(np.int64)
    return list(wide.T)


def _packed(pairs: list[_Pair]) -> tuple[_Whole, _Whole, int]:
    """Return a number for each row, now and before, that is equal where all columns are; and how many there may be."""
    new, old, many = _from_zero(*pairs[0])
    for pair in pairs[1:]:
        next_new, next_old, span = _from_zero(*pair)
        if many * span > _MOST:
            (new, old, many), (next_new, next_old, span) = _ranked(new, old), _ranked(next_new, next_old)
        new, old, many = new * span + next_new, old * span + next_old, many * span
    return new, old, many


def _from_zero(new: _Whole, old: _Whole) -> tuple[_Whole, _Whole, int]:
    """Return a column as numbers from 0 up, and how many different ones there may be."""
    least, most = min(int(new.min()), int(old.min())), max(int(new.max()), int(old.max()))
    if most - least >= _MOST:
        return _ranked(new, old)
    wide = np.uint64 if new.dtype.kind == "u" else np.int64          # what is narrow does not hold all differences
    new, old = ((values.astype(wide) - wide(least)).astype(np.int64) for values in (new, old))
    return new, old, most - least + 1


def _ranked(new: _Whole, old: _Whole) -> tuple[_Whole, _Whole, int]:
    """Return a column's values as their places among its distinct ones."""
    distinct, places = np.unique(np.concatenate([new, old]), return_inverse=True)
    return places[: len(new)], places[len(new) :], len(distinct)
