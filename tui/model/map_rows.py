"""A map's elements as rows: a value for each CPU added up, or one row for each; rates of what counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tracerd.snapshot import Column
from tracerd.views.decoders import decode
from tui.model.sheet import Sheet, SheetColumn, map_sheet

STATES = re.compile(
    r"(?:^|_)(?:p?pid|tid|tgid|p?uid|gid|parent|port|state|status|code|session|flags?|mode|type|kind|version|addr"
    r"|address|ip|permille|percent|time(?:_ns)?|started(?:_ns)?|(?:opened|ended|last|least|most|min|max|mean)_ns"
    r"|p\d\d?(?:_ns)?|timestamp|bytes_s)$",
    re.IGNORECASE,
)
"""Names of numbers that say what something is or when it was: how fast they change says nothing."""

SYSCALL = "syscall"
"""A field of this name has the number of a system call: nobody knows those by heart, so its name is shown."""


def map_rows(
    name: str, columns: Mapping[str, Column], *, slots: int = 1, by_cpu: bool = False, rates: bool = True
) -> Sheet:
    """Return a map's elements, from its columns by BTF path; with `slots` values each, one for each CPU.

    `by_cpu`: a row for each CPU instead of one with all of them added up; CPUs that have nothing are left out.
    """
    if by_cpu and slots > 1:
        columns, slots = _spread(columns, slots), 1
    sheet = map_sheet(name, columns, slots=slots, rate_all=rates)
    return Sheet(name, tuple(_told(each) for each in sheet.columns))


def _told(column: SheetColumn) -> SheetColumn:
    if column.name.rpartition(".")[2] == SYSCALL and column.values.ndim == 1 and column.values.dtype.kind in "iu":
        return replace(column, values=decode(column.values, SYSCALL), rate=False)
    return replace(column, rate=False) if column.rate and STATES.search(column.name) else column


def _spread(columns: Mapping[str, Column], slots: int) -> dict[str, Column]:
    """Make a row of each CPU's value, and the CPU a part of the key."""
    keys = {path: values for path, values in columns.items() if _of_key(path)}
    values = {path: each.reshape(-1, *each.shape[2:]) for path, each in columns.items() if not _of_key(path)}
    rows = len(next(iter(columns.values()))) * slots if columns else 0
    used = np.flatnonzero(_used(values, rows))
    cpu = next(path for path in ("key.cpu", "key.on_cpu", "key.of_cpu") if path not in columns)
    return {
        **{path: np.repeat(each, slots, axis=0)[used] for path, each in keys.items()},
        cpu: np.tile(np.arange(slots, dtype=np.uint32), rows // slots)[used],
        **{path: each[used] for path, each in values.items()},
    }


def _used(values: Mapping[str, Column], rows: int) -> npt.NDArray[np.bool_]:
    """Return which rows have anything; all of them if none has."""
    used = np.zeros(rows, np.bool_)
    for each in values.values():
        used |= (each != ("" if each.dtype.kind == "O" else 0)).reshape(rows, -1).any(axis=1)
    return used if used.any() else ~used


def _of_key(path: str) -> bool:
    return path.partition(".")[0] == "key"
