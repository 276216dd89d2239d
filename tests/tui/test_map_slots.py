"""Histograms in maps: where they are, how they grew, of which rows, in which unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tui.sheets import column, table, texts
from tracerd.daemon.feed import MapInfo
from tracerd.snapshot import Column
from tui.model.maps import Item
from tui.model.opened import Opened
from tui.model.sheet import Sheet
from tui.model.slot_history import SlotHistory
from tui.model.slot_units import UNITS, guess
from tui.model.slots import Slots, slot_columns, slots_of
from tui.model.writing import as_csv

SECOND = 10**9
INFO = MapInfo(1, "calls", "syscalls", "hash", 8, 272, 1000, 3, 0, 4096, 1, False)
ITEM = Item(False, "syscalls", "calls")
ALL = np.arange(3)


def slots(*counts: int, of: int = 8) -> list[int]:
    """Return so many slots, the first ones as said."""
    return [*counts, *[0] * (of - len(counts))]


def calls(counts: list[list[int]], names: list[str] | None = None) -> Sheet:
    """Return a sheet with a histogram in each row."""
    keys = names or ["read", "write", "close"][: len(counts)]
    values = np.array(counts, np.uint32).reshape(len(counts), -1)
    return Sheet("calls", (column("name", texts(keys), key=True), column("latency", values)))


def array(values: list[int], key: str = "key") -> Sheet:
    """Return a sheet with a slot in each row."""
    at = np.arange(len(values), dtype=np.uint32)
    return Sheet("a", (column(key, at, key=True), column("value", np.array(values, np.uint64))))


def history_of(*sheets: Sheet, seconds: tuple[int, ...] = ()) -> SlotHistory:
    """Return what is remembered of sheets a second apart, or at these times."""
    history = SlotHistory()
    for at, sheet in zip(seconds or range(1, len(sheets) + 1), sheets, strict=True):
        history.add(at * SECOND, slots_of(sheet, "latency", array=False))
    return history


def heat(history: SlotHistory, number: int = 8) -> list[list[float]]:
    return np.nan_to_num(history.heat(number)[1], nan=-1).tolist()  # type: ignore[no-any-return]


# ---- where they are


def test_arrays_of_eight_numbers_are_histograms() -> None:
    """Shorter ones are not, nor are bytes, fractions, or what is a part of the key."""
    wide = np.zeros((2, 8), np.uint64)
    sheet = Sheet("m", (
        column("key", wide, key=True), column("slots", wide), column("few", wide[:, :7]),
        column("bytes", wide.astype(np.uint8)), column("shares", wide.astype(float)), column("count", wide[:, 0]),
    ))  # fmt: skip
    assert slot_columns(sheet, array=False) == ("slots",)


def test_each_row_is_found_again_by_its_key() -> None:
    """Wherever it is by then, and whatever else is there; numbers and texts alike."""
    before = slots_of(calls([slots(1), slots(2), slots(3)]), "latency", array=False)
    now = slots_of(calls([slots(3), slots(4), slots(1)], ["close", "mmap", "read"]), "latency", array=False)
    assert [int(now.counts[now.of_row[row]].sum()) for row in range(3)] == [3, 4, 1]
    assert now.ids[now.of_row[0]] == before.ids[before.of_row[2]]
    assert now.ids[now.of_row[2]] == before.ids[before.of_row[0]]
    assert now.ids[now.of_row[1]] not in before.ids


def test_rows_with_one_key_are_one_histogram() -> None:
    """A view may leave out what tells them apart."""
    found = slots_of(calls([slots(1), slots(2, 5)], ["read", "read"]), "latency", array=False)
    assert found.counts.tolist() == [slots(3, 5)]
    assert found.of_row.tolist() == [0, 0]


def test_an_array_of_numbers_is_one_histogram() -> None:
    """As programs for bpftrace and bcc have them. A hash of the same shape is not, nor is a long or a short array."""
    sheet = array([0, 5, 7, 0, 0, 0, 0, 1])
    assert slot_columns(sheet, array=True) == ("value",)
    assert slots_of(sheet, "value", array=True).counts.tolist() == [[0, 5, 7, 0, 0, 0, 0, 1]]
    assert slots_of(sheet, "value", array=True).keys == ()
    for other, is_array in ((sheet, False), (array([1] * 7), True), (array([1] * 257), True)):
        assert slot_columns(other, array=is_array) == ()


def test_a_key_with_the_number_of_a_slot_has_a_histogram_for_each_of_its_rest() -> None:
    """As bcc and ebpf_exporter have them; slots that nobody has used are not there."""
    disk, bucket = texts(["sda", "sdb", "sda"]), np.array([3, 1, 9], np.uint64)
    sheet = Sheet("io", (column("disk", disk, key=True), column("bucket", bucket, key=True),
                         column("value", np.array([5, 6, 7], np.uint64))))  # fmt: skip
    found = slots_of(sheet, "value", array=False)
    assert [key.name for key in found.keys] == ["disk"]
    sda = found.counts[found.of_row[0]]
    assert (sda[3], sda[9], int(sda.sum()), found.number) == (5, 7, 12, 10)
    assert found.of_row[0] == found.of_row[2] != found.of_row[1]


def test_what_is_negative_counts_nothing() -> None:
    """A program may use signed numbers."""
    sheet = Sheet("m", (column("slots", np.array([slots(-1, 2)], np.int32)),))
    assert slots_of(sheet, "slots", array=False).counts.tolist() == [slots(0, 2)]


def test_a_column_without_slots_is_refused() -> None:
    """Nobody asks for one; if somebody does, he is told."""
    with pytest.raises(ValueError, match="has no slots"):
        slots_of(array([1, 2]), "value", array=True)


def test_an_empty_map_has_histograms_too() -> None:
    """They will come."""
    keys, counts = np.zeros(0, np.uint32), np.zeros((0, 8), np.uint32)
    sheet = Sheet("m", (column("key", keys, key=True), column("slots", counts)))
    assert slots_of(sheet, "slots", array=False).counts.shape == (0, 8)


# ---- over time


def test_intervals_have_what_grew_in_them() -> None:
    """Of all rows together, or of some."""
    first, second = calls([slots(1), slots(2)]), calls([slots(4, 1), slots(2, 7)])
    history = history_of(first, second, second)
    assert heat(history) == [slots(3, 8), slots()]
    of = slots_of(second, "latency", array=False)
    assert history.heat(8, of.ids[of.of_row[1:2]])[1].tolist() == [slots(0, 7), slots()]
    assert history.grown(8, of.ids).tolist() == slots(3, 8)
    assert history.heat(8)[0].tolist() == [2 * SECOND, 3 * SECOND]


def test_a_row_that_is_new_or_began_anew_counts_from_zero_and_one_that_goes_takes_nothing() -> None:
    """The sum of all rows would shrink; what is drawn never does."""
    history = history_of(
        calls([slots(100, 5), slots(50)], ["read", "write"]),
        calls([slots(7), slots(9)], ["read", "mmap"]),
    )
    assert heat(history) == [slots(16)]


def test_after_a_pause_nothing_is_known_of_it() -> None:
    """One column without a colour, instead of all that was counted meanwhile in one interval."""
    sheets = [calls([slots(each)]) for each in (1, 2, 3, 500, 501)]
    history = history_of(*sheets, seconds=(1, 2, 3, 60, 61))
    assert heat(history) == [slots(1), slots(1), [-1] * 8, slots(1)]
    assert history.grown(8).tolist() == slots(3)


def test_the_same_moment_counts_once_and_an_earlier_one_begins_anew() -> None:
    """A recording may be played again."""
    one, two = calls([slots(1)]), calls([slots(3)])
    assert heat(history_of(one, two, two, seconds=(1, 2, 2))) == [slots(2)]
    history = history_of(two, one, two, seconds=(8, 1, 2))
    assert (heat(history), history.since_ns) == ([slots(2)], SECOND)


def test_memory_is_bounded_and_it_is_known_since_when_the_rest_counts() -> None:
    """By intervals, and by how much is kept of them."""
    history = SlotHistory(intervals=3)
    few = SlotHistory(cells=4)
    for at in range(1, 8):
        found = slots_of(calls([slots(at, at), slots(at)]), "latency", array=False)
        history.add(at * SECOND, found)
        few.add(at * SECOND, found)
    assert (len(history), history.since_ns) == (3, 4 * SECOND)
    assert (len(few), few.since_ns) == (1, 6 * SECOND)
    assert few.grown(8).tolist() == slots(2, 1)
    assert history.heat(8, intervals=2)[0].tolist() == [6 * SECOND, 7 * SECOND]
    assert history.heat(8, intervals=0)[1].shape == (0, 8)


def test_slots_that_come_into_use_later_are_seen_from_then_on() -> None:
    """Where rows are slots there are as many as were used."""
    history = SlotHistory()
    for at, counts in ((1, [1] * 8), (2, [1] * 8 + [4]), (3, [2] * 8)):
        counted = np.array([counts], np.uint64)
        history.add(at * SECOND, Slots(counted, np.zeros(1, np.uint64), np.zeros(1, np.intp)))
    assert heat(history, 9) == [[*slots(), 4], [*[1] * 8, 0]]


# ---- units


@pytest.mark.parametrize(
    ("names", "unit"),
    [("calls latency", "ns"), ("latency_us value", "µs"), ("wait_ms", "ms"), ("io size", "bytes"), ("dns", "numbers"),
     ("hist_ns", "ns"), ("services lifetime", "ns")],
)  # fmt: skip
def test_units_are_guessed_from_names(names: str, unit: str) -> None:
    """By whole words; a unit's own name says more than what is measured."""
    assert UNITS[guess(names, 32)].name == unit


