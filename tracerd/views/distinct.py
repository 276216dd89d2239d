"""A column as its distinct values, and what a value is where it may be a number, bytes or text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracerd.snapshot import Column

Value = np.generic | npt.NDArray[np.generic] | str
"""One value of a column: a number, an array of numbers (of bytes, mostly), or text."""


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """Row i of the column has `values[places[i]]`."""

    values: Sequence[Value]
    places: npt.NDArray[np.intp]

    def spread(self, answers: Sequence[str]) -> Column:
        """Return the column that has, in place of each value, its answer."""
        return np.array([*answers, ""], dtype=object)[self.places]


def distinct(column: Column) -> Distinct:
    """Return a column's distinct values: rows of a wider column, text of a column of objects."""
    if column.dtype == object:
        return _distinct_texts(column)
    if not len(column):
        return Distinct((), np.zeros(0, np.intp))
    values, places = np.unique(column, return_inverse=True, axis=0 if column.ndim > 1 else None)
    return Distinct(list(values), places.reshape(-1))


def map_distinct(column: Column, function: Callable[[Value], str]) -> Column:
    """Return the text of every row, made once for each distinct value."""
    found = distinct(column)
    return found.spread([function(value) for value in found.values])


def plain(value: Value) -> str:
    """Return a value as text: bytes as hex, other arrays as numbers with commas between."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        return value.tobytes().hex() if value.dtype.itemsize == 1 else ",".join(str(each) for each in value.flat)
    return str(value.item())


def raw(value: Value) -> bytes:
    """Return a value as it lies in memory; text as UTF-8."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value.tobytes()


def number(value: Value) -> int | None:
    """Return the whole number that a value is, or None: bytes are one as it lies in memory, text if it is digits."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20 else None
    if isinstance(value, np.ndarray):
        return int.from_bytes(value.tobytes(), "little") if value.nbytes in (1, 2, 4, 8) else None
    found = value.item()
    if isinstance(found, float):
        return int(found) if math.isfinite(found) else None
    return found if isinstance(found, int) else None


def _distinct_texts(column: Column) -> Distinct:
    """Text of several columns is one text: np.unique cannot sort rows of objects, nor objects of several types."""
    texts = [each if isinstance(each, str) else _joined(each) for each in column]
    numbers: dict[str, int] = {}
    places = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.intp, len(texts))
    return Distinct(list(numbers), places)


def _joined(value: object) -> str:
    return ",".join(map(str, value.flat)) if isinstance(value, np.ndarray) else str(value)
