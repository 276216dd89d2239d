"""The values of a sheet as text for a screen: only of the rows that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import numpy as np
import numpy.typing as npt

from tracerd.text import printable
from tracerd.views.format import FORMATS, duration, size, time_of_day
from tui.model.sheet import Numbers, Places, Sheet, SheetColumn, flat

NONE = "-"
"""Zero of a unit, and what is not known."""

ZEROS = frozenset((NONE, "0"))

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 32
_MOST = 1e300
"""What is more, infinity too, is drawn as if it were this: sums of slots then still are numbers."""


def cells(column: SheetColumn, rows: Places, clock_offset_ns: int = 0) -> list[str]:
    """Return one line of text for each of the rows. Numbers have their unit, a histogram is drawn."""
    values = column.values[rows]
    match column.kind:
        case "number":
            form = _number(column, clock_offset_ns)
            return [form(value) for value in values.tolist()]
        case "text":
            return [printable(value if isinstance(value, str) else str(value)) for value in values.tolist()]
        case "bytes":
            return [value.tobytes().hex() for value in values]
        case "list":
            return [printable(",".join(map(str, value))) for value in flat(values).tolist()]
        case "histogram":
            return [_bars(value) for value in flat(values)]


def row_texts(sheet: Sheet, row: int, clock_offset_ns: int = 0) -> dict[str, str]:
    """Return all of a row by title, as text in full: of a histogram every slot that has something."""
    told = {}
    for column in sheet.columns:
        if column.kind == "histogram":
            told[column.heading] = _slots(column.values[row])
        else:
            told[column.heading] = cells(column, np.array([row]), clock_offset_ns)[0]
    return told


def row_values(sheet: Sheet, row: int) -> dict[str, object]:
    """Return all of a row by column name, as plain Python values; bytes as hex, what is not known as None."""
    return {column.name: _plain(column, row) for column in sheet.columns}


def key_of(sheet: Sheet, row: int) -> tuple[object, ...]:
    """Return what tells a row apart; () where that is not known."""
    return tuple(_plain(column, row) for column in sheet.keys)


def find(sheet: Sheet, key: tuple[object, ...], near: int) -> int | None:
    """Return the number of the row that has a key, the one at `near` if it does; None if there is none."""
    if not key or len(key) != len(sheet.keys):
        return None
    if near < len(sheet) and key_of(sheet, near) == key:
        return near
    found = np.ones(len(sheet), np.bool_)
    for column, wanted in zip(sheet.keys, key, strict=True):
        found &= _is(column, wanted)
    places = np.flatnonzero(found)
    return int(places[0]) if len(places) else None


def _is(column: SheetColumn, wanted: object) -> npt.NDArray[np.bool_]:
    """Return which rows have a value; none has one of another kind than the column's, which may have changed."""
    if column.kind in ("text", "bytes"):
        words, text = column.words, str(wanted)
        return np.asarray(words.places == (words.texts.index(text) if text in words.texts else -1))
    numbers = flat(column.values)
    try:
        return np.asarray((numbers == np.array(wanted, dtype=numbers.dtype).reshape(1, -1)).all(axis=1))
    except (ValueError, TypeError, OverflowError):
        return np.zeros(len(column), np.bool_)


def _plain(column: SheetColumn, row: int) -> object:
    value = column.values[row]
    if column.kind == "bytes":
        return value.tobytes().hex()
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(plain, list):
        return tuple(np.ravel(value).tolist())
    return None if isinstance(plain, float) and not isfinite(plain) else plain


def _number(column: SheetColumn, clock_offset_ns: int) -> Callable[[float], str]:
    """Return how a column's numbers are printed."""
    if column.per_second:
        return _PER_SECOND.get(column.unit, _rate)
    if column.unit == "boot_ns":
        return _known(lambda value: time_of_day(int(value) + clock_offset_ns))
    if column.values.dtype.kind == "b":
        return lambda value: "yes" if value else "no"
    if column.unit == "count" or (column.rate and column.unit not in FORMATS):
        zero = NONE if column.unit else "0"
        return lambda value: (f"{value:,}" if isinstance(value, int) else _thousands(value)) if value else zero
    if column.unit in FORMATS:
        form = FORMATS[column.unit]
        return _known(lambda value: form(int(value)))
    return lambda value: str(value) if isinstance(value, int) else f"{value:.6g}" if isfinite(value) else NONE


def _known(form: Callable[[float], str]) -> Callable[[float], str]:
    return lambda value: form(value) if value and isfinite(value) else NONE


def _thousands(value: float) -> str:
    return f"{value:,.0f}" if isfinite(value) else NONE


def _rate(value: float) -> str:
    """A number per second: with a decimal where it would be lost otherwise."""
    if not isfinite(value):
        return NONE
    return f"{value:,.0f}" if value >= 9.95 or value == int(value) else f"{value:.1f}"


_PER_SECOND: dict[str, Callable[[float], str]] = {"bytes": _known(size), "ns": _known(duration)}


def _bars(slots: Numbers) -> str:
    """Return a histogram as a bar a slot; slots stand together where there are too many. An empty one is a blank."""
    width = -(-len(slots) // _MOST_BARS)
    counts = np.zeros(-(-len(slots) // width) * width)
    counts[: len(slots)] = np.clip(np.nan_to_num(slots.astype(np.float64), nan=0.0), 0.0, _MOST)
    counts = counts.reshape(-1, width).sum(axis=1)
    most = counts.max(initial=0)
    if most <= 0:
        return NONE
    # What there is at all is seen: the least bar stands for more than nothing.
    heights = np.where(counts > 0, np.ceil(counts / most * len(_BARS)), 0).astype(np.intp)
    return "".join(" " if height < 1 else _BARS[height - 1] for height in heights.tolist()).rstrip()


def _slots(slots: Numbers) -> str:
    told = [f"[{slot}] {count:,}" for slot, count in enumerate(np.ravel(slots).tolist()) if count]
    return "  ".join(told) or NONE