def test_more_slots_than_a_number_has_bits_are_no_powers_of_two() -> None:
    """Then a slot stands for its own number."""
    unit = UNITS[guess("latency_ns", 100)]
    assert unit.name == "slot numbers"
    assert unit.edges(3) == (0, 1, 2, 3)


def test_bounds_are_printed_in_their_unit() -> None:
    """A millisecond in whichever unit it was counted; large plain numbers are short."""
    printed = {unit.name: unit.format(value) for unit, value in zip(UNITS, (1e6, 1e3, 1, 1024, 65536, 3), strict=True)}
    assert printed == {"ns": "1.00ms", "µs": "1.00ms", "ms": "1.00ms", "bytes": "1.0 KiB", "numbers": "65,536",
                       "slot numbers": "3"}  # fmt: skip
    assert UNITS[4].format(2.0**40) == "1.10T"


# ---- what was opened


def opened(*rows: list[list[int]], info: MapInfo = INFO) -> Opened:
    """Return a map that was read a second apart, with these histograms."""
    made = Opened(ITEM)
    for at, counts in enumerate(rows, 1):
        made.take_map(at * SECOND, info, columns(counts))
    return made


def columns(counts: list[list[int]]) -> dict[str, Column]:
    latency = np.array(counts, np.uint32)
    names = texts(["read", "write", "close"][: len(counts)])
    return {"key.name": names, "value.count": latency.sum(axis=1).astype(np.uint64), "value.latency": latency}


