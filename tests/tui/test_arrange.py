"""The order of rows: stable, what is not known last, whatever a column has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.sheets import CALLS, calls_sheet, column, texts, with_counts
from tui.model.arrange import Order, arrange, first_order, natural, told
from tui.model.sheet import Sheet


def arranged(sheet: Sheet, name: str, descending: bool = False) -> list[int]:
    return arrange(sheet, None, Order(name, descending)).tolist()


def test_the_fastest_row_comes_first_unless_somebody_asks_for_another() -> None:
    """Without rates a table stays as it is."""
    assert natural(with_counts(1, 2, 3, 4)) == Order("count/s", descending=True)
    assert natural(calls_sheet()) is None
    assert arrange(calls_sheet(), None, None).tolist() == [0, 1, 2, 3]


def test_numbers_are_asked_for_largest_first_and_texts_from_a() -> None:
    """What people look for in either."""
    sheet = calls_sheet()
    assert first_order(sheet.by_name["count"]) == Order("count", descending=True)
    assert first_order(sheet.by_name["comm"]) == Order("comm", descending=False)


def test_an_order_in_words_says_what_comes_first() -> None:
    """Counts are many or few; what tells rows apart is a name or a number; of no order there is nothing to say."""
    sheet = calls_sheet()
    orders = [Order("count", True), Order("count", False), Order("pid", True), Order("pid", False),
              Order("comm", False), Order("comm", True), Order("gone", True), None]  # fmt: skip
    assert [told(order, sheet) for order in orders] == [
        "by count, most first", "by count, least first", "by pid, highest first", "by pid, lowest first",
        "by comm, A first", "by comm, Z first", "", "",
    ]  # fmt: skip


def test_only_rows_that_the_filter_leaves_are_shown() -> None:
    """Their numbers are those of the sheet."""
    mask = np.array([True, False, True, True])
    assert arrange(calls_sheet(), mask, Order("count", descending=False)).tolist() == [3, 2, 0]


def test_equal_rows_keep_their_own_order_both_ways() -> None:
    """Nothing jumps about when the numbers stay."""
    sheet = calls_sheet()
    assert arranged(sheet, "pid") == [2, 0, 1, 3]
    assert arranged(sheet, "pid", descending=True) == [3, 0, 1, 2]


def test_a_column_that_is_not_there_orders_nothing() -> None:
    """What was remembered may be of a probe that has changed."""
    assert arranged(calls_sheet(), "gone") == [0, 1, 2, 3]


def test_texts_stand_together_whatever_their_case() -> None:
    """As people look for names."""
    assert arranged(Sheet("s", (column("t", texts(["b", "B", "a", "C"])),)), "t") == [2, 1, 0, 3]


def test_histograms_go_by_their_total_and_bytes_by_their_hex() -> None:
    """What is compared in a filter is what orders."""
    slots = np.array([[3] * 8, [1] * 8, [2] * 8], np.uint32)
    raw = np.array([[2, 0], [0, 9], [1, 5]], np.uint8)
    sheet = Sheet("s", (column("slots", slots), column("raw", raw, key=True)))
    assert arranged(sheet, "slots") == [1, 2, 0]
    assert arranged(sheet, "raw") == [1, 2, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.uint64, np.bool_])
@pytest.mark.parametrize("descending", [False, True])
def test_the_least_number_of_a_type_has_its_place(dtype: type[np.generic], descending: bool) -> None:
    """It has no negative in that type."""
    info = (0, 1) if dtype is np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)  # type: ignore[type-var]
    values = np.array([info[1], info[0], info[1], info[0]], dtype=dtype)
    expected = [0, 2, 1, 3] if descending else [1, 3, 0, 2]
    assert arranged(Sheet("s", (column("n", values),)), "n", descending) == expected


@given(
    values=st.lists(st.floats(allow_nan=True), max_size=8),
    descending=st.booleans(),
    mask=st.lists(st.booleans(), max_size=8),
)
def test_numbers_are_sorted_as_python_sorts_them(values: list[float], descending: bool, mask: list[bool]) -> None:
    """With what is not known last either way."""
    shown = (mask + [True] * len(values))[: len(values)]
    rows = [row for row, kept in enumerate(shown) if kept]
    known = [row for row in rows if not math.isnan(values[row])]
    expected = sorted(known, key=lambda row: -values[row] if descending else values[row])
    sheet = Sheet("s", (column("n", np.array(values, np.float64)),))
    found = arrange(sheet, np.array(shown, np.bool_), Order("n", descending)).tolist()
    assert found == expected + [row for row in rows if math.isnan(values[row])]


@given(st.lists(st.text(st.sampled_from("abAB1 "), max_size=2), max_size=12), st.booleans())
def test_texts_are_sorted_as_python_sorts_them(values: list[str], descending: bool) -> None:
    """By distinct texts, which gives the same order as row by row."""
    keys = [(value.casefold(), value) for value in values]
    # `reverse` keeps equal rows in their order, as a descending order here does.
    expected = sorted(range(len(values)), key=lambda row: keys[row], reverse=descending)
    assert arranged(Sheet("s", (column("t", texts(values)),)), "t", descending) == expected


def test_rows_of_the_calls_are_in_order() -> None:
    """The same on a table as the probe has it."""
    assert arranged(calls_sheet(), "p99_ns", descending=True) == sorted(range(4), key=lambda row: -CALLS[row][5])
