"""Tables and maps as a list and in words; a map's elements as rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.tui.feeds import made_feed
from tests.tui.seeing import seen_after
from tests.tui.sheets import texts
from tracerd.daemon.feed import MapInfo
from tui.model import maps
from tui.model.map_rows import map_rows
from tui.model.maps import Item
from tui.model.seen import Seen
from tui.model.sheet import Sheet

CALLS = Item(False, "syscalls", "calls")
STARTS = Item(False, "slow", "starts")
HASH = MapInfo(5, "seen", "mine", "hash", 4, 8, 100, 40, 0, 4096, 1, False)


def listed(seen: Seen) -> list[dict[str, object]]:
    return rows(maps.Listed().sheet(seen))


def rows(sheet: Sheet) -> list[dict[str, object]]:
    names, columns = [each.name for each in sheet.columns], [each.values.tolist() for each in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def with_maps(*infos: MapInfo) -> Seen:
    """Return what is seen of a daemon with these maps and nothing else."""
    seen = seen_after()
    assert seen.look is not None
    seen.look = replace(seen.look, maps=infos)
    return seen


# ---- the list


def test_tables_come_before_maps_and_what_is_only_read_comes_last() -> None:
    """People want to see first what a probe shows of its maps."""
    rodata = replace(HASH, name=".rodata", kind="array", read_only=True)
    found = listed(with_maps(rodata, HASH))
    assert [(row["name"], row["kind"]) for row in found] == [
        ("syscalls/syscalls", "table"), ("mine/seen", "hash"), ("mine/.rodata", "array"),
    ]  # fmt: skip
    assert [row["notes"] for row in found] == ["", "", "read-only"]


def test_a_map_that_is_full_and_refuses_says_so() -> None:
    """In words, beside how many it has refused."""
    full = next(row for row in listed(seen_after()) if row["name"] == "slow/starts")
    assert (full["fill_permille"], full["refused"], full["notes"]) == (1000, 37, "! refuses, pinned starts")
    assert listed(with_maps(replace(HASH, refused=3)))[-1]["notes"] == "! had no room"


def test_rows_that_have_gone_are_those_of_a_map_or_of_all_maps_behind_a_table() -> None:
    """Of which map a table is nobody says. Where nothing has gone there is nothing to say."""
    look = seen_after().look
    assert look is not None
    gone = {"calls": 3012, "starts": 1}
    look = replace(look, maps=tuple(replace(each, expired=gone.get(each.name, 0)) for each in look.maps))
    table, other = Item(True, "syscalls", "syscalls"), Item(False, "syscalls", "latency_ns")
    assert maps.expired(look, table, briefly=False) == "3,012 rows of ended processes gone"
    assert maps.expired(look, CALLS, briefly=True) == "3,012 gone"
    assert maps.expired(look, STARTS, briefly=False) == "1 row of ended processes gone"
    assert maps.expired(look, other, briefly=False) == ""
    assert maps.expired(None, CALLS, briefly=True) == ""


def test_of_a_ring_buffer_no_change_is_told_but_where_its_records_are() -> None:
    """How many bytes wait goes up and down all the time."""
    (ring,) = [row for row in listed(seen_after()) if row["kind"] == "ringbuf"]
    assert np.isnan(ring["change"])
    assert "see 4 Events" in str(ring["notes"])


def test_an_array_is_not_full() -> None:
    """It has all of its entries at any time."""
    found = {str(row["name"]): row["fill_permille"] for row in listed(seen_after())}
    assert np.isnan(float(str(found["syscalls/latency_ns"])))
    assert found["syscalls/calls"] == 1000 * 60 / 10_240


def test_the_list_tells_how_fast_entries_come_and_go() -> None:
    """Not before there are two counts. Looks come more seldom than moments: what the last one said of maps stays."""
    feed, seen, told = made_feed(), Seen(), maps.Listed()

    def change() -> list[object]:
        found = {row["kind"]: row["change"] for row in rows(told.sheet(seen))}
        return [found["table"], found["percpu_hash"]]

    seen.see(feed.moment(), feed.look())
    assert np.isnan(np.array(change(), float)).all()
    feed.at, feed.rows = feed.at + 2, 20
    seen.see(feed.moment(), feed.look())
    assert change() == [-20.0, -20.0]
    assert seen.look is not None
    feed.at += 1
    seen.see(feed.moment(), seen.look)
    assert change() == [0.0, -20.0]


def test_a_row_of_the_list_is_the_table_or_the_map_of_its_name() -> None:
    """Also of a map that belongs to no probe."""
    assert maps.item_of({"name": "syscalls/calls", "kind": "percpu_hash"}) == CALLS
    assert maps.item_of({"name": "syscalls/calls", "kind": "table"}) == replace(CALLS, table=True)
    assert maps.item_of({"name": "kept", "kind": "hash"}) == Item(False, "", "kept")
    assert maps.item_of(None) is None


def test_a_map_is_found_by_its_name_also_when_it_is_loaded_anew() -> None:
    """A pinned file of the same name does not stand for the one that is loaded."""
    look = with_maps(replace(HASH, id=0), replace(HASH, id=77)).look
    found = maps.map_of(look, Item(False, "mine", "seen"))
    assert found is not None
    assert found.id == 77
    assert maps.map_of(look, CALLS) is None


def test_only_maps_with_room_for_slots_are_searched_for_histograms() -> None:
    """Eight numbers in a value, or an array of eight; nothing that cannot be read, or never changes."""
    assert maps.may_have_slots(replace(HASH, value_bytes=32))
    assert maps.may_have_slots(replace(HASH, kind="array", max_entries=8))
    assert not maps.may_have_slots(HASH)
    for change in ({"id": 0}, {"read_only": True}, {"key_bytes": 0}):
        assert not maps.may_have_slots(replace(HASH, value_bytes=256, **change))  # type: ignore[arg-type]


# ---- in words


def test_a_map_in_words_says_what_to_do_when_it_refuses() -> None:
    """And what it is, how full it is, who uses it."""
    told = dict(maps.facts(seen_after(), STARTS))
    assert told["fill"] == "████████████████████ 100.0%  1,000 of 1,000 entries"
    assert told["refused"].startswith("! 37 updates")
    assert "max_entries of starts" in told["→"]
    assert "outlives the daemon" in told["pinned"]
    assert dict(maps.facts(seen_after(), CALLS))["entry"] == "a key of 8 bytes, a value of 272 for each of 2 CPUs"
    assert dict(maps.facts(seen_after(), CALLS))["used by"] == "syscalls/on_enter, syscalls/on_exit, slow/on_tick"


def test_a_ring_buffer_in_words_counts_bytes_and_records() -> None:
    """It has no entries."""
    ring = MapInfo(3, "out", "mine", "ringbuf", 0, 0, 4096, 1024, 1, 8192, 1, False)
    told = dict(maps.facts(with_maps(ring), Item(False, "mine", "out")))
    assert told["fill"].endswith("25.0%  1.0 KiB of 4.0 KiB wait to be read")
    assert told["refused"] == "! 1 record found no room"
    assert "entry" not in told


def test_a_table_in_words_names_its_columns() -> None:
    """What is not there has no words."""
    told = dict(maps.facts(seen_after(), Item(True, "syscalls", "syscalls")))
    assert told["columns"] == "pid, comm, syscall, count, errors, p50_ns, p99_ns"
    assert maps.facts(seen_after(), Item(True, "syscalls", "gone")) == []
    assert maps.facts(seen_after(), Item(False, "syscalls", "gone")) == []


# ---- elements as rows

USED = np.array([[[1], [0], [1]], [[0], [0], [1]]], np.uint32)
COLUMNS = {
    "key.pid": np.array([7, 9], np.uint32),
    "value.count": np.array([[1, 0, 4], [0, 0, 6]], np.uint64),
    "value.comm": np.array([texts(["dd", "", "dd"]), texts(["", "", "nginx"])]),
    "value.slots": np.arange(2 * 3 * 8, dtype=np.uint32).reshape(2, 3, 8) * USED,
}


def test_values_of_all_cpus_are_added_up() -> None:
    """Numbers and histograms; of texts the first that is there is taken."""
    sheet = map_rows("calls", COLUMNS, slots=3)
    assert sheet.by_name["count"].values.tolist() == [5, 6]
    assert sheet.by_name["comm"].values.tolist() == ["dd", "nginx"]
    assert sheet.by_name["slots"].values.shape == (2, 8)


def test_by_cpu_each_has_a_row_of_its_own_if_it_has_anything() -> None:
    """The CPU is a part of the key, so rows keep their rates and can be filtered."""
    sheet = map_rows("calls", COLUMNS, slots=3, by_cpu=True)
    assert [column.name for column in sheet.keys] == ["pid", "cpu"]
    told = zip(*(sheet.by_name[name].values.tolist() for name in ("pid", "cpu", "count", "comm")), strict=True)
    assert list(told) == [(7, 0, 1, "dd"), (7, 2, 4, "dd"), (9, 2, 6, "nginx")]
    assert sheet.by_name["slots"].values[1].tolist() == list(range(16, 24))


def test_by_cpu_a_map_with_nothing_shows_that() -> None:
    """Rather all rows than none; and a key that has a CPU keeps it."""
    columns = {"key.cpu": np.array([1], np.uint32), "value": np.zeros((1, 2), np.uint64)}
    sheet = map_rows("m", columns, slots=2, by_cpu=True)
    assert [column.name for column in sheet.keys] == ["cpu", "on_cpu"]
    assert len(sheet) == 2


def test_what_counts_has_a_rate_and_what_says_who_or_when_has_none() -> None:
    """Their change says nothing. Nothing changes in a map that is only read."""
    number = np.array([1], np.uint64)
    paths = ("count", "total_ns", "bytes", "pid", "started_ns", "time_ns", "state", "cpu_permille")
    columns = {"key": number, **{f"value.{path}": number for path in paths}}
    assert [each.name for each in map_rows("m", columns).columns if each.rate] == ["count", "total_ns", "bytes"]
    assert not any(each.rate for each in map_rows("m", columns, rates=False).columns)


def test_system_calls_have_their_names() -> None:
    """Nobody knows their numbers; one that is not known keeps its own."""
    columns = {"key.syscall": np.array([63, 9999], np.uint32), "value": np.array([1, 1], np.uint64)}
    read, unknown = map_rows("m", columns).by_name["syscall"].values.tolist()
    assert str(read).isidentifier()
    assert unknown == "syscall_9999"
