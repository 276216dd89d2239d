"""Lines of small bars, and meters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.drawn import assert_fits, text
from tracerd.views.format import duration
from tui.draw.meter import meter
from tui.draw.palette import Palette
from tui.draw.spark import bars, spark

PALETTE = Palette()
GAP = float("nan")
VALUES = st.lists(st.one_of(st.floats(), st.just(2.0**64 - 1)), max_size=50)


def test_bars_go_up_with_values() -> None:
    """The lowest is zero, the highest the largest value, the last value stands behind."""
    assert text([spark([0, 1, 2, 3, 4, 5, 6, 7], 12, PALETTE)]) == ["  ▁▂▃▄▅▆▇█ 7"]


def test_a_little_is_not_zero_and_a_gap_is_neither() -> None:
    """Zero, a little, nothing known and the largest value all look different."""
    assert bars([0, 0.01, GAP, 100], 4) == "▁▂·█"


def test_only_the_newest_values_have_room() -> None:
    """Old ones leave on the left."""
    assert bars([9, 0, 0, 4], 3) == "▁▁█"


def test_values_below_each_other_align() -> None:
    """With the same room for values all bars end in the same column."""
    lines = [spark([value], 20, PALETTE, format=duration, room=6) for value in (5, 12_345)]
    assert text(lines) == ["            █    5ns", "            █ 12.3µs"]


def test_no_value_is_a_dash() -> None:
    """Before the first sample, and when the last is not known."""
    assert text([spark([], 5, PALETTE), spark([1, GAP], 5, PALETTE)]) == ["    –", " █· –"]


def test_a_fixed_top_makes_lines_comparable() -> None:
    """Half of the top is half a bar, though it is the largest value."""
    assert bars([1], 1, top=2) == "▅"


@given(VALUES, st.integers(0, 60), st.integers(0, 20), st.floats(0, 1e308))
def test_a_spark_always_fits(values: list[float], width: int, room: int, top: float) -> None:
    """Whatever the values and the width."""
    assert_fits([spark(values, width, PALETTE, room=room, top=top)], width, 1)


@pytest.mark.parametrize(("width", "drawn"), [
    (40, "███████████████████▏╌╌  87%! 8.7k of 10k"),
    (20, "████████████▏╌  87%!"),
    (9, "87%!"),
    (4, "87%!"),
])  # fmt: skip
def test_a_meter_says_how_full(width: int, drawn: str) -> None:
    """Bar, percent and text; a "!" where it is nearly full. The text goes first, then the bar."""
    assert text([meter(8_700, 10_000, width, PALETTE, "8.7k of 10k")]) == [drawn]


@pytest.mark.parametrize(("used", "told"), [(0, "0%"), (1, "1%"), (50_000, "50%"), (99_999, "99%!"), (100_000, "100%!"),
                                           (250_000, "250%!")])  # fmt: skip
def test_only_what_is_full_is_a_hundred_percent(used: int, told: str) -> None:
    """And only what is empty is 0 %."""
    assert text([meter(used, 100_000, 20, PALETTE)])[0].split()[-1].lstrip("█▏╌") == told


def test_a_little_is_seen_on_a_meter() -> None:
    """One entry of a hundred thousand is a thin line."""
    assert text([meter(1, 100_000, 20, PALETTE)])[0].startswith("▏╌")


def test_no_limit_no_meter() -> None:
    """What cannot be full only has its text."""
    assert text([meter(3, 0, 20, PALETTE, "3 waiting")]) == ["3 waiting"]


def test_meters_align() -> None:
    """With the same room for texts all bars are equally long."""
    lines = text([meter(1, 1, 30, PALETTE, each, 8) for each in ("map", "a queue")])
    assert [line.index("100%!") for line in lines] == [16, 16]


def test_a_full_meter_has_another_colour() -> None:
    """As it has another sign."""
    styles = [next(iter(meter(used, 100, 30, PALETTE))).style for used in (10, 85, 99)]
    assert styles == [PALETTE.good, PALETTE.warn, PALETTE.bad]


@given(st.floats(), st.floats(), st.integers(0, 60), st.text(max_size=20), st.integers(0, 30))
def test_a_meter_always_fits(used: float, limit: float, width: int, words: str, room: int) -> None:
    """Whatever the numbers, the width and the words."""
    assert_fits([meter(used, limit, width, PALETTE, words, room)], width, 1)
