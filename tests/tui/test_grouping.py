"""Rows that have something in common as one: which columns that goes by, what adds up, and rates that stay right."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.sheets import CALLS, calls_sheet, column, texts
from tracerd.daemon.feed import MapInfo
from tracerd.snapshot import Column, Meaning, Table
from tui.model.grouping import adds_up, group_columns, grouped, groups_of, next_by
from tui.model.map_rows import map_rows
from tui.model.maps import Item
from tui.model.opened import Opened
from tui.model.rates import rated
from tui.model.sheet import Sheet, SheetColumn

SECOND = 10**9
MOST = 2**64 - 1
MORE = (*CALLS, (9, "dd", "read", 100, 1, 7), (9, "dd", "write", 50, 0, 9))
"""Two processes are called dd."""


def told(sheet: Sheet) -> dict[str, list[Any]]:
    """Return a sheet's values by column."""
    return {each.name: each.values.tolist() for each in sheet.columns}


# ---- by what


def test_rows_are_grouped_by_parts_of_their_key_and_by_texts_that_come_often() -> None:
    """In the order of the columns."""
    assert group_columns(calls_sheet(MORE)) == ("pid", "comm", "syscall")


def test_a_text_that_most_rows_have_for_themselves_groups_nothing() -> None:
    """Nor does a key that is one column: all its values are different."""
    keys = column("pid", np.arange(4, dtype=np.uint32), key=True)
    command = column("command", texts(["a", "b", "c", "c"]))
    state = column("state", texts(["on", "off", "on", "on"]))
    assert group_columns(Sheet("s", (keys, command, state))) == ("state",)


def test_numbers_are_no_names() -> None:
    """How many rows have 3 errors is another question."""
    same = column("errors", np.zeros(4, np.uint64), unit="count", rate=True)
    assert group_columns(Sheet("s", (same, column("slots", np.zeros((4, 8), np.uint32))))) == ()


@pytest.mark.parametrize("rows", [0, 1])
def test_what_has_no_rows_to_put_together_is_not_grouped(rows: int) -> None:
    """There would be as many."""
    assert group_columns(calls_sheet(MORE[:rows])) == ()


def test_the_ways_come_round() -> None:
    """From rows as they are to rows as they are."""
    sheet, seen = calls_sheet(MORE), [""]
    for _ in range(4):
        seen.append(next_by(sheet, seen[-1]))
    assert seen == ["", "pid", "comm", "syscall", ""]
    assert next_by(calls_sheet(MORE[:1]), "") == ""


def test_a_way_that_rows_do_not_offer_any_more_still_leads_on() -> None:
    """They have changed since it was chosen; a column that is gone is as none."""
    sheet = calls_sheet([(7, "dd", "read", 1, 0, 1), (7, "sh", "write", 1, 0, 1)])
    assert group_columns(sheet) == ("pid",)
    assert next_by(sheet, "comm") == ""
    assert next_by(sheet, "") == "pid"
    assert next_by(sheet, "gone") == "pid"


# ---- what comes of it


def test_counts_are_added_up_and_times_are_left_out() -> None:
    """A percentile of several rows is in none of them."""
    sheet = grouped(calls_sheet(), "pid")
    assert told(sheet) == {
        "pid": [7, 1, 42], "rows": [2, 1, 1], "comm": ["dd", "systemd", "Web Content"],
        "syscall": ["2 different", "read", "futex"], "count": [17_000, 500, 70], "errors": [3, 0, 70],
    }  # fmt: skip


def test_a_grouped_sheet_has_a_name_and_a_key_of_its_own() -> None:
    """So order and filter are remembered apart, and rows are found again."""
    sheet = grouped(calls_sheet(MORE), "comm")
    assert sheet.name == "syscalls by comm"
    assert [each.name for each in sheet.keys] == ["comm"]
    assert sheet.columns[0].name == "comm"
    assert sheet.by_name["errors"].unit == "count"


def test_a_sheet_without_the_column_is_as_it_is() -> None:
    """As one is that nobody groups."""
    sheet = calls_sheet()
    assert grouped(sheet, "") is sheet
    assert grouped(sheet, "cpu") is sheet


def test_groups_come_in_the_order_of_their_first_rows() -> None:
    """A view is sorted already."""
    assert told(grouped(calls_sheet(MORE), "syscall"))["syscall"] == ["write", "read", "futex"]


