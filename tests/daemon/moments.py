"""Moments to export: what a daemon would have collected."""

from __future__ import annotations

import numpy as np

from tracerd.snapshot import (
    Column,
    Ledger,
    MapSnapshot,
    Moment,
    ProbeMoment,
    ProgramStatistics,
    RingSnapshot,
    Table,
)

TAKEN_NS = 1_790_000_000_123_456_789


def moment(taken_ns: int = TAKEN_NS, **columns: Column) -> Moment:
    """A moment of one probe `p` with table `t`, map `m` and ring `r`."""
    columns = columns or {
        "pid": np.array([1, 2**63], np.uint64),
        "comm": np.array(["init", "a\u2028\x1b"], object),
        "share": np.array([np.nan, np.inf]),
        "slots": np.array([[1, 2], [3, 4]]),
    }
    keys, values = np.zeros((2, 4), np.uint8), np.zeros((2, 1, 8), np.uint8)
    probe = ProbeMoment(
        "p",
        {"m": MapSnapshot("m", taken_ns, keys, values, 10, 3)},
        {"t": Table("t", columns)},
        {"r": RingSnapshot("r", 7, 2, ())},
    )
    program = ProgramStatistics("on_enter", "jit", "free", 9, 1, 12.5, 0.1, 20)
    ledger = Ledger(10, 5, lost_in_kernel=2, filtered=3, via="perf")
    return Moment(taken_ns, 5, 0, {"p": probe}, (program,), {"syscall:*:enter": ledger}, {"rss_bytes": 1.0})
