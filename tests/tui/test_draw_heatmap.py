"""Heat maps: cells by time and slot, which cell is where, and what is told of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.drawn import assert_fits, text
from tui.draw.heatmap import Heat, Plan, heatmap
from tui.draw.palette import Palette
from tui.draw.slots import log2_edges

PALETTE = Palette()
SECOND = 10**9


def growing() -> Heat:
    """Return twelve intervals of 5 s: one slot with more and more, one that stays, a gap of two intervals."""
    counts = np.zeros((12, 10))
    counts[:, 4] = [1, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1000]
    counts[:, 6] = 10
    counts[3, 2] = 1
    counts[5:7] = np.nan
    return Heat(np.arange(12, dtype=np.int64) * 5 * SECOND, counts, log2_edges(10))


def drawn(heat: Heat, width: int, height: int, cursor: tuple[int, int] | None = None) -> list[str]:
    """Return the picture as text."""
    return text(heatmap(Plan.of(heat, width, height), height, PALETTE, cursor=cursor))


def test_heat_is_shade_and_time_goes_right() -> None:
    """More is darker, a gap is not an empty column, a scale tells what shades mean; slots around are shown too."""
    assert drawn(growing(), 40, 9) == [
        "128ns ┤                          ┊┊",
        " 64ns ┤                     ▒▒▒▒▒┊┊▒▒▒▒▒",
        " 32ns ┤                          ┊┊",
        " 16ns ┤                     ░░░▒▒┊┊▓▓███",
        "  8ns ┤                          ┊┊",
        "  4ns ┤                        ░ ┊┊",
        "  2ns ┤                          ┊┊",
        "                               -30s  now",
        "       1 ░░░▒▒▒▓▓▓███ 1k per interval",
    ]


def test_slots_are_joined_where_lines_are_few() -> None:
    """Neighbours share a line; nothing is left out."""
    assert drawn(growing(), 24, 5) == [
        "64ns ┤      ▒▒▒▒▒┊┊▒▒▒▒▒",
        "16ns ┤      ░░░▒▒┊┊▓▓███",
        " 4ns ┤         ░ ┊┊",
        "               -30s  now",
        "1 ░░░▒▒▒▓▓▓███ 1k",
    ]


def test_slots_are_two_lines_high_where_there_is_room() -> None:
    """Few slots fill a high picture."""
    assert drawn(growing(), 30, 18)[4:8] == [
        "      │           ▒▒▒▒▒┊┊▒▒▒▒▒",
        " 64ns ┤           ▒▒▒▒▒┊┊▒▒▒▒▒",
        "      │                ┊┊",
        " 32ns ┤                ┊┊",
    ]


def test_the_cursor_tells_time_bounds_and_number() -> None:
    """The cell has a mark, and the last line says what it holds."""
    lines = drawn(growing(), 60, 7, cursor=(57, 2))
    assert lines[2] == "16ns ┤                                          ░░░▒▒┊┊▓▓┼██"
    assert lines[6].endswith("-10s  16ns – 32ns  500")


def test_a_gap_is_not_known() -> None:
    """A cell of a gap tells no number."""
    assert drawn(growing(), 60, 7, cursor=(54, 2))[6].endswith("-25s  16ns – 32ns  not known")


def test_single_events_are_not_all_heat() -> None:
    """A picture whose largest cell is 1 has the lowest shade only."""
    counts = np.zeros((5, 4))
    counts[:, 1] = 1
    assert drawn(Heat(np.arange(5) * SECOND, counts, log2_edges(4)), 25, 5)[1].endswith("░░░░░")


def test_ages_are_those_of_the_columns() -> None:
    """A gap is one column, however long it was: half an hour ago is below it."""
    times = np.array([*range(20), *range(3600, 3620)], dtype=np.int64) * SECOND
    counts = np.ones((40, 3))
    counts[20] = np.nan
    assert drawn(Heat(times, counts, log2_edges(3)), 46, 6)[2:4] == [
        "0ns ┤ ░░░░░░░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░",
        "                        -30m               now",
    ]


def test_nothing_counted_says_so() -> None:
    """An empty heat map is a sentence, before the first interval and when all are empty."""
    empty = Heat(np.zeros(0, dtype=np.int64), np.zeros((0, 4)), log2_edges(4))
    zeros = Heat(np.arange(3) * SECOND, np.zeros((3, 4)), log2_edges(4))
    assert drawn(empty, 30, 4)[0] == drawn(zeros, 30, 4)[0] == "nothing counted yet"


def test_a_place_and_its_cell_find_each_other() -> None:
    """Of every cell the plan knows where it is, and at that place it finds the cell."""
    heat = growing()
    plan = Plan.of(heat, 40, 9)
    for taken in heat.times.tolist():
        for slot in range(1, 8):
            place = plan.find(taken, slot)
            assert place is not None
            cell = plan.at(*place)
            assert cell is not None
            assert (cell.taken_ns, slot in cell.slots) == (taken, True)
    assert plan.at(0, 0) is None
    assert plan.find(1, 4) is None


def test_the_fullest_cell_of_the_newest_interval() -> None:
    """There the cursor begins."""
    plan = Plan.of(growing(), 40, 9)
    cell = plan.at(*plan.fullest())
    assert cell is not None
    assert (cell.taken_ns, cell.count) == (55 * SECOND, 1000)


COUNTS = st.one_of(st.integers(0, 2**64 - 1).map(float), st.just(float("nan")))


@given(st.data(), st.integers(0, 90), st.integers(0, 40))
def test_a_heat_map_always_fits(data: st.DataObject, width: int, height: int) -> None:
    """Whatever was counted, wherever the cursor is and however small the room."""
    slots = data.draw(st.integers(1, 12))
    rows = data.draw(st.lists(st.lists(COUNTS, min_size=slots, max_size=slots), max_size=12))
    counts = np.array(rows, dtype=np.float64).reshape(len(rows), slots)
    plan = Plan.of(Heat(np.arange(len(rows)) * SECOND, counts, log2_edges(slots)), width, height)
    cursor = data.draw(st.one_of(st.none(), st.tuples(st.integers(-3, 95), st.integers(-3, 45))))
    assert_fits(heatmap(plan, height, PALETTE, cursor=cursor), width, height)
