"""How a session's buffers are sized, and what Windows counts of it. Pure.

A library's defaults have lost 42 % of all process starts without a counter moving (shared facts, windows.md); buffers
of 64 to 256 KB, 64 to 128 of them and more where there are many CPUs, lost none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tracerd.snapshot import Ledger


@dataclass(frozen=True, slots=True)
class Buffers:
    """Sizes of a session: KB of each, how many at least and at most."""

    kilobytes: int
    least: int
    most: int


def for_cpus(cpus: int) -> Buffers:
    """Return sizes for that many CPUs: every CPU fills one buffer while others are on their way.

    Larger machines get smaller buffers, so that all together stay near 32 MB at first, and 64 MB at most up to 128
    CPUs.
    """
    kilobytes = 256 if cpus <= 32 else 128 if cpus <= 64 else 64
    return Buffers(kilobytes, max(64, 4 * cpus), max(128, 8 * cpus))


@dataclass(frozen=True, slots=True)
class Losses:
    """What a session has lost, as Windows counts it: events that found no buffer, and whole buffers whose events nobody
    counts, that could not be handed over in time or not be written."""

    events: int = 0
    real_time_buffers: int = 0
    log_buffers: int = 0

    def __add__(self, other: Losses) -> Losses:
        return Losses(
            self.events + other.events,
            self.real_time_buffers + other.real_time_buffers,
            self.log_buffers + other.log_buffers,
        )

    @property
    def buffers(self) -> int:
        """Lost buffers of either kind."""
        return self.real_time_buffers + self.log_buffers


def session_ledger(lost: Losses, rest: Ledger, *said: str) -> Ledger:
    """Return the ledger of a session. `rest`: what else is charged to it; `said`: what else there is to say of it."""
    lossy = Ledger(lost.events + lost.buffers, 0, lost_in_session=lost.events, dropped_in_ring=lost.buffers)
    buffers = (
        f"buffers lost: {lost.real_time_buffers:,} that could not be handed over in time, {lost.log_buffers:,} that"
        " could not be written; Windows does not say how many events were in them"
    )
    via = [each for each in (buffers if lost.buffers else "", *said) if each]
    return replace(lossy + rest, via="; ".join(via))
