"""A table as text for other programs: plain numbers, every column, the rows that are shown in their order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite

import numpy as np
import numpy.typing as npt

from tui.model.sheet import Sheet

Rows = npt.NDArray[np.intp]


def as_csv(sheet: Sheet, rows: Rows) -> str:
    """Return CSV (RFC 4180) with a header of column names; a histogram is one field with blanks between its slots."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([column.name for column in sheet.columns])
    for row in _rows(sheet, rows):
        writer.writerow([" ".join(_flat(each)) if isinstance(each, list) else _harmless(each) for each in row])
    return out.getvalue()


def as_json(sheet: Sheet, rows: Rows, taken_ns: int) -> str:
    """Return `{"name", "taken", "columns": [{"name", "unit"}], "rows": [{column: value}]}`, a row a line.

    `taken` is when that was so, RFC 3339 in UTC; null where nothing has been seen. Units are those of
    `views.spec.ColumnSpec`, and those that a user has given slots of a histogram.
    """
    names = [column.name for column in sheet.columns]
    about = {
        "name": sheet.name,
        "taken": datetime.fromtimestamp(taken_ns / 1e9, UTC).isoformat(timespec="milliseconds") if taken_ns else None,
        "columns": [{"name": column.name, "unit": column.unit} for column in sheet.columns],
    }
    documents = (dict(zip(names, row, strict=True)) for row in _rows(sheet, rows))
    lines = ",\n  ".join(json.dumps(each, ensure_ascii=False) for each in documents)
    return json.dumps(about, ensure_ascii=False)[:-1] + f', "rows": [\n  {lines}\n]}}\n'


def _rows(sheet: Sheet, rows: Rows) -> Iterator[tuple[object, ...]]:
    return zip(*(_plain(column.values[rows]) for column in sheet.columns), strict=True)


def _plain(values: npt.NDArray[np.generic]) -> list[object]:
    if values.dtype == np.uint8 and values.ndim > 1:
        return [each.tobytes().hex() for each in values]
    return [_known(each) for each in values.tolist()]


def _known(value: object) -> object:
    """Return a value as JSON has it, which knows no number that is none."""
    if isinstance(value, list):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _flat(values: list[object]) -> Iterator[str]:
    for each in values:
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield "-" if each is None else str(each)


def _harmless(value: object) -> object:
    """A spreadsheet runs a cell that begins so, and any process chooses its own name."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
