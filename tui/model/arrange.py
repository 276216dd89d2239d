"""The order of a sheet's rows: as numbers of rows, so that no column is moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tui.model.sheet import Numbers, Places, Sheet, SheetColumn


@dataclass(frozen=True, slots=True)
class Order:
    """By one column."""

    column: str
    descending: bool


def natural(sheet: Sheet) -> Order | None:
    """Return the order that a sheet is shown in unless somebody asks for another: fastest first; None: its own."""
    return next((Order(column.name, True) for column in sheet.columns if column.per_second), None)


def first_order(column: SheetColumn) -> Order:
    """Return the order that a column is asked for first: the largest numbers, texts from A."""
    return Order(column.name, descending=column.numeric)


def told(order: Order | None, sheet: Sheet) -> str:
    """Return an order in words: "by errors, most first", "by pid, highest first"; "" for a sheet's own."""
    column = sheet.by_name.get(order.column) if order is not None else None
    if order is None or column is None:
        return ""
    first, last = ("Z", "A") if not column.numeric else ("highest", "lowest") if column.key else ("most", "least")
    return f"by {column.title}, {first if order.descending else last} first"


def arrange(sheet: Sheet, mask: npt.NDArray[np.bool_] | None, order: Order | None) -> Places:
    """Return the numbers of the rows that are shown (None: all), in order.

    Equal rows stay in the sheet's own order. What is not known (NaN) comes last. A column that is not there orders
    nothing.
    """
    rows = np.arange(len(sheet)) if mask is None else np.flatnonzero(mask)
    column = sheet.by_name.get(order.column) if order is not None else None
    if order is None or column is None:
        return rows
    ranks = _ranks(column)[rows]
    return np.asarray(rows[np.argsort(_reversed(ranks) if order.descending else ranks, kind="stable")])


def _ranks(column: SheetColumn) -> Numbers:
    """Return numbers in the order of a column's values."""
    if column.numeric:
        return column.numbers
    words = column.words
    places = sorted(range(len(words.texts)), key=lambda place: text_order(words.texts[place]))
    ranks = np.empty(len(places), np.intp)
    ranks[places] = np.arange(len(places))
    return ranks[words.places]


def text_order(text: str) -> tuple[str, str]:
    """Return what texts are ordered by: upper and lower case stand together."""
    return text.casefold(), text


def _reversed(ranks: Numbers) -> Numbers:
    """Return numbers in the opposite order: bits of whole ones turned round, since the least has no negative."""
    return np.asarray(-ranks if ranks.dtype.kind == "f" else ~ranks)
