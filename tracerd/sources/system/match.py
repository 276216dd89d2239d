"""Finding again what was there before: keys are fixed-size bytes, sorted, each there once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracerd.sources.system.layouts import Rows

Keys = npt.NDArray[np.bytes_]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Match:
    """`now[i]` was at `before[i]`; `fresh` are new now, `gone` are no more."""

    now: Places
    before: Places
    fresh: Places
    gone: Places


def keys_of(rows: Rows, *fields: str) -> Keys:
    """Return the fields of each row as one key."""
    packed = np.empty(len(rows), [(name, rows.dtype[name]) for name in fields])
    for name in fields:
        packed[name] = rows[name]
    return packed.view(f"S{packed.dtype.itemsize}").reshape(-1)


def ordered(keys: Keys, rows: Rows) -> tuple[Keys, Rows]:
    """Return both sorted by key, with the first row of each key."""
    sorted_keys, first = np.unique(keys, return_index=True)
    return sorted_keys, rows[first]


def match(old: Keys, new: Keys) -> Match:
    """Compare sorted keys.

    Bytes compare without their trailing zeros. All keys have one size, so two that are equal that way are equal.
    """
    if not len(old):
        none = np.zeros(0, np.intp)
        return Match(none, none, np.arange(len(new)), none)
    place = np.minimum(np.searchsorted(old, new), len(old) - 1)
    same = old[place] == new
    gone = np.ones(len(old), np.bool_)
    gone[place[same]] = False
    return Match(np.flatnonzero(same), place[same], np.flatnonzero(~same), np.flatnonzero(gone))