def test_nothing_grouped_is_nothing() -> None:
    """With its columns all the same, and histograms among them."""
    empty = calls_sheet(())
    slots = column("latency", np.zeros((0, 8), np.uint32))
    sheet = grouped(Sheet("s", (*empty.columns, slots)), "pid")
    assert len(sheet) == 0
    assert [each.name for each in sheet.columns] == ["pid", "rows", "comm", "syscall", "count", "errors", "latency"]
    assert sheet.by_name["latency"].values.shape == (0, 8)


def test_histograms_are_added_up_slot_by_slot() -> None:
    """In 64 bits, whatever theirs are."""
    slots = np.array([[255] * 8, [1] * 8, [2] * 8], np.uint16)
    name = column("name", texts(["a", "a", "b"]), key=True)
    sheet = grouped(Sheet("s", (name, column("latency", slots))), "name")
    assert sheet.by_name["latency"].values.tolist() == [[256] * 8, [2] * 8]
    assert sheet.by_name["latency"].values.dtype == np.uint64


def test_large_numbers_keep_every_digit() -> None:
    """They do not become floats; negative ones stay so."""
    name = column("name", texts(["a", "b", "a"]), key=True)
    large = column("count", np.array([2**63 + 1, MOST, 2**62 + 1], np.uint64), rate=True)
    balance = column("open", np.array([-3, 4, 1], np.int32))
    assert told(grouped(Sheet("s", (name, large, balance)), "name")) == {
        "name": ["a", "b"], "rows": [2, 1], "count": [2**63 + 2**62 + 2, MOST], "open": [-2, 4],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "adds"),
    [
        (column("count", np.zeros(1, np.uint64), rate=True), True),
        (column("errors", np.zeros(1, np.uint64), unit="count"), True),
        (column("memory", np.zeros(1, np.uint64), unit="bytes"), True),
        (column("total_ns", np.zeros(1, np.uint64), unit="ns"), True),
        (column("threads", np.zeros(1, np.uint32)), True),
        (column("seconds", np.zeros(1, np.float64), rate=True), True),
        (column("latency", np.zeros((1, 27), np.uint32)), True),
        (column("pid", np.zeros(1, np.uint32), key=True), False),
        (column("p99_ns", np.zeros(1, np.int64), unit="ns"), False),
        (column("lived_ns", np.zeros(1, np.int64), unit="ns"), False),
        (column("cpu_permille", np.zeros(1, np.uint32), unit="permille"), False),
        (column("started_ns", np.zeros(1, np.uint64), unit="boot_ns"), False),
        (column("parent", np.zeros(1, np.uint32)), False),
        (column("last_code", np.zeros(1, np.int32), unit="count"), False),
        (column("load", np.zeros(1, np.float64)), False),
        (column("alive", np.zeros(1, np.bool_)), False),
        (column("flags", np.zeros((1, 9), np.bool_)), False),
        (column("address", np.zeros((1, 16), np.uint8)), False),
        (column("ports", np.zeros((1, 4), np.uint16)), False),
        (column("comm", texts([""])), False),
    ],
    ids=lambda each: each.name if isinstance(each, SheetColumn) else "",
)
def test_what_adds_up_is_said_by_what_it_is(one: SheetColumn, adds: bool) -> None:
    """Counts, sizes, totals and histograms do; times, shares, who and what do not."""
    assert adds_up(one) == adds


def test_what_was_last_or_most_has_no_rate_in_a_map_and_no_sum() -> None:
    """A map has no units, so names have to say it."""
    number = np.array([1, 2], np.uint64)
    paths = ("count", "last_ns", "max_ns", "p99_ns", "last_code", "session", "total_ns")
    names: dict[str, Column] = {"key.name": texts(["a", "a"]), "key.id": number}
    sheet = grouped(map_rows("m", {**names, **{f"value.{path}": number for path in paths}}), "name")
    assert list(sheet.by_name) == ["name", "rows", "count", "total_ns"]


def test_a_text_that_is_not_known_in_some_rows_is_that_of_the_others() -> None:
    """A row of a CPU that has not seen the name has none."""
    pid = column("pid", np.array([1, 1, 2, 3, 3], np.uint32), key=True)
    comm = column("comm", texts(["", "dd", "", "sh", "su"]))
    assert told(grouped(Sheet("s", (pid, comm)), "pid"))["comm"] == ["dd", "", "2 different"]


