"""How large a ring should have been."""

from __future__ import annotations

import pytest

from tracerd.config.daemon import DaemonConfig
from tracerd.snapshot import Ledger
from tracerd.views.losses import DEFAULT_PAGES, MOST_PAGES, pages_for


@pytest.mark.parametrize(
    ("pages", "lost", "wanted"),
    [(1, 1, 2048), (2048, 1, 4096), (2048, 500, 4096), (2048, 900, 16384), (256, 990, 16384), (4096, 1000, 16384),
     (16384, 5, 16384)],
)  # fmt: skip
def test_a_ring_that_kept_a_tenth_is_to_be_ten_times_as_large(pages: int, lost: int, wanted: int) -> None:
    """Never less than a daemon takes by itself, always a power of two, and no more than 64 MiB a CPU."""
    assert pages_for(pages, [Ledger(1000, 1000, 0), Ledger(1000, 1000 - lost, lost)]) == wanted


def test_a_ring_that_is_larger_than_what_is_advised_is_left_as_it_is() -> None:
    """And one that lost nothing too."""
    assert pages_for(4 * MOST_PAGES, [Ledger(10, 5, 5)]) == 4 * MOST_PAGES
    assert pages_for(1, [Ledger(10, 10)]) == 0


def test_what_is_taken_unless_somebody_says_else_is_what_a_daemon_takes() -> None:
    """One number in two rooms that do not know each other."""
    assert DaemonConfig().sources.perf.pages == DEFAULT_PAGES
