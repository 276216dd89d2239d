"""What would have kept a ring from being full."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from tracerd.snapshot import Ledger

DEFAULT_PAGES, MOST_PAGES = 2048, 1 << 14
"""Of a ring: what is taken unless somebody says else, and the most that is advised: 64 MiB of 4 KiB each, a CPU."""


def pages_for(pages: int, balances: Iterable[Ledger]) -> int:
    """Return how many pages a ring should have that lost so much of some events with `pages`; 0 if it lost nothing.

    A power of two: twice as many at least, and no fewer than the default. A ring that kept only a part of what came
    needs to be larger by as much: a tenth kept, ten times. `pages` itself if more is not advised.
    """
    lost = [each.lost_in_kernel / max(each.produced, 1) for each in balances if each.lost_in_kernel]
    if not lost:
        return 0
    kept = max(1 - max(lost), 1 / MOST_PAGES)
    wanted = max(DEFAULT_PAGES, 2 * pages, ceil(pages / kept))
    return max(min(1 << (wanted - 1).bit_length(), MOST_PAGES), pages)