def test_keys_of_every_kind_group_rows() -> None:
    """Each keeps its values."""
    kinds = {
        "text": texts(["a", "b", "a"]), "number": np.array([2, 1, 2], np.uint16), "time": np.array([0.5, 0.25, 0.5]),
        "bytes": np.array([[1] * 6, [2] * 6, [1] * 6], np.uint8), "pair": np.array([[1, 2], [1, 1], [1, 2]], np.uint32),
        "yes": np.array([True, False, True]),
    }  # fmt: skip
    for name, values in kinds.items():
        number = column("number of", np.arange(3), key=True)
        sheet = Sheet("s", (column(name, values, key=True), number, column("n", np.array([1, 2, 4]), rate=True)))
        assert name in group_columns(sheet)
        made = grouped(sheet, name)
        assert made.by_name["n"].values.tolist() == [5, 2]
        assert made.by_name[name].values.tolist() == values[:2].tolist()


def test_a_column_called_rows_is_not_lost() -> None:
    """How many rows are in a group has another name then."""
    name = column("name", texts(["a", "a"]), key=True)
    sheet = grouped(Sheet("s", (name, column("rows", np.array([5, 6]), rate=True))), "name")
    assert told(sheet) == {"name": ["a"], "rows_": [2], "rows": [11]}


Row = tuple[int, str, int, tuple[int, ...]]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["", "dd", "sh", "\x1b[2J", "2 different"]),
        st.integers(0, 2**60),
        st.tuples(*[st.integers(0, 2**32 - 1)] * 8),
    ),
    max_size=15,
)


def sheet_of_rows(rows: list[Row]) -> Sheet:
    """Return rows as a sheet; their number makes keys that are never equal."""
    pids, names, counts, slots = zip(*rows, strict=True) if rows else ((),) * 4
    return Sheet("s", (
        column("pid", np.array(pids, np.uint32), key=True),
        column("id", np.arange(len(rows), dtype=np.int64), key=True),
        column("comm", texts(names)),
        column("count", np.array(counts, np.uint64), rate=True),
        column("latency", np.array(slots, np.uint32).reshape(len(rows), 8)),
    ))  # fmt: skip


@given(ROWS, st.sampled_from(["pid", "comm"]))
def test_sums_are_those_of_a_dictionary(rows: list[Row], by: str) -> None:
    """Row by row, whatever comes together."""
    at = {"pid": 0, "comm": 1}[by]
    counts: dict[Any, int] = defaultdict(int)
    slots: dict[Any, list[int]] = defaultdict(lambda: [0] * 8)
    for row in rows:
        counts[row[at]] += row[2]
        slots[row[at]] = [a + b for a, b in zip(slots[row[at]], row[3], strict=True)]
    sheet = told(grouped(sheet_of_rows(rows), by))
    assert sheet[by] == list(counts)
    assert sheet["rows"] == list(Counter(row[at] for row in rows).values())
    assert sheet["count"] == list(counts.values())
    assert sheet["latency"] == list(slots.values())
    if by == "pid":
        names = [{row[1] for row in rows if row[0] == pid and row[1]} for pid in counts]
        assert sheet["comm"] == [next(iter(each), "") if len(each) < 2 else f"{len(each)} different" for each in names]


@given(ROWS, st.data())
def test_the_rows_of_groups_are_those_with_their_values(rows: list[Row], data: st.DataObject) -> None:
    """Every row is in one group."""
    groups = groups_of(sheet_of_rows(rows).by_name["comm"])
    names = list(dict.fromkeys(row[1] for row in rows))
    chosen = data.draw(st.lists(st.integers(0, len(names) - 1), unique=True) if names else st.just([]))
    found = groups.rows(np.array(chosen, np.intp))
    assert found.tolist() == [number for number, row in enumerate(rows) if row[1] in {names[each] for each in chosen}]
    assert groups.sizes.sum() == len(rows)


# ---- how fast


def test_the_rate_of_a_group_is_that_of_its_rows_together() -> None:
    """A row that is new counts from zero."""
    before, now = calls_sheet(CALLS), calls_sheet((*((*call[:3], call[3] + 100, *call[4:]) for call in CALLS), MORE[4]))
    sheet = grouped(rated(now, before, 2.0), "comm")
    assert told(sheet)["count/s"] == [150.0, 50.0, 50.0]


def test_a_row_that_went_away_does_not_hide_what_the_others_did() -> None:
    """A process that ends takes its total along: the sum shrinks, but calls were made all the same."""
    before = calls_sheet(MORE)
    now = calls_sheet([(*MORE[1][:3], MORE[1][3] + 40, *MORE[1][4:])])
    assert told(grouped(rated(now, before, 1.0), "comm"))["count/s"] == [40.0]


def test_where_nothing_is_known_of_before_no_rate_is_told() -> None:
    """As for rows as they are."""
    assert np.isnan(grouped(rated(calls_sheet(), None, 0.0), "pid").by_name["count/s"].numbers).all()


