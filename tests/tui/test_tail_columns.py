"""The order that a stream's fields are read in, and their columns: the same for all of its records."""

from __future__ import annotations

import pytest

from tui.model.tail import Line, Note
from tui.model.tail_columns import WIDEST_TEXT, Columns, in_order

AT = 1_764_000_000_123_000_000
PROCESS = {
    "kind": "started", "pid": 7, "exit_code": 0, "begin_ns": 5, "time_ns": 6, "lifetime_ns": 1_500, "name": "sh",
    "command": "sh -c 'sleep 1; echo it is done'",
}  # fmt: skip
READ = ["kind", "name", "command", "pid", "exit_code", "lifetime_ns", "begin_ns", "time_ns"]


def line(value: object) -> Line:
    return Line(AT, "slow/calls", value)


def learned(*values: object) -> Columns:
    made = Columns()
    for value in values:
        made.learn(line(value), 0)
    return made


def cells(columns: Columns, value: object) -> str:
    return "  ".join(columns.cells(line(value), 0))


def paths(columns: Columns, value: object) -> list[str]:
    return [path for path, _ in columns.ordered(value)]


def test_texts_come_first_and_times_of_a_clock_last() -> None:
    """Short texts before long ones, durations among the numbers; else as in the record."""
    assert [path for path, _ in in_order(PROCESS)] == READ
    assert [path for path, _ in in_order({"path": "/" * 60, "n": 1, "comm": "dd"})] == ["comm", "path", "n"]


def test_the_order_is_that_of_the_stream() -> None:
    """A record whose long text is short this time, or without one, is read as the others are."""
    made = learned({"path": "/" * 60, "n": 1, "comm": "dd"})
    assert paths(made, {"path": "/", "n": 1, "comm": "dd"}) == ["comm", "path", "n"]
    assert paths(made, {"path": "", "n": 1}) == ["path", "n"]


def test_a_field_that_was_a_number_once_and_is_a_text_now_is_a_text() -> None:
    """Such as an enumeration with a number that has no name. It stays one."""
    made = learned({"n": 1, "kind": 9})
    assert paths(made, {"n": 1, "kind": 9}) == ["n", "kind"]
    assert made.learn(line({"n": 1, "kind": "started"}), 0)
    assert not made.learn(line({"n": 1, "kind": 9}), 0)
    assert paths(made, {"n": 1, "kind": 9}) == ["kind", "n"]
    assert cells(made, {"n": 1, "kind": 9}) == "9        1"


def test_columns_are_as_wide_as_what_was_seen_and_have_their_names_above() -> None:
    """Texts at the left, numbers at the right; without quotes, since columns tell texts apart."""
    made = learned({"pid": 7, "comm": "sh"}, {"pid": 12345, "comm": "two words"})
    assert made.heading() == "comm         pid"
    assert cells(made, {"pid": 7, "comm": "sh"}) == "sh             7"
    assert cells(made, {"pid": 12345, "comm": "two words"}) == "two words  12345"
    assert cells(made, {"pid": 1, "comm": ""}) == "               1"


def test_a_long_text_is_cut_with_a_mark() -> None:
    """So that what comes behind it is in sight; wide characters count twice."""
    made = learned({"path": "x" * 99, "n": 1}, {"path": "漢" * 40, "n": 1})
    assert cells(made, {"path": "x" * 99, "n": 1}) == "x" * (WIDEST_TEXT - 1) + "…  1"
    assert cells(made, {"path": "漢" * 40, "n": 1}) == "漢" * 15 + " …  1"


def test_what_a_terminal_would_obey_is_printed_plainly() -> None:
    """In columns too."""
    made = learned({"comm": "\x1b[2J[red]"})
    assert cells(made, {"comm": "\x1b[2J[red]"}) == "\\x1b[2J[red]"


def test_a_field_that_a_record_does_not_have_is_blank() -> None:
    """Records of a ring may be of several types."""
    made = learned({"comm": "sh", "pid": 7}, {"size": 4096})
    assert made.heading() == "comm  pid  size"
    assert cells(made, {"size": 4096}) == "           4096"


@pytest.mark.parametrize("value", ["a printed line", Note("a gap"), 5])
def test_what_has_no_fields_has_no_columns(value: object) -> None:
    """It is told as it is."""
    made = Columns()
    assert not made.learn(line(value), 0)
    assert made.heading() == ""


def test_nothing_is_drawn_anew_for_what_fits() -> None:
    """Only for a new column, or a wider one."""
    made = Columns()
    assert made.learn(line({"comm": "dd", "pid": 12}), 0)
    assert not made.learn(line({"comm": "sh", "pid": 7}), 0)
    assert not made.learn(line({"comm": "sh"}), 0)
    assert made.learn(line({"comm": "sleep", "pid": 7}), 0)
