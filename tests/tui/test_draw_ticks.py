"""Axes: round values at even distances, ages in units people count in."""

from __future__ import annotations

from math import isfinite, log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.draw.ticks import age_label, age_ticks, axis_number, compact, value_axis

SECOND = 10**9
VALUES = st.floats(-1e308, 1e308)


def test_values_are_round_and_evenly_spaced() -> None:
    """For 0 to 18 on ten lines there is a value on every second line, and little room is left empty."""
    axis = value_axis(0, 18, 10)
    assert axis.ticks(10) == [(0, 0), (2, 5), (4, 10), (6, 15), (8, 20)]
    assert axis.high == axis.at(9) == 22.5


def test_steps_of_bytes_are_powers_of_two() -> None:
    """What is counted in binary units is 64 MiB, 128 MiB and so on, not 50 million."""
    assert value_axis(0, 100 << 20, 9, binary=True).step == 32 << 20


def test_nothing_but_zero_gets_room() -> None:
    """A curve that is all zero has a scale up to one or a little more."""
    axis = value_axis(0, 0, 5)
    assert axis.low == 0
    assert 1 <= axis.high <= 2.5


def test_zero_is_a_tick_when_values_have_both_signs() -> None:
    """The scale begins at a multiple of its step, so that zero is on a line."""
    assert 0 in [value for _, value in value_axis(-3, 4, 12).ticks(12)]


@given(VALUES, VALUES, st.integers(1, 80), st.sampled_from([1, 4]), st.booleans())
def test_an_axis_holds_its_values_and_is_round(one: float, other: float, lines: int, parts: int, binary: bool) -> None:
    """Whatever the values, the axis reaches from below them to above them (up to 1e300) in round steps."""
    axis = value_axis(one, other, lines, parts=parts, binary=binary)
    low, high = (min(max(each, -1e300), 1e300) for each in sorted((one, other)))
    room = (axis.high - axis.low) * 1e-6
    assert axis.low <= low + room
    assert axis.high >= high - room
    assert axis.step > 0
    assert isfinite(axis.high)
    if not binary:
        mantissa = axis.step / 10.0 ** round(log10(axis.step) - 0.5)
        assert min(abs(mantissa / each - 1) for each in (0.5, 1, 2, 2.5, 5, 10, 20)) < 1e-6


@pytest.mark.parametrize(("span_s", "intervals", "ages"), [
    (60, 4, [0, 15, 30, 45, 60]),
    (55, 1, [0, 30]),
    (120, 3, [0, 60, 120]),
    (3600, 6, [0, 600, 1200, 1800, 2400, 3000, 3600]),
    (10, 2, [0, 5, 10]),
    (0.05, 5, [0]),
    (60, 0, [0]),
    (86400 * 30, 3, [0, 8 * 86400, 16 * 86400, 24 * 86400]),
])  # fmt: skip
def test_ages_are_steps_people_count_in(span_s: float, intervals: int, ages: list[int]) -> None:
    """Steps are of 1, 2, 5, 10, 15, 30 seconds, minutes, hours, days, and not more than asked for."""
    assert [age / SECOND for age in age_ticks(int(span_s * SECOND), intervals)] == ages


@given(st.integers(0, 2**63), st.integers(0, 50))
def test_there_are_never_more_ages_than_asked_for(span_ns: int, intervals: int) -> None:
    """All lie within the span and begin with now."""
    ages = age_ticks(span_ns, intervals)
    assert ages[0] == 0
    assert len(ages) <= intervals + 1
    assert ages[-1] <= span_ns


@pytest.mark.parametrize(("seconds", "label"), [
    (0, "now"), (0.2, "-0.2s"), (1, "-1s"), (2.5, "-2.5s"), (59, "-59s"), (60, "-1m"), (90, "-1m30s"), (3600, "-1h"),
    (5400, "-1h30m"), (86400, "-1d"), (90000, "-1d1h"), (3630, "-1h"),
])  # fmt: skip
def test_an_age_is_short(seconds: float, label: str) -> None:
    """Two units at most, and none that is zero."""
    assert age_label(int(seconds * SECOND)) == label


@pytest.mark.parametrize(("number", "long", "short"), [
    (0, "0", "0"), (0.25, "0.25", "0.25"), (12, "12", "12"), (999, "999", "999"), (1000, "1.00k", "1k"),
    (2500, "2.50k", "2.5k"), (12_345, "12.3k", "12.3k"), (999_950, "1.00M", "1M"), (2**64 - 1, "18.4E", "18.4E"),
    (-1500, "-1.50k", "-1.5k"), (300e6, "300M", "300M"), (1e21, "1e+21", "1e+21"),
])  # fmt: skip
def test_numbers_have_three_figures_and_a_unit(number: float, long: str, short: str) -> None:
    """On an axis, where values are round, zeros after the point are left out."""
    assert compact(number) == long
    assert axis_number(number) == short