def test_a_map_has_rates_once_it_was_read_twice() -> None:
    """By row, in the moments' own time."""
    made = opened([slots(1), slots(2)])
    assert made.sheet is not None
    assert np.isnan(made.sheet.by_name["count/s"].values.tolist()).all()
    made.take_map(3 * SECOND, INFO, columns([slots(9), slots(2)]))
    assert made.sheet.by_name["count/s"].values.tolist() == [4.0, 0.0]


def test_a_map_that_was_loaded_anew_has_no_rates_from_before() -> None:
    """Its name is the same, its counts have nothing to do with each other."""
    made = opened([slots(1)])
    made.take_map(2 * SECOND, replace(INFO, id=9), columns([slots(500)]))
    assert made.sheet is not None
    assert np.isnan(made.sheet.by_name["count/s"].values.tolist()).all()


def test_a_histogram_is_of_one_row_or_of_several() -> None:
    """Of all that was counted, or of what was since it was opened."""
    made = opened([slots(1), slots(2)], [slots(1, 3), slots(2, 4)])
    assert made.counts(np.array([1])).tolist() == slots(2, 4)
    assert made.counts(np.array([0, 1])).tolist() == slots(3, 7)
    made.recent = True
    assert made.counts(np.array([1])).tolist() == slots(0, 4)
    assert made.since_ns == SECOND
    assert made.heat(np.array([0, 1]))[1].tolist() == [slots(0, 7)]
    assert made.label(1) == "name write"
    assert made.counts(np.array([], np.intp)).tolist() == slots()


