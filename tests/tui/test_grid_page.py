"""What of a sheet is in sight: columns that have room, as wide as they need, and lines as wide as the grid."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.sheets import CALLS, calls_sheet, column, texts, with_counts
from tui.model.arrange import Order
from tui.model.sheet import Sheet, SheetColumn
from tui.widgets.grid_page import Line, Page, Tone, header, layout, lines


def page(sheet: Sheet, width: int, skip: int = 0, grown: dict[str, int] | None = None) -> Page:
    return layout(sheet, np.arange(len(sheet)), width, skip, {} if grown is None else grown)


def titles(found: Page) -> list[str]:
    return [one.column.title for one in found.placed]


def text(line: Line) -> str:
    return "".join(part for part, _ in line)


def drawn(sheet: Sheet, width: int) -> list[str]:
    found = page(sheet, width)
    return [text(line).rstrip() for line in (header(found, None, width), *lines(found, width))]


def test_numbers_stand_to_the_right_below_their_titles() -> None:
    """Texts to the left; a blank on either edge, two between columns."""
    assert drawn(calls_sheet(), 60) == [
        " pid  comm         syscall  count  errors     p99",
        "   7  dd           write    9,000       -  1.23µs",
        "   7  dd           read     8,000       3  2.00ms",
        "   1  systemd      read       500       -  50.0µs",
        "  42  Web Content  futex       70      70   3.00s",
    ]


def test_columns_that_do_not_fit_are_counted_and_numbers_never_cut() -> None:
    """Two columns of numbers have no room; an arrow says that there are two more."""
    found = page(calls_sheet(), 40)
    assert (titles(found), found.right) == (["pid", "comm", "syscall", "count"], 2)
    assert text(header(found, None, 40)).endswith(" ›2 ")


def test_text_at_the_edge_is_cut_if_enough_of_it_is_left() -> None:
    """An ellipsis says so."""
    sheet = Sheet("s", (column("n", np.array([1])), column("command", texts(["/usr/bin/python3 -m something"]))))
    assert drawn(sheet, 20)[1] == " 1  /usr/bin/pytho…"
    assert titles(page(sheet, 12)) == ["n"]


def test_long_texts_give_way_to_other_columns_and_take_what_is_left_over() -> None:
    """A command line must not push the numbers off the screen."""
    sheet = Sheet("s", (column("command", texts(["x" * 90])), column("n", np.array([1]))))
    assert [one.width for one in page(sheet, 60).placed] == [55, 1]
    assert [one.width for one in page(sheet, 200).placed] == [90, 1]


def test_columns_scroll_but_keys_stay() -> None:
    """One knows whose numbers they are; what has left is told by an arrow on the left."""
    found = page(calls_sheet(), 40, skip=2)
    assert (titles(found), found.left, found.right) == (["pid", "syscall", "errors", "p99"], 2, 0)
    assert text(header(found, None, 40)).startswith("‹")


def test_keys_that_take_half_of_the_room_scroll_with_the_others() -> None:
    """Else one could never see what is beside them."""
    keys = [SheetColumn(f"k{i}", f"k{i}", texts(["x" * 12]), key=True) for i in range(3)]
    sheet = Sheet("s", (*keys, column("n", np.array([1]))))
    assert titles(page(sheet, 40, skip=2)) == ["k2", "n"]


def test_the_last_column_does_not_scroll_away() -> None:
    """However often the key is pressed."""
    found = page(calls_sheet(), 40, skip=99)
    assert (titles(found), found.left) == (["pid", "syscall", "p99"], 3)


def test_columns_never_get_narrower_while_numbers_change() -> None:
    """A rate that falls by a digit does not make the others jump."""
    grown: dict[str, int] = {}
    wide = [one.width for one in page(with_counts(123_456, 1, 1, 1), 80, 0, grown).placed]
    assert [one.width for one in page(with_counts(1, 1, 1, 1), 80, 0, grown).placed] == wide


def test_the_sorted_column_has_a_mark_behind_its_title() -> None:
    """It points to where the larger ones are; nothing moves for it."""
    found = page(calls_sheet(), 60)
    plain = text(header(found, None, 60))
    down = text(header(found, Order("count", descending=True), 60))
    up = text(header(found, Order("p99_ns", descending=False), 60))
    assert down == plain.replace("count ", "count▼")
    assert up == plain.replace("p99 ", "p99▲")


def test_rates_zeros_and_alerts_are_toned() -> None:
    """The tone only repeats what the text says."""
    rate = with_counts(0, 5, 0, 0).by_name["count/s"]
    sheet = Sheet("s", (rate, SheetColumn("lost", "lost", np.array([0, 1, 0, 0]), alert=True)))
    tones = [[(part.split(), tone) for part, tone in line if part.strip()] for line in lines(page(sheet, 30), 30)]
    assert tones[0] == [(["0", "0"], Tone.ZERO)]
    assert tones[1] == [(["5"], Tone.RATE), (["1"], Tone.ALERT)]


def test_a_place_in_a_line_has_its_column() -> None:
    """Also between two of them; right of the last there is none."""
    found = page(calls_sheet(), 60)
    at = [found.column_at(x) for x in (0, 3, 4, 5, 6, 47, 59)]
    assert [each.name if each is not None else None for each in at] == [
        "pid", "pid", "pid", "comm", "comm", "p99_ns", None,
    ]  # fmt: skip


@given(
    width=st.integers(1, 100), skip=st.integers(0, 9), wide=st.sampled_from(["", "字" * 40, "a\u0301" * 9, "\x1b[31m"])
)
def test_every_line_is_as_wide_as_the_grid(width: int, skip: int, wide: str) -> None:
    """Whatever characters a name has, and however little room there is."""
    sheet = calls_sheet([(call[0], wide + call[1], *call[2:]) for call in CALLS])
    found = page(sheet, width, skip)
    for line in (header(found, Order("comm", descending=False), width), *lines(found, width)):
        assert cell_len(text(line)) == width
