"""The filter: what people type, and which rows they mean by it."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.sheets import CALLS, calls_sheet, column, texts, with_counts
from tui.model.filter import select
from tui.model.quantity import quantity
from tui.model.sheet import Sheet

SHEET = calls_sheet()


def chosen(text: str, sheet: Sheet = SHEET) -> list[int]:
    selection = select(sheet, text)
    assert not selection.problem
    return list(range(len(sheet))) if selection.mask is None else np.flatnonzero(selection.mask).tolist()


def problem(text: str, sheet: Sheet = SHEET) -> str:
    selection = select(sheet, text)
    assert selection.mask is None
    return selection.problem


@pytest.mark.parametrize("text", ["", "   ", '"', '""'])
def test_no_filter_means_all_rows(text: str) -> None:
    """Nothing is masked, so that nothing is copied either."""
    assert select(SHEET, text).mask is None
    assert not select(SHEET, text).problem


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("dd", [0, 1]),
        ("SYSTEM", [2]),
        ("re", [1, 2]),
        ("dd re", [1]),
        ('"b c"', [3]),
        ('"b c', [3]),
        ("nobody", []),
        ("42", [3]),
        ("500", [2]),
        ("9,000", [0]),
        ("7", [0, 1]),
    ],
)
def test_a_word_is_in_any_text_or_equal_to_any_number(text: str, rows: list[int]) -> None:
    """Case does not matter, several words must all be there, quotation marks hold blanks together."""
    assert chosen(text) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("syscall=read", [1, 2]),
        ("syscall==READ", [1, 2]),
        ("syscall = read", [1, 2]),
        ("syscall=rea", []),
        ("syscall!=read", [0, 3]),
        ("syscall~rea", [1, 2]),
        ("syscall!~rea", [0, 3]),
        ('comm="web content"', [3]),
        ('comm=""', []),
        ("pid=7", [0, 1]),
        ("pid!=7", [2, 3]),
        ("count>500", [0, 1]),
        ("count>=500", [0, 1, 2]),
        ("count<500", [3]),
        ("count<=0.5k", [2, 3]),
        ("COUNT>8k pid=7", [0]),
        ("errors>0", [1, 3]),
        ("p99>1ms", [1, 3]),
        ("p99_ns<=50us", [0, 2]),
        ("p99>=3s", [3]),
        ("p99 > 1.5ms  syscall=read", [1]),
        ("count>-1", [0, 1, 2, 3]),
        ("pid=99999999999999999999999", []),
        ("pid<99999999999999999999999", [0, 1, 2, 3]),
    ],
)
def test_a_column_is_compared_with_a_value(text: str, rows: list[int]) -> None:
    """By its name or its title; numbers in the unit they have on the screen."""
    assert chosen(text) == rows


def test_rates_can_be_asked_for_by_their_title() -> None:
    """`count/s` is a column like any other, but a number alone does not mean a rate."""
    sheet = with_counts(10, 20, 30, 40)
    assert chosen("count/s>20", sheet) == [2, 3]
    assert chosen("30", sheet) == [2]


def test_a_histogram_is_compared_by_its_total() -> None:
    """How many there are, whichever slot they are in."""
    slots = np.array([[1] * 8, [2] * 8], np.uint64)
    assert chosen("latency>8", Sheet("s", (column("latency", slots),))) == [1]


def test_bytes_are_found_as_their_hex() -> None:
    """What is shown can be asked for."""
    sheet = Sheet("s", (column("key", np.array([[0xDE, 0xAD], [0xBE, 0xEF]], np.uint8), key=True),))
    assert chosen("ead", sheet) == [0]
    assert chosen("key=BEEF", sheet) == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sycall=read", "there is no column 'sycall'; did you mean syscall?"),
        ("call=read", "there is no column 'call'; did you mean syscall?"),
        ("x=1", "there is no column 'x'; there are pid, comm, syscall, count, errors, p99"),
        ("pid=dd", "pid has numbers like 1500, and 'dd' is none"),
        ("p99>1MiB", "p99 has numbers like 1.5ms, and '1MiB' is none"),
        ("count>1ms", "count has numbers like 1500, and '1ms' is none"),
        ("comm>a", "comm has texts: ask with = != ~ !~, not with >"),
        ("pid~7", "pid has numbers: ask with = != > >= < <=, not with ~"),
        ("pid=", "'pid=' needs a value behind it"),
        ("dd p99 >", "'p99>' needs a value behind it"),
        (">5", "'>5' needs a column before it"),
    ],
)
def test_a_filter_that_is_not_understood_hides_nothing_and_says_why(text: str, said: str) -> None:
    """One sentence, with what to write instead."""
    assert problem(text) == said


@given(st.text(st.sampled_from(list('ad7 ="<>!~.,µm\x1b[/')), max_size=12))
def test_no_text_makes_it_fail(text: str) -> None:
    """People see what they type while they type it."""
    selection = select(SHEET, text)
    assert selection.mask is None or (not selection.problem and len(selection.mask) == len(CALLS))


OPERATORS = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6),
    op=st.sampled_from(sorted(OPERATORS)),
    wanted=st.integers(-(2**65), 2**65),
)
def test_whole_numbers_are_compared_exactly(values: list[int], op: str, wanted: int) -> None:
    """Also those that a float would round, and those that the column's type cannot have."""
    sheet = Sheet("s", (column("n", np.array(values, np.int64)),))
    assert chosen(f"n{op}{wanted}", sheet) == [i for i, value in enumerate(values) if OPERATORS[op](value, wanted)]


@given(
    values=st.lists(st.text(st.sampled_from("aB c"), max_size=3), min_size=1, max_size=6),
    wanted=st.sampled_from(["a", "b", "ab"]),
)
def test_texts_are_searched_without_case(values: list[str], wanted: str) -> None:
    """Each row is found if its own text has the word."""
    sheet = Sheet("s", (column("t", texts(values)),))
    assert chosen(wanted, sheet) == [i for i, value in enumerate(values) if wanted in value.casefold()]


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("1,234", "", 1234), ("1_000", "", 1000), ("0x1F", "", 31), ("1.5k", "count", 1500), ("-3", "", -3),
        (".5", "", 0.5), ("1e3", "", 1000), ("2ms", "ns", 2_000_000), ("1.5 s", "ns", 1_500_000_000),
        ("3µs", "ns", 3000), ("10MiB", "bytes", 10 << 20), ("10MB", "bytes", 10_000_000), ("1k", "bytes", 1024),
        ("12%", "permille", 120), ("12", "permille", 120), ("18446744073709551615", "", 2**64 - 1),
        ("dd", "", None), ("", "", None), ("1ms", "", None), ("1e999", "", None), ("5s5", "ns", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, unit: str, number: float | None) -> None:
    """In the unit of the column they are compared with; whole ones exactly."""
    assert quantity(text, unit) == number
