"""Rows of Python values as a sheet: for tables of a few lines that the dashboard makes itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracerd.snapshot import Column
from tui.model.sheet import Sheet, SheetColumn


@dataclass(frozen=True, slots=True)
class Field:
    """A column of such a table; see `SheetColumn`."""

    name: str
    unit: str = ""
    key: bool = False
    title: str = ""
    alert: bool = False
    rate: bool = False           # it tells a change per second: tables are in the order of the first such column


def sheet_of_rows(name: str, fields: Sequence[Field], rows: Iterable[Sequence[object]]) -> Sheet:
    """Return rows as a sheet. A column is numeric if all its values are numbers; None is NaN there."""
    columns = list(zip(*rows, strict=True)) or [()] * len(fields)
    return Sheet(
        name,
        tuple(
            SheetColumn(
                each.name,
                each.title or each.name,
                _column(values),
                each.unit,
                key=each.key,
                per_second=each.rate,
                alert=each.alert,
            )
            for each, values in zip(fields, columns, strict=True)
        ),
    )


def _column(values: Sequence[object]) -> Column:
    if values and all(isinstance(each, int) for each in values):
        return np.array(values, dtype=_fitting(values))
    if values and all(each is None or isinstance(each, int | float) for each in values):
        return np.array([np.nan if each is None else each for each in values], dtype=np.float64)
    made = np.empty(len(values), dtype=object)
    made[:] = [str(each) for each in values]
    return made


def _fitting(values: Sequence[Any]) -> type[np.number[Any]]:
    """Return what holds all of some whole numbers: counters of the kernel have 64 bits without a sign."""
    least, most = min(values), max(values)
    if least >= -(2**63) and most < 2**63:
        return np.int64
    return np.uint64 if least >= 0 and most < 2**64 else np.float64
