"""Sheets: what a table's columns mean, and how a map's columns by BTF path become a table."""

from __future__ import annotations

import numpy as np

from tests.tui.sheets import calls_sheet, column, table, texts
from tracerd.snapshot import Table
from tui.model.cells import cells, find, key_of, row_texts, row_values
from tui.model.sheet import Sheet, map_sheet, sheet_of

ALL = np.arange(4)


def shown(sheet: Sheet, name: str) -> list[str]:
    return cells(sheet.by_name[name], np.arange(len(sheet)))


def test_a_view_has_its_units_keys_and_rates() -> None:
    """What the probe declares of a column is known; a title leaves out what its numbers say themselves."""
    sheet = sheet_of(table())
    assert [each.title for each in sheet.columns] == ["pid", "comm", "syscall", "count", "errors", "p99"]
    assert [each.name for each in sheet.keys] == ["pid", "syscall"]
    assert [each.name for each in sheet.columns if each.rate] == ["count"]
    assert sheet.by_name["p99_ns"].unit == "ns"


def test_numbers_are_printed_in_their_unit() -> None:
    """A duration is a duration, zero of a unit a dash, a count has its thousands apart."""
    sheet = calls_sheet()
    assert shown(sheet, "p99_ns") == ["1.23µs", "2.00ms", "50.0µs", "3.00s"]
    assert shown(sheet, "errors") == ["-", "3", "-", "70"]
    assert shown(sheet, "count") == ["9,000", "8,000", "500", "70"]
    assert shown(sheet, "pid") == ["7", "7", "1", "42"]


def test_numbers_of_64_bits_keep_all_their_digits() -> None:
    """A float would round them."""
    most = np.array([2**64 - 1], dtype=np.uint64)
    assert cells(column("n", most, unit="count"), np.array([0])) == ["18,446,744,073,709,551,615"]
    assert cells(column("n", most), np.array([0])) == ["18446744073709551615"]


def test_what_is_not_known_is_a_dash() -> None:
    """NaN stands for it, with any unit."""
    unknown = np.array([np.nan])
    for unit in ("", "count", "ns", "bytes", "permille", "unix_ns", "boot_ns"):
        assert cells(column("n", unknown, unit=unit), np.array([0])) == ["-"]


def test_times_of_the_events_clock_need_its_offset() -> None:
    """The same moment reads the same, whichever clock told it."""
    boot = column("at", np.array([5 * 10**9]), unit="boot_ns")
    unix = column("at", np.array([1_700_000_005 * 10**9]), unit="unix_ns")
    first = np.array([0])
    assert cells(boot, first, 1_700_000_000 * 10**9) == cells(unix, first)


def test_text_of_a_machine_is_shown_and_not_obeyed() -> None:
    """Any process chooses its own name."""
    assert cells(column("comm", texts(["\x1b[2Jx"])), np.array([0])) == ["\\x1b[2Jx"]


def test_map_columns_have_short_titles_where_those_are_unique() -> None:
    """`key.` and `value.` are left out, unless both halves have the name."""
    one = np.zeros(1, dtype=np.uint32)
    sheet = map_sheet("m", {"key.pid": one, "key.at": one, "value.at": one, "value.count": one})
    assert [each.title for each in sheet.columns] == ["pid", "key.at", "value.at", "count"]
    assert [each.name for each in sheet.keys] == ["pid", "key.at"]


def test_map_values_that_are_whole_numbers_have_rates() -> None:
    """Nobody has said what they mean; keys and texts have none, and none has if that is not asked for."""
    columns = {"key": np.zeros(1, np.uint32), "value.n": np.zeros(1, np.uint64), "value.comm": texts(["dd"]),
               "value.load": np.zeros(1, np.float32)}  # fmt: skip
    assert [each.name for each in map_sheet("m", columns).columns if each.rate] == ["n"]
    assert not any(each.rate for each in map_sheet("m", columns, rate_all=False).columns)