def test_another_column_has_its_own_history() -> None:
    """They go round."""
    made = Opened(ITEM)
    for at in (1, 2):
        more = {"value.writes": np.array([slots(5 * at)], np.uint32)}
        made.take_map(at * SECOND, INFO, {**columns([slots(at)]), **more})
    assert (made.columns, made.column) == (("latency", "writes"), "latency")
    made.next_column()
    assert made.column == "writes"
    assert made.counts(np.array([0])).tolist() == slots(10)
    assert made.heat(np.array([0]))[1].shape == (0, 8)
    made.next_column()
    assert made.column == "latency"


def test_units_go_round_and_are_kept_when_the_rest_is_forgotten() -> None:
    """As is everything else that its user has chosen."""
    made = opened([slots(1)])
    assert made.unit.name == "ns"
    made.next_unit()
    made.forget()
    assert (made.unit.name, made.sheet, made.taken_ns) == ("µs", None, 0)


def test_by_cpu_there_are_rates_at_once() -> None:
    """What was read last time is looked at again; histograms over time begin anew."""
    made = Opened(ITEM)
    for at in (1, 2):
        latency = np.array([[slots(at), slots(10 * at)]], np.uint32)
        read: dict[str, Column] = {"key.pid": np.array([7], np.uint32), "value.count": latency.sum(axis=2)}
        made.take_map(at * SECOND, replace(INFO, per_cpu=2), {**read, "value.latency": latency})
    made.split_cpus()
    assert made.sheet is not None
    assert made.sheet.name == "map syscalls/calls by CPU"
    assert made.sheet.by_name["count/s"].values.tolist() == [1.0, 10.0]
    assert made.label(1) == "pid 7, cpu 1"
    assert made.heat(ALL[:2])[1].shape == (0, 8)


def test_a_table_without_slots_has_no_histogram() -> None:
    """And an empty picture, if somebody asks for one."""
    made = Opened(Item(True, "syscalls", "syscalls"))
    made.take_table(SECOND, table())
    assert (made.slots, made.columns, made.column, made.label(0)) == (None, (), "", "")
    assert not made.per_cpu
    assert not made.single
    assert made.counts(ALL).shape == (0,)
    assert made.heat(ALL)[1].shape == (0, 0)
    assert made.sheet is not None
    assert made.sheet.name == "syscalls/syscalls"


def test_a_histogram_is_exported_with_its_bounds() -> None:
    """From the first slot to the last that has something; the very last one has no bound above."""
    made = opened([slots(1, 0, 2)])
    sheet = made.histogram_sheet(np.array([0]))
    assert as_csv(sheet, np.arange(len(sheet))).split() == ["bound_low,bound_high,count", "0,2,1", "2,4,0", "4,8,2"]
    last = opened([slots(0, 0, 0, 0, 0, 0, 0, 5)]).histogram_sheet(np.array([0]))
    assert as_csv(last, np.array([7])).split()[1] == "128,,5"
    assert len(opened([slots()]).histogram_sheet(np.array([0]))) == 0


def test_heat_is_exported_as_the_slots_that_grew_by_interval() -> None:
    """With the moment that each interval ended at."""
    made = opened([slots(1)], [slots(1, 3)], [slots(2, 3)])
    sheet = made.heat_sheet(np.array([0]))
    assert as_csv(sheet, np.arange(len(sheet))).split() == [
        "taken_ns,bound_low,bound_high,count", f"{2 * SECOND},2,4,3", f"{3 * SECOND},0,2,1",
    ]  # fmt: skip
