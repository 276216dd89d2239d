"""Rings of samples: bounded, honest about gaps, never negative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.model.history import Matrix, Rate, Rhythm, Series

SECOND = 10**9
STEPS = st.lists(st.integers(-5 * SECOND, 100 * SECOND), max_size=60)


def nans(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float | None]:
    """Return values as a list with None for NaN, which equals itself."""
    return [None if np.isnan(each) else float(each) for each in values]


def test_a_series_keeps_the_newest() -> None:
    """It holds as many samples as it has room for, in order, over many times its capacity."""
    series = Series(4)
    for number in range(1000):
        series.append(number * SECOND, number)
    assert len(series) == 4
    assert series.times.tolist() == [996 * SECOND, 997 * SECOND, 998 * SECOND, 999 * SECOND]
    assert series.values.tolist() == [996, 997, 998, 999]
    assert series.last == 999


def test_an_empty_series_has_no_last_value() -> None:
    """It is NaN, which no comparison takes for a number."""
    assert np.isnan(Series(3).last)
    with pytest.raises(ValueError, match="0 samples"):
        Series(0)


def test_what_was_read_does_not_change() -> None:
    """Arrays given out are copies: later samples do not move under who draws them."""
    series = Series(2)
    series.append(1, 1.0)
    series.append(2, 2.0)
    before = series.values
    for number in range(3, 9):
        series.append(number, float(number))
    assert before.tolist() == [1, 2]


def test_the_same_moment_again_has_the_new_value() -> None:
    """A sample of the same time replaces the last."""
    series = Series(4)
    series.append(SECOND, 1)
    series.append(SECOND, 2)
    assert series.values.tolist() == [2]


def test_a_late_sample_has_a_gap_before_it() -> None:
    """After ten seconds of nothing the line is broken."""
    series = Series(10)
    for second in (0, 1, 2, 12, 13):
        series.append(second * SECOND, second)
    assert nans(series.values) == [0, 1, 2, None, 12, 13]
    assert series.times.tolist() == sorted(series.times.tolist())


def test_a_longer_interval_is_no_gap_for_long() -> None:
    """When samples come every ten seconds instead of every one, only the first of them looks late."""
    rhythm = Rhythm()
    late = [rhythm.beat(second * SECOND) for second in (0, 1, 2, 12, 22, 32, 42)]
    assert late == [False, False, False, True, False, False, False]


def test_outages_stay_gaps() -> None:
    """A daemon that dies again and again does not make its absence the usual."""
    rhythm = Rhythm()
    late = [rhythm.beat(second * SECOND) for second in (0, 1, 2, 102, 103, 203, 204, 304, 305)]
    assert late == [False, False, False, True, False, True, False, True, False]


def test_time_that_goes_back_begins_anew() -> None:
    """A recording that is played again does not draw over its first time."""
    series, rate, matrix = Series(9), Rate(9), Matrix(1, 9)
    for second in (10, 11, 12, 3, 4):
        series.append(second * SECOND, second)
        rate.add(second * SECOND, second)
        matrix.add(second * SECOND, [second])
    assert series.values.tolist() == [3, 4]
    assert rate.values.tolist() == [1]
    assert matrix.counts.tolist() == [[1]]


def test_a_rate_is_growth_per_second() -> None:
    """Half a second counts double; the first sample alone has no rate."""
    rate = Rate(9)
    rate.add(0, 100)
    assert len(rate) == 0
    rate.add(SECOND, 150)
    rate.add(3 * SECOND // 2, 250)
    assert rate.values.tolist() == [50, 200]
    assert rate.times.tolist() == [SECOND, 3 * SECOND // 2]


def test_a_total_that_shrank_is_a_gap() -> None:
    """What happened while it began anew is not known, and surely not negative; after that it goes on."""
    rate = Rate(9)
    for second, total in enumerate((100, 200, 5, 25)):
        rate.add(second * SECOND, total)
    assert nans(rate.values) == [100, None, 20]
    assert rate.last == 20


def test_a_rate_over_a_gap_is_not_told() -> None:
    """Growth over a minute is no rate of a second."""
    rate = Rate(9)
    for second, total in ((0, 0), (1, 10), (60, 1000), (61, 1010)):
        rate.add(second * SECOND, total)
    assert nans(rate.values) == [10, None, 10]


def test_rates_of_large_totals_are_exact() -> None:
    """One more on top of 2**63 is one, though floats have no such digits; numpy's integers do not wrap."""
    rate = Rate(9)
    for second, total in enumerate((2**63, 2**63 + 1, np.uint64(2**63 + 1), np.uint64(2**64 - 1))):
        rate.add(second * SECOND, total)
    assert rate.values.tolist() == [1, 0, 2.0**63 - 2]


def test_the_same_moment_twice_is_one_sample() -> None:
    """A snapshot that two screens hand on makes no interval of zero."""
    rate, matrix = Rate(9), Matrix(1, 9)
    for _ in range(2):
        rate.add(SECOND, 5)
        matrix.add(SECOND, [5])
    assert len(rate) == len(matrix) == 0


def test_a_matrix_has_counts_of_each_interval() -> None:
    """From totals by slot to what each slot grew by, up to the largest totals there are."""
    matrix = Matrix(3, 4)
    for second, totals in enumerate(([0, 1, 2**64 - 2], [1, 1, 2**64 - 1], [5, 2, 2**64 - 1])):
        matrix.add(second * SECOND, np.array(totals, dtype=np.uint64))
    assert matrix.counts.tolist() == [[1, 0, 1], [4, 1, 0]]
    assert matrix.times.tolist() == [SECOND, 2 * SECOND]


def test_a_matrix_that_began_anew_has_a_gap() -> None:
    """If any slot shrank the whole interval is unknown."""
    matrix = Matrix(2, 9)
    for second, totals in enumerate(((5, 5), (6, 6), (7, 0), (8, 3))):
        matrix.add(second * SECOND, totals)
    assert [nans(row) for row in matrix.counts] == [[1, 1], [None, None], [1, 3]]


def test_a_matrix_is_bounded() -> None:
    """Old intervals leave."""
    matrix = Matrix(1, 5)
    for second in range(100):
        matrix.add(second * SECOND, [second * second])
    assert matrix.counts[:, 0].tolist() == [189, 191, 193, 195, 197]


def test_a_matrix_takes_no_other_number_of_slots() -> None:
    """A map with other slots is another history."""
    with pytest.raises(ValueError, match="slots"):
        Matrix(2).add(0, [1, 2, 3])


def test_cleared_is_empty() -> None:
    """Nothing of before is compared with what comes after."""
    rate = Rate(9)
    rate.add(0, 1)
    rate.add(SECOND, 2)
    rate.clear()
    rate.add(2 * SECOND, 3)
    assert len(rate) == 0


@given(STEPS, st.lists(st.integers(0, 2**64 - 1), min_size=60, max_size=60), st.integers(1, 20))
def test_histories_are_ordered_bounded_and_never_negative(steps: list[int], totals: list[int], capacity: int) -> None:
    """Whatever times and totals come, in whatever order."""
    series, rate, matrix = Series(capacity), Rate(capacity), Matrix(1, capacity)
    now = 1_700_000_000 * SECOND
    for step, total in zip(steps, totals, strict=False):
        now += step
        series.append(now, total)
        rate.add(now, total)
        matrix.add(now, [total])
    for history in (series, rate, matrix):
        assert len(history) == len(history.times) <= capacity
        assert (np.diff(history.times) > 0).all()
    for values in (rate.values, matrix.counts[:, 0]):
        assert not (values < 0).any()
