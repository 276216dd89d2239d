"""Charts: what they look like, and that they always fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.drawn import assert_fits, text
from tracerd.views.format import duration, size
from tui.draw.chart import Curve, Scale, chart
from tui.draw.palette import Palette

PALETTE = Palette()
SECOND = 10**9
GAP = float("nan")
ANY = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 2.0**64 - 1, GAP]))


def curve(values: Sequence[float], name: str = "events/s") -> Curve:
    """Return a curve with a value each second."""
    return Curve(name, np.arange(len(values), dtype=np.int64) * SECOND, np.array(values, dtype=np.float64))


def test_one_curve_is_an_area_with_scale_and_ages() -> None:
    """The scale is round, the largest value has a mark above it, the last one a dot, the newest is on the right."""
    assert text(chart([curve(range(11))], 24, 9, PALETTE)) == [
        "● events/s 10  ▾ max 10",
        "   │                   ▾",
        "10 ┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈●",
        "   │              ⢀⣠⣴⣶⣿⣿",
        " 5 ┤┈┈┈┈┈┈┈┈┈⢀⣠⣴⣶⣿⣿⣿⣿⣿⣿⣿",
        "   │    ⢀⣠⣤⣶⣾⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿",
        " 0 ┤⣠⣤⣶⣾⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿",
        "   └┴──────────────────┴",
        "  -10s               now",
    ]


def test_smallest_chart_has_all_that_counts() -> None:
    """20 by 4 cells have the last value, a scale, the curve and ages."""
    assert text(chart([curve([0, 0, 0, 0, 5, 5, 5])], 20, 4, PALETTE)) == [
        "● events/s 5",
        "5 ┤┈┈┈┈┈┈┈┈┈┈┈▾⣀⣀⣀⣀●",
        "0 ┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣴⣿⣿⣿⣿⣿⣿⣿",
        "     -5s         now",
    ]


def test_a_gap_stays_empty() -> None:
    """Where nothing is known there is a broken line at the bottom instead of a curve that was never seen."""
    assert text(chart([curve([4, 4, 4, GAP, GAP, GAP, GAP, 4, 4, 8, 4])], 34, 5, PALETTE)) == [
        "● events/s 4  ▾ max 8",
        "10 ┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈▾┈┈┈",
        "   │                        ⣀⣤⣶⣦⣄⡀",
        " 0 ┤⣿⣿⣿⣿⣿⣿⡇╌╌╌╌╌╌╌╌╌╌╌╌╌⢸⣿⣿⣿⣿⣿⣿⣿⣿●",
        "  -10s           -5s           now",
    ]


def test_several_curves_are_lines_with_marks() -> None:
    """Each line has its own mark here and there and at its end, so that no colour is needed to know it."""
    assert text(chart([curve([1] * 20, "a"), curve([3] * 20, "b")], 30, 6, PALETTE)) == [
        "● a 1  ▾ max 1  ▲ b 3  ▾ max 3",
        "2.5 ┤⠒⠒⠒⠒⠒⠒⠒⠒▲⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒▲",
        "    │",
        "    │●⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤●⠤⠤⠤⠤⠤⠤⠤●",
        "  0 ┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
        "              -10s         now",
    ]


def test_values_have_the_unit_of_their_format() -> None:
    """Times are written as times."""
    assert text(chart([curve([1.5e6] * 3 + [5e5] * 3, "p99")], 30, 5, PALETTE, Scale(duration))) == [
        "● p99 500µs  ▾ max 1.50ms",
        "2.00ms ┤▾┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
        "       │⣶⣶⣶⣶⣶⣶⣶⣶⣶⣦⣄⡀",
        "   0ns ┤⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿⣷⣶⣶⣶⣶⣶⣶⣶⣶●",
        "       -5s                 now",
    ]


def test_bytes_have_a_binary_scale() -> None:
    """3 MiB lie below 4 MiB."""
    lines = text(chart([curve([3 << 20] * 6)], 30, 5, PALETTE, Scale(size, binary=True)))
    assert lines[1].startswith("4.0 MiB ┤")


def test_a_span_does_not_stretch_what_there_is() -> None:
    """Ten seconds of a minute take a sixth of the picture."""
    lines = text(chart([curve(range(11))], 40, 4, PALETTE, Scale(span_ns=60 * SECOND)))
    assert lines[2] == " 0 ┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈⢀⣤⣤⣶⣾⣿⣿"
    assert lines[3] == "   -1m              -30s             now"


def test_a_fixed_top_stays() -> None:
    """A share of a CPU is drawn against all of it."""
    lines = text(chart([curve([0.1] * 5)], 30, 4, PALETTE, Scale(lambda value: f"{value:.0%}", top=1.0)))
    assert lines[1].startswith("100% ┤")


def test_a_short_peak_is_seen_in_a_narrow_picture() -> None:
    """One high value among thousands is not lost between two columns."""
    values = [1.0] * 5000
    values[2345] = 100.0
    lines = text(chart([curve(values)], 30, 8, PALETTE))
    assert lines[0].endswith("max 100")
    assert any("⢸" in each or "⡇" in each for each in lines[2:4])


def test_a_little_is_not_nothing() -> None:
    """One loss beside ten thousand is a dot above the base line."""
    few = text(chart([curve([0, 0, 0, 1, 1, 1, 10_000])], 30, 5, PALETTE))
    none = text(chart([curve([0, 0, 0, 0, 0, 0, 10_000])], 30, 5, PALETTE))
    assert few[3] != none[3]


def test_nothing_yet_says_so() -> None:
    """A chart without a sample is not a chart of zero."""
    assert text(chart([], 30, 4, PALETTE))[2] == "0 ┤┈┈┈┈┈┈┈┈no data yet┈┈┈┈┈┈┈┈"


def test_names_of_several_stay_when_values_have_no_room() -> None:
    """Which line is which matters more than their last values."""
    curves = [curve([each], f"number{each}") for each in range(3)]
    assert text(chart(curves, 36, 5, PALETTE))[0] == "● number0  ▲ number1  ■ number2"


def test_a_name_cannot_command_the_terminal() -> None:
    """Escape sequences in a name are shown, not sent."""
    assert "\x1b" not in "".join(text(chart([curve([1], "\x1b[2J[bold]")], 40, 5, PALETTE)))
    assert "\\x1b[2J[bold]" in text(chart([curve([1], "\x1b[2J[bold]")], 40, 5, PALETTE))[0]


def test_labels_that_say_the_same_are_written_once() -> None:
    """A format without digits after the point would say 0 for 0 and for 0.5."""
    lines = text(chart([curve([1] * 5)], 30, 12, PALETTE, Scale(lambda value: f"{value:.0f}")))
    assert sum(line.startswith("0 ┤") for line in lines) == 1


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2**40), ANY), max_size=20), max_size=3),
    st.integers(0, 90), st.integers(0, 20), st.integers(0, 2**50), st.booleans(),
)  # fmt: skip
def test_a_chart_always_fits(
    samples: list[list[tuple[int, float]]], width: int, height: int, span_ns: int, binary: bool
) -> None:
    """Whatever the values, the size and the span: as many lines as asked for, as wide as asked for, and no error."""
    curves = []
    for rows in samples:
        rows = sorted(rows, key=lambda row: row[0])
        times = np.array([each for each, _ in rows], dtype=np.int64)
        curves.append(Curve("n", times, np.array([each for _, each in rows], dtype=np.float64)))
    assert_fits(chart(curves, width, height, PALETTE, Scale(span_ns=span_ns, binary=binary)), width, height)


@given(st.text(max_size=30), st.integers(1, 60))
def test_any_name_fits(name: str, width: int) -> None:
    """Names of others may be long, wide or not printable."""
    assert_fits(chart([curve([1, 2], name)], width, 5, PALETTE), width, 5)
