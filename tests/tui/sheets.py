"""Sheets that tests show: a few system calls, as the `syscalls` probe's view has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracerd.snapshot import Column, Meaning, Table
from tui.model.rates import rated
from tui.model.sheet import Sheet, SheetColumn, sheet_of

MEANINGS = {
    "pid": Meaning(key=True), "comm": Meaning(), "syscall": Meaning(key=True), "count": Meaning(rate=True),
    "errors": Meaning("count"), "p99_ns": Meaning("ns"),
}  # fmt: skip

Call = tuple[int, str, str, int, int, int]

CALLS: tuple[Call, ...] = (
    (7, "dd", "write", 9000, 0, 1_234),
    (7, "dd", "read", 8000, 3, 2_000_000),
    (1, "systemd", "read", 500, 0, 50_000),
    (42, "Web Content", "futex", 70, 70, 3_000_000_000),
)
"""pid, comm, syscall, count, errors, p99"""


def texts(values: Sequence[str]) -> Column:
    """Return a column of text."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def table(calls: Sequence[Call] = CALLS, name: str = "syscalls") -> Table:
    """Return calls as a probe's table."""
    pids, comms, names, counts, errors, p99 = zip(*calls, strict=True) if calls else ((),) * 6
    columns: dict[str, Column] = {
        "pid": np.array(pids, dtype=np.uint32), "comm": texts(comms), "syscall": texts(names),
        "count": np.array(counts, dtype=np.uint64), "errors": np.array(errors, dtype=np.uint64),
        "p99_ns": np.array(p99, dtype=np.int64),
    }  # fmt: skip
    return Table(name, columns, MEANINGS)


def calls_sheet(calls: Sequence[Call] = CALLS, name: str = "syscalls") -> Sheet:
    """Return calls as a sheet, without rates."""
    return sheet_of(table(calls, name))


def with_counts(*counts: int) -> Sheet:
    """Return the four calls with other counts, and their rates since all of them were 0, one second ago."""
    before = calls_sheet([(*call[:3], 0, *call[4:]) for call in CALLS])
    now = calls_sheet([(*call[:3], count, *call[4:]) for call, count in zip(CALLS, counts, strict=True)])
    return rated(now, before, 1.0)


def numbered(rows: int, name: str = "numbers") -> Sheet:
    """Return a long sheet: a key from 0 up, and the same number backwards."""
    up = np.arange(rows, dtype=np.int64)
    return Sheet(name, (SheetColumn("id", "id", up, key=True), SheetColumn("left", "left", up[::-1].copy())))


def column(name: str, values: Column, *, unit: str = "", rate: bool = False, key: bool = False) -> SheetColumn:
    """Return a column whose title is its name."""
    return SheetColumn(name, name, values, unit, rate=rate, key=key)
