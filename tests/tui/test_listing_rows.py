"""Lines of instructions and their source, of any width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.feeds import LINES
from tracerd.daemon.feed import ListingLine
from tui.model.listing import LEAST_ROOM, MOST_LINES, listing_rows, widest


def test_nothing_is_folded_in_as_many_columns_as_it_takes() -> None:
    """One fewer folds the longest."""
    notes = {6: "why"}
    wide = widest(LINES, notes)
    rows = listing_rows(LINES, notes, wide)
    assert len(rows) == len(LINES) + 4 + 1
    assert len(listing_rows(LINES, notes, wide - 1)) == len(rows) + 1
    assert (listing_rows([], {}, 80), widest([], {})) == ([], 0)


def test_a_long_file_name_leaves_a_line_to_itself() -> None:
    """The text begins below it."""
    name = "a_long_name_of_a_file.bpf.c"
    place, text = listing_rows([ListingLine(0, "exit", f"{name}:7: return bytes;")], {}, 40)[:2]
    assert (place.place, place.text) == (f"{name}:7  ", "")
    assert (text.text, text.more) == ("return bytes;", True)


@given(st.text(max_size=300), st.integers(1, 120))
def test_folding_loses_nothing_but_blanks(text: str, width: int) -> None:
    """And no line but the last that is allowed is wider than there is room."""
    rows = listing_rows([ListingLine(7, text)], {}, width)
    whole = listing_rows([ListingLine(7, text)], {}, 10_000)[0].text
    assert "".join("".join(row.text for row in rows).split()) == "".join(whole.split())
    assert len(rows) <= MOST_LINES + 1
    if width >= LEAST_ROOM + 10 and len(rows) < MOST_LINES:
        assert all(cell_len(row.text) <= width - 8 for row in rows)
