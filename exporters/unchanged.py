"""Which rows a target has already: a number for each row that was written last, never the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Marks = npt.NDArray[np.uint64]

MOST_ROWS = 1 << 20
"""Rows that are remembered, 8 bytes each. Tables beyond are written whole each time, and their summaries say so."""

_STEP = np.uint64(0x9E3779B97F4A7C15)    # odd, so that no two of equal rows get the same number


def marks_of(rows: Sequence[bytes]) -> Marks:
    """Return a number for each row. Of rows that are equal each gets its own, the same ones every time.

    So a table that has a row twice and then three times has one that is new. Python's hash of bytes is SipHash with a
    key of this process: nobody can choose rows that are taken for others, and by chance one of 16,384 rows is with a
    probability below 2**-50.
    """
    marks = np.fromiter(map(hash, rows), np.int64, len(rows)).view(np.uint64)
    order = np.argsort(marks, kind="stable")
    position = np.arange(len(marks), dtype=np.uint64)
    begins = np.ones(len(marks), bool)
    begins[1:] = marks[order[1:]] != marks[order[:-1]]
    begun_at = np.maximum.accumulate(np.where(begins, position, np.uint64(0)))
    marks[order] += (position - begun_at) * _STEP        # modulo 2**64
    return marks


class Unchanged:
    """What the last export that succeeded left in the target, table by table. Not thread-safe."""

    def __init__(self) -> None:
        self._has: dict[tuple[str, str], Marks] = {}

    def forget(self) -> None:
        """Take every row for new: the target has none any more."""
        self._has = {}

    def lacks(self, table: tuple[str, str], marks: Marks) -> npt.NDArray[np.bool_]:
        """Return for each row of a table whether the target does not have it as it is now."""
        has = self._has.get(table)
        return np.ones(len(marks), bool) if has is None else ~np.isin(marks, has)

    def keep(self, tables: dict[tuple[str, str], Marks]) -> None:
        """Remember an export that succeeded, instead of the one before: what it left out was there already."""
        room = MOST_ROWS
        self._has = {}
        for name, marks in tables.items():
            if len(marks) <= room:
                self._has[name] = marks
                room -= len(marks)
