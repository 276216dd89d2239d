"""Which rows are shown, and where the cursor goes when they change places, come and go."""

from __future__ import annotations

from tests.tui.sheets import CALLS, calls_sheet, numbered, with_counts
from tui.model.arrange import Order
from tui.model.browsing import Browsing
from tui.model.cells import key_of
from tui.model.sheet import Sheet


def browsing(sheet: Sheet) -> Browsing:
    made = Browsing()
    made.show(sheet)
    return made


def under(seen: Browsing) -> tuple[object, ...] | None:
    """Return the key of the row under the cursor."""
    return key_of(seen.sheet, seen.row) if seen.sheet is not None and seen.row is not None else None


def test_the_cursor_follows_its_row() -> None:
    """Wherever the order has moved it; another order of the user moves it too."""
    seen = browsing(with_counts(10, 20, 30, 40))
    seen.go(1)
    assert under(seen) == (1, "read")
    seen.show(with_counts(10, 20, 1, 40))
    assert (seen.cursor, under(seen)) == (3, (1, "read"))
    seen.sort(Order("pid", descending=False))
    assert (seen.cursor, under(seen)) == (0, (1, "read"))


def test_a_cursor_that_nobody_has_moved_stays_on_top() -> None:
    """The busiest row is under it, whichever that is."""
    seen = browsing(with_counts(10, 20, 30, 40))
    assert under(seen) == (42, "futex")
    seen.show(with_counts(90, 20, 30, 40))
    assert (seen.cursor, under(seen)) == (0, (7, "write"))


def test_when_its_row_is_gone_the_cursor_stays_where_it_is() -> None:
    """It is then on the row that has taken the place, and follows none."""
    seen = browsing(calls_sheet())
    seen.go(3)
    seen.show(calls_sheet(CALLS[:3]))
    assert (under(seen), seen.held) == ((1, "read"), False)


def test_when_its_row_is_hidden_the_cursor_stays_where_it_is() -> None:
    """A filter is a way for a row to go."""
    seen = browsing(calls_sheet())
    seen.go(2)
    seen.choose("dd")
    assert (seen.rows.tolist(), seen.cursor, seen.held) == ([0, 1], 1, False)


def test_without_keys_the_cursor_keeps_its_row_while_only_the_order_changes() -> None:
    """Newer values cannot be told apart: then it keeps its place."""
    sheet = Sheet("s", tuple(column for column in calls_sheet().columns if not column.key))
    seen = browsing(sheet)
    seen.go(1)
    seen.sort(Order("count", descending=False))
    assert (seen.row, seen.cursor) == (1, 2)
    seen.show(Sheet("s", sheet.columns))
    assert (seen.cursor, seen.held) == (2, False)


def test_another_sheet_begins_at_its_top() -> None:
    """Order and filter are the user's, and stay."""
    seen = browsing(numbered(100))
    seen.choose("id>3")
    seen.go(90)
    seen.show(numbered(80, "others"))
    assert (seen.cursor, seen.row, seen.filter) == (0, 4, "id>3")


def test_no_rows_have_no_cursor() -> None:
    """Wherever it is sent."""
    seen = Browsing()
    seen.go(5)
    assert (seen.row, seen.held) == (None, False)
    seen.show(calls_sheet([]))
    seen.go(5)
    assert (seen.row, seen.cursor, seen.held) == (None, 0, False)
