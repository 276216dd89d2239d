"""Percentiles of log2 histograms, a whole table at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_MOST = 2.0**63 - 1024
"""The largest float that 64 bits with a sign have room for: the last slot of 64 goes further."""


def log2_percentile(slots: npt.NDArray[np.integer], percent: float) -> npt.NDArray[np.int64]:
    """Return each row's percentile, shape (rows,), of `slots`, shape (rows, n).

    Slot i counts values in [2**i, 2**(i+1)), slot 0 also 0.

    Inside the slot that holds the percentile values are taken to be spread evenly, so the answer is at most a factor
    of two off. A row without values gives 0.
    """
    counts = slots.astype(np.float64)
    if counts.size == 0:
        return np.zeros(len(counts), dtype=np.int64)
    reached = np.cumsum(counts, axis=1)
    total = reached[:, -1]
    wanted = total * (percent / 100.0)
    slot = np.argmax(reached >= np.maximum(wanted, np.finfo(np.float64).tiny)[:, None], axis=1)
    row = np.arange(len(counts))
    inside = counts[row, slot]
    before = reached[row, slot] - inside
    fraction = np.divide(wanted - before, inside, out=np.zeros_like(inside), where=inside > 0)
    low = np.where(slot == 0, 0.0, np.exp2(slot))
    high = np.exp2(slot + 1.0)
    return np.where(total > 0, np.minimum(low + fraction * (high - low), _MOST), 0.0).astype(np.int64)
