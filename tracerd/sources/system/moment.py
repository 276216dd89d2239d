"""When a poll is, and how often polls may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a poll, on both clocks. Lengths are measured on the monotonic one: unix time may be set.

    Without `samples` only what began and ended is told: an interval cut short would say little about usage.
    """

    monotonic_ns: int
    time_ns: int
    before_ns: int | None        # the poll before, on the monotonic clock; None for the first
    samples: bool = True

    @property
    def interval_ns(self) -> int:
        """Since the poll before; 0 for the first."""
        return 0 if self.before_ns is None else max(self.monotonic_ns - self.before_ns, 0)

    @property
    def first(self) -> bool:
        return self.before_ns is None


FIRST = 5
"""How many ordinary polls the first costs, about (measured: `tracerd bench system`)."""


class Pace:
    """How long to wait between polls: as long as asked, and longer if polling would take more than its share of a core.

    The cost of a poll is the mean of the polls so far, each half as heavy as the next. The first reads of every process
    what later ones read only of new ones, so it is taken for so many ordinary ones: even a machine that is too large
    for the share is noticed before the second.
    """

    def __init__(self, asked_ns: int, share: float) -> None:
        self.asked_ns = asked_ns
        self.share = share
        self.cost_ns = 0.0

    def spent(self, cpu_ns: int) -> None:
        """Count the CPU time of a poll."""
        self.cost_ns = (self.cost_ns + cpu_ns) / 2 if self.cost_ns else cpu_ns / FIRST

    @property
    def interval_ns(self) -> int:
        """From the begin of the last poll to that of the next."""
        return max(self.asked_ns, round(self.cost_ns / self.share))
