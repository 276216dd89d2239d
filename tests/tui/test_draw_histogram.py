"""Histograms: rows that say bounds, numbers, shares and where percentiles lie."""

from __future__ import annotations

from math import inf

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.drawn import assert_fits, text
from tui.draw.histogram import Distribution, histogram
from tui.draw.palette import Palette
from tui.draw.slots import bounds, linear_edges, log2_edges, percentile_slots, used

PALETTE = Palette()
LATENCIES = Distribution(np.array([0, 0, 0, 1, 10, 100, 40, 0, 5, 0, 0]), log2_edges(11))


def test_rows_say_bounds_number_share_and_percentiles() -> None:
    """Only the range in use is shown, with empty slots inside of it; times have their unit."""
    assert text(histogram(LATENCIES, 60, 8, PALETTE)) == [
        "156 in all   p50 < 64ns   p90 < 128ns   p99 < 512ns",
        "   8ns – 16ns ▎                                 1   0.6%",
        "  16ns – 32ns ███▏                             10   6.4%",
        "  32ns – 64ns ███████████████████████████████ 100  64.1% p50",
        " 64ns – 128ns ████████████▍                    40  25.6% p90",
        "128ns – 256ns                                   0   0.0%",
        "256ns – 512ns █▌                                5   3.2% p99",
        "",
    ]


def test_shares_go_first_when_there_is_little_room() -> None:
    """Bounds, bars, numbers and percentiles stay; the first row is any used slot."""
    assert text(histogram(LATENCIES, 30, 4, PALETTE, first=2)) == [
        "156 in all p50 < 64ns",
        "  32ns – 64ns ████████ 100 p50",
        " 64ns – 128ns ███▎      40 p90",
        "128ns – 256ns            0",
    ]


def test_explicit_bounds_have_open_ends() -> None:
    """What lies outside of linear slots is counted in the first and the last one, and the bounds say so."""
    values = Distribution(np.array([3, 0, 9, 1]), linear_edges(10, 5, 4), lambda value: f"{value:g}")
    assert text(histogram(values, 50, 5, PALETTE)) == [
        "13 in all   p50 20 – 25   p90 20 – 25   p99 ≥ 25",
        "   < 15 ████████▍                 3  23.1%",
        "15 – 20                           0   0.0%",
        "20 – 25 █████████████████████████ 9  69.2% p50 p90",
        "   ≥ 25 ██▊                       1   7.7% p99",
    ]


def test_nothing_counted_says_so() -> None:
    """An empty histogram is a sentence."""
    assert text(histogram(Distribution(np.zeros(4), log2_edges(4)), 30, 3, PALETTE)) == ["nothing counted yet", "", ""]


def test_one_among_millions_is_seen() -> None:
    """A slot that is not empty has a bar."""
    values = Distribution(np.array([1, 10_000_000]), log2_edges(2))
    assert "▏" in text(histogram(values, 60, 3, PALETTE))[1]


def test_percentiles_are_slots_not_guesses() -> None:
    """The slot is named in which the value lies; nothing is interpolated inside of it."""
    assert percentile_slots(np.array([50.0, 0, 49, 1]), (50, 51, 99, 100)) == (0, 2, 2, 3)
    assert percentile_slots(np.zeros(4), (50,)) == ()


def test_edges_of_log2_slots() -> None:
    """The first slot begins at 0 and the last has no end."""
    assert log2_edges(4) == (0, 2, 4, 8, inf)
    assert bounds(-inf, inf, str) == "all"


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=70), st.integers(0, 130), st.integers(0, 30),
    st.integers(0, 80),
)  # fmt: skip
def test_a_histogram_always_fits(counts: list[int], width: int, height: int, first: int) -> None:
    """Whatever was counted and however small the room."""
    values = Distribution(np.array(counts, dtype=np.float64), log2_edges(len(counts)))
    assert_fits(histogram(values, width, height, PALETTE, first=first), width, height)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40))
def test_percentiles_lie_in_used_slots(counts: list[int]) -> None:
    """And no percentile lies before a smaller one."""
    numbers = np.array(counts, dtype=np.float64)
    slots = percentile_slots(numbers, (0, 50, 90, 99, 100))
    assert list(slots) == sorted(slots)
    assert all(each in used(numbers) for each in slots)
