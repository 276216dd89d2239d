"""Numbers as people read them."""

from __future__ import annotations

import time

import pytest

from tracerd.views.format import FORMATS, count, counted, duration, percent, size, time_of_day


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0ns"), (999, "999ns"), (1000, "1.00µs"), (15_340, "15.3µs"), (999_999_999, "1000ms"), (2.5e9, "2.50s")],
)
def test_durations_have_three_figures(ns: float, text: str) -> None:
    """A unit people read, never more than four digits."""
    assert duration(ns) == text


def test_counts_and_sizes_read_easily() -> None:
    """Thousands are separated; bytes have binary units."""
    assert count(1234567) == "1,234,567"
    assert (size(512), size(1536), size(3 << 20)) == ("512 B", "1.5 KiB", "3.0 MiB")


def test_one_thing_is_singular() -> None:
    """One map, two maps, no maps."""
    assert (counted(1, "map"), counted(2, "map"), counted(0, "map")) == ("1 map", "2 maps", "0 maps")


def test_thousandths_are_percentages() -> None:
    """One decimal, as a load of a CPU is told."""
    assert percent(123) == "12.3%"


def test_a_time_of_another_day_has_its_date() -> None:
    """What happened long ago is not taken for today's."""
    long_ago = 86_400 * 10**9 + 7 * 10**6
    assert time_of_day(long_ago) == time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(86_400)) + ".007"


def test_every_unit_of_a_view_has_a_format() -> None:
    """`boot_ns` alone needs more than the number."""
    assert set(FORMATS) == {"count", "ns", "unix_ns", "bytes", "permille"}
