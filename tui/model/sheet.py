"""One table as the dashboard keeps it: columns of numpy, and what can be known of each once for all rows.

A sheet is made anew for every moment. What its columns know of themselves (distinct texts, a key's numbers) is worked
out when it is asked for, and once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tracerd.snapshot import Column, Meaning, Table
from tracerd.text import printable

Kind = Literal["number", "text", "bytes", "list", "histogram"]
Numbers = npt.NDArray[Any]
Places = npt.NDArray[np.intp]

LEAST_SLOTS = 8
"""An array of so many numbers is drawn as a histogram; a shorter one is a list."""

_NUMBERS = "biuf"


def flat(values: Column) -> Column:
    """Return an array column with one axis for all that a row has; of no rows numpy cannot tell how many those are."""
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


@dataclass(frozen=True, slots=True)
class Words:
    """A column of text: row i has `texts[places[i]]`. The texts are those of the column, in the order they come."""

    texts: list[str]
    places: Places


@dataclass(frozen=True)
class SheetColumn:
    """One column. `values` has a row each: numbers, texts as objects, or a further axis of bytes or numbers.

    `unit` is that of `views.spec.ColumnSpec`. `rate`: how fast it changes is worth telling; `per_second`: it tells that
    of another column. `key`: it is part of what tells rows apart. `alert`: numbers other than zero are bad news.
    `about`: it is right within a factor of two.
    """

    name: str
    title: str
    values: Column
    unit: str = ""
    rate: bool = False
    key: bool = False
    per_second: bool = False
    alert: bool = False
    about: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @property
    def heading(self) -> str:
        """What stands above it."""
        return f"≈{self.title}" if self.about else self.title

    @cached_property
    def kind(self) -> Kind:
        """What a value is; bytes are shown as hex."""
        values = self.values
        if values.ndim == 1:
            return "number" if values.dtype.kind in _NUMBERS else "text"
        if values.ndim == 2 and values.dtype == np.uint8:
            return "bytes"
        slots = values.dtype.kind in _NUMBERS and not self.key and int(np.prod(values.shape[1:])) >= LEAST_SLOTS
        return "histogram" if slots else "list"

    @property
    def numeric(self) -> bool:
        """True if it has numbers: shown to the right, compared by size. A histogram compares by its total."""
        return self.kind in ("number", "histogram")

    @cached_property
    def numbers(self) -> Numbers:
        """The number of each row, of a numeric column."""
        values: Numbers = self.values
        return values if values.ndim == 1 else flat(values).sum(axis=1)

    @cached_property
    def words(self) -> Words:
        """The texts of a column that is not numeric."""
        values = self.values
        if self.kind == "text":
            return _words(values.tolist())
        if self.kind == "bytes":
            digits, size = values.tobytes().hex(), 2 * values.shape[1]
            return _words([digits[row * size : (row + 1) * size] for row in range(len(values))])
        return _words([",".join(map(str, row)) for row in flat(values).tolist()])


@dataclass(frozen=True)
class Sheet:
    """A table. Columns are in display order and of equal length."""

    name: str
    columns: tuple[SheetColumn, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    @cached_property
    def by_name(self) -> Mapping[str, SheetColumn]:
        """Its columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def keys(self) -> tuple[SheetColumn, ...]:
        """The columns that tell rows apart; none where that is not known."""
        return tuple(column for column in self.columns if column.key)


def sheet_of(table: Table) -> Sheet:
    """Return a view's table as a sheet."""
    return Sheet(table.name, tuple(_of_view(name, values, table) for name, values in table.columns.items()))


def _of_view(name: str, values: Column, table: Table) -> SheetColumn:
    meaning = table.meanings.get(name) or Meaning()
    suffix = "_permille" if meaning.unit == "permille" else "_ns" if meaning.unit.endswith("ns") else ""
    title = printable(name.removesuffix(suffix))
    return SheetColumn(
        name, title, values, meaning.unit, rate=meaning.rate, key=meaning.key, about=meaning.about
    )


def map_sheet(
    name: str, columns: Mapping[str, Column], *, slots: int = 1, cpu: int | None = None, rate_all: bool = True
) -> Sheet:
    """Return a map's elements as a sheet, from its columns by BTF path (`Feed.columns`).

    A map with several `slots` has one value for each CPU: they are added up, of texts the first that is not empty is
    taken; or those of one `cpu` are shown. `rate_all`: how fast it changes is told of every whole number of a value.
    """
    short = [path.partition(".")[2] or path for path in columns]
    made = []
    for title, (path, values) in zip(short, columns.items(), strict=True):
        key = path.partition(".")[0] == "key"
        own = values if key or slots == 1 else _of_cpu(values, cpu) if cpu is not None else _merged(values)
        counts = rate_all and not key and own.ndim == 1 and own.dtype.kind in "iu"
        shown = printable(title if short.count(title) == 1 else path)
        made.append(SheetColumn(shown, shown, own, rate=counts, key=key))
    return Sheet(name, tuple(made))


def _of_cpu(values: Column, cpu: int) -> Column:
    return values[:, min(cpu, values.shape[1] - 1)]


def _merged(values: Column) -> Column:
    """Make one value of all CPUs' (axis 1), as `views.columns` does for views."""
    kind = values.dtype.kind
    if kind == "O":
        first = np.argmax(values != "", axis=1)
        return np.take_along_axis(values, np.expand_dims(first, 1), axis=1)[:, 0]
    if kind == "u" and values.dtype.itemsize == 1 and values.ndim > 2:
        return values[:, 0]                      # bytes are no numbers
    numbers: Numbers = values
    total = np.float64 if kind == "f" else np.int64 if kind == "i" else np.uint64
    return np.asarray(numbers.sum(axis=1, dtype=total))


def _words(values: list[object]) -> Words:
    number_of: defaultdict[object, int] = defaultdict(count().__next__)     # a text that is new gets the next number
    places = np.fromiter(map(number_of.__getitem__, values), np.intp, len(values))
    return Words(list(map(str, number_of)), places)