def test_what_is_no_number_makes_a_sum_that_is_none() -> None:
    """Of its own group only."""
    name = column("name", texts(["a", "a", "b", "c", "c"]), key=True)
    load = column("load", np.array([np.inf, -np.inf, 1.5, np.nan, 1.0]), rate=True)
    assert str(told(grouped(Sheet("s", (name, load)), "name"))["load"]) == "[nan, 1.5, nan]"


# ---- of what is looked into

INFO = MapInfo(1, "calls", "syscalls", "percpu_hash", 8, 272, 1000, 3, 0, 4096, 2, False)


def slots(*counts: int) -> list[int]:
    return [*counts, *[0] * (8 - len(counts))]


def calls_map(at: int) -> dict[str, Column]:
    """Return a map of three calls of two processes on two CPUs, `at` seconds old."""
    latency = np.array([[slots(1), slots(2)], [slots(4), slots(0)], [slots(0), slots(0, 8)]], np.uint64) * np.uint64(at)
    return {
        "key.pid": np.array([7, 7, 9], np.uint32), "key.call": np.array([0, 1, 0], np.uint32),
        "value.count": latency.sum(axis=2), "value.latency": latency,
    }  # fmt: skip


def looked_into() -> Opened:
    """Return the map, read three times, a second apart."""
    opened = Opened(Item(False, "syscalls", "calls"))
    for at in (1, 2, 3):
        opened.take_map(at * SECOND, INFO, calls_map(at))
    return opened


def test_what_is_looked_into_is_grouped_and_stays_so() -> None:
    """Also of what comes later; by the next column, and as it was."""
    opened = looked_into()
    assert opened.next_group()
    opened.take_map(4 * SECOND, INFO, calls_map(4))
    assert opened.by == "pid"
    assert opened.sheet is not None
    assert told(opened.sheet)["count/s"] == [7.0, 8.0]
    assert opened.sheet.name == "map syscalls/calls by pid"
    assert opened.next_group()
    assert opened.by == "call"
    assert opened.next_group()
    assert opened.by == ""
    assert opened.sheet.name == "map syscalls/calls"


def test_a_group_has_the_histogram_of_its_rows_and_its_history() -> None:
    """Grouping loses nothing of how they grew."""
    opened = looked_into()
    opened.next_group()
    seven, nine, both = np.array([0]), np.array([1]), np.array([0, 1])
    assert opened.counts(seven).tolist() == slots(21)
    assert opened.counts(nine).tolist() == slots(0, 24)
    assert opened.heat(seven)[1].tolist() == [slots(7), slots(7)]
    assert opened.heat(both)[1].tolist() == [slots(7, 8), slots(7, 8)]
    assert opened.label(1) == "pid 9"
    opened.recent = True
    assert opened.counts(seven).tolist() == slots(14)
    assert opened.counts(both).tolist() == slots(14, 16)


def test_rows_of_cpus_are_grouped_too() -> None:
    """By CPU among others; where CPUs are added up again, rows are as they are."""
    opened = looked_into()
    opened.split_cpus()
    ways = []
    while opened.next_group() and opened.by:
        ways.append(opened.by)
    assert ways == ["pid", "call", "cpu"]
    for _ in ways:
        opened.next_group()
    assert opened.by == "cpu"
    assert opened.sheet is not None
    assert told(opened.sheet)["count"] == [15, 30]
    opened.split_cpus()
    assert opened.by == ""
    assert len(opened.sheet) == 3


def test_what_cannot_be_grouped_says_so() -> None:
    """Before there is anything, and where all rows are different."""
    opened = Opened(Item(True, "host", "host"))
    assert not opened.next_group()
    opened.take_table(SECOND, Table("host", {"starts": np.array([4])}, {"starts": Meaning(rate=True)}))
    assert not opened.next_group()
    assert opened.by == ""


def test_slots_that_are_rows_are_drawn_of_a_group() -> None:
    """The number of a slot is a part of the key there."""
    opened = Opened(Item(False, "disk", "io"))
    info = replace(INFO, name="io", per_cpu=1)
    keys = {"key.disk": texts(["a", "a", "b"]), "key.slot": np.array([0, 3, 0], np.uint32)}
    for at in (1, 2):
        opened.take_map(at * SECOND, info, {**keys, "value": np.array([1, 2, 4], np.uint64) * np.uint64(at)})
    opened.next_group()
    assert opened.by == "disk"
    assert opened.sheet is not None
    assert told(opened.sheet)["value"] == [6, 8]
    assert opened.counts(np.array([0])).tolist() == slots(2, 0, 0, 4)