def test_values_of_all_cpus_are_added_up() -> None:
    """Numbers without overflow of their type, histograms slot by slot, of texts the first that is not empty."""
    columns = {
        "key": np.array([1, 2], np.uint32),
        "value.n": np.array([[200, 100], [1, 2]], np.uint8),
        "value.slots": np.arange(2 * 2 * 8, dtype=np.uint32).reshape(2, 2, 8),
        "value.comm": np.array([["", "dd"], ["sh", ""]], dtype=object),
        "value.raw": np.zeros((2, 2, 4), np.uint8),
    }
    sheet = map_sheet("m", columns, slots=2)
    assert sheet.by_name["n"].values.tolist() == [300, 3]
    assert sheet.by_name["slots"].values[0].tolist() == [8, 10, 12, 14, 16, 18, 20, 22]
    assert sheet.by_name["comm"].values.tolist() == ["dd", "sh"]
    assert shown(sheet, "raw") == ["00000000", "00000000"]


def test_one_cpu_can_be_looked_at() -> None:
    """Its slot's values are shown as they are."""
    columns = {"key": np.array([1], np.uint32), "value": np.array([[200, 100]], np.uint64)}
    assert map_sheet("m", columns, slots=2, cpu=1).by_name["value"].values.tolist() == [100]


def test_bytes_are_hex() -> None:
    """As they lie in memory."""
    sheet = map_sheet("m", {"key": np.array([[0xDE, 0xAD], [0, 1]], np.uint8)})
    assert shown(sheet, "key") == ["dead", "0001"]
    assert sheet.by_name["key"].words.texts == ["dead", "0001"]


def test_a_histogram_is_a_bar_a_slot() -> None:
    """The largest slot is full, one that has something at all is seen, an empty one is blank; none is a dash."""
    slots = np.array([[0, 0, 1, 800, 400, 0, 0, 0], [0] * 8], np.uint64)
    sheet = map_sheet("m", {"key": np.array([1, 2], np.uint32), "value": slots})
    assert shown(sheet, "value") == ["  ▁█▄", "-"]


def test_a_short_array_is_a_list() -> None:
    """Two numbers are no histogram, and an address in a key is none either."""
    columns = {"key": np.arange(16, dtype=np.uint32).reshape(1, 16), "value": np.array([[7, 8]], np.uint32)}
    sheet = map_sheet("m", columns)
    assert shown(sheet, "value") == ["7,8"]
    assert shown(sheet, "key") == [",".join(map(str, range(16)))]


def test_a_row_has_plain_values_and_whole_texts() -> None:
    """Messages carry what Python has; all of a histogram is told slot by slot."""
    columns = {"key": np.array([[1, 255]], np.uint8), "value.slots": np.array([[0, 5] + [0] * 6], np.uint64),
               "value.load": np.array([np.nan])}  # fmt: skip
    sheet = map_sheet("m", columns)
    assert row_values(sheet, 0) == {"key": "01ff", "slots": (0, 5, 0, 0, 0, 0, 0, 0), "load": None}
    assert row_texts(sheet, 0) == {"key": "01ff", "slots": "[1] 5", "load": "-"}


def test_a_row_is_found_by_its_key() -> None:
    """Wherever it has gone; None if it is gone altogether."""
    sheet = calls_sheet()
    assert [find(sheet, key_of(sheet, row), near) for row in range(4) for near in (0, 3, 99)] == [
        row for row in range(4) for _ in range(3)
    ]
    assert find(sheet, (7, "close"), 0) is None
    assert find(Sheet("none"), (7, "read"), 0) is None


def test_rows_are_found_by_keys_of_every_kind() -> None:
    """Bytes, arrays, texts and numbers."""
    sheet = Sheet("s", (
        column("raw", np.array([[0, 1], [0, 2], [0, 2]], np.uint8), key=True),
        column("address", np.array([[1, 2], [1, 2], [1, 3]], np.uint32), key=True),
        column("name", texts(["a", "a", "a"]), key=True),
    ))  # fmt: skip
    assert [find(sheet, key_of(sheet, row), 0) for row in range(3)] == [0, 1, 2]


def test_an_empty_table_is_a_sheet_without_rows() -> None:
    """A daemon that has just begun has seen nothing."""
    assert len(sheet_of(Table("none", {}))) == 0
    assert len(calls_sheet([])) == 0
