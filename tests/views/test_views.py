"""Views: map bytes become the columns a probe declares, whatever the layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.btf.types import Array, Btf, Composite, Enum, Int, Member, Void
from tracerd.elf.spec import MapSpec
from tracerd.errors import ConfigError
from tracerd.snapshot import MapSnapshot, Meaning
from tracerd.views.columns import MapColumns
from tracerd.views.percentiles import log2_percentile
from tracerd.views.spec import ColumnSpec, ViewSpec
from tracerd.views.table import build, check

U32, S64, CHAR, COMM, SLOTS, KEY, VALUE = range(1, 8)
BTF = Btf(
    (
        Void(),
        Int("unsigned int", 4, False, False, False),
        Int("long", 8, True, False, False),
        Int("char", 1, True, False, False),
        Array(CHAR, U32, 16),
        Array(U32, U32, 4),
        Composite("key", 8, (Member("pid", U32, 0, 0), Member("nr", U32, 32, 0)), False),
        Composite(
            "value",
            40,
            (Member("total", S64, 0, 0), Member("comm", COMM, 64, 0), Member("latency", SLOTS, 192, 0)),
            False,
        ),
    )
)
SPEC = MapSpec("calls", 5, 8, 40, 16, key_type=KEY, value_type=VALUE)
COLUMNS = MapColumns(SPEC, BTF)

KEY_DTYPE = np.dtype([("pid", "<u4"), ("nr", "<u4")])
VALUE_DTYPE = np.dtype([("total", "<i8"), ("comm", "S16"), ("latency", "<u4", 4)])

Value = tuple[int, bytes, list[int]]


def snapshot(rows: list[tuple[tuple[int, int], list[Value]]]) -> MapSnapshot:
    """Make a snapshot of rows of (key, one value for each CPU)."""
    keys = np.array([key for key, _ in rows], dtype=KEY_DTYPE).view(np.uint8).reshape(len(rows), 8)
    cpus = len(rows[0][1]) if rows else 1
    flat = np.array([(t, c, slots) for _, values in rows for t, c, slots in values], dtype=VALUE_DTYPE)
    return MapSnapshot("calls", 0, keys, flat.view(np.uint8).reshape(len(rows), cpus, 40), 16, 0)


TWO_CPUS = snapshot(
    [
        ((7, 1), [(-5, b"", [0, 0, 1, 0]), (15, b"dd", [0, 0, 3, 0])]),
        ((9, 0), [(100, b"caf\xc3\xa9", [1, 0, 0, 0]), (1, b"later", [0, 0, 0, 0])]),
    ]
)


def test_per_cpu_numbers_are_summed_and_the_first_text_is_taken() -> None:
    """A value that only some CPUs have filled reads as one row."""
    assert COLUMNS.read(TWO_CPUS, "value.total", "auto").tolist() == [10, 101]
    assert COLUMNS.read(TWO_CPUS, "value.comm", "auto").tolist() == ["dd", "café"]
    assert COLUMNS.read(TWO_CPUS, "value.latency", "auto").tolist() == [[0, 0, 4, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize(("merge", "expected"), [("first", [-5, 100]), ("max", [15, 100]), ("min", [-5, 1])])
def test_a_column_may_ask_for_another_merge(merge: str, expected: list[int]) -> None:
    """`merge` picks the first, largest or smallest CPU's number."""
    assert COLUMNS.read(TWO_CPUS, "value.total", merge).tolist() == expected


def test_a_view_decodes_sorts_and_takes_percentiles() -> None:
    """The table has the declared columns in the declared order."""
    view = ViewSpec(
        "calls",
        "calls",
        (
            ColumnSpec("pid", "key.pid"),
            ColumnSpec("nr", "key.nr", decode="hex"),
            ColumnSpec("total", "value.total"),
            ColumnSpec("p50", "value.latency", percentile=50),
        ),
        sort="-total",
    )
    check(view, COLUMNS)
    assert build(view, COLUMNS, TWO_CPUS).rows() == [
        {"pid": 9, "nr": "0x0", "total": 101, "p50": 1},
        {"pid": 7, "nr": "0x1", "total": 10, "p50": 6},
    ]


def test_a_percentile_is_never_above_the_sum_of_all_values() -> None:
    """A call of 5 ns is in the slot from 4 to 8, whose middle is more than all that was measured."""
    one = snapshot([((7, 1), [(5, b"", [0, 0, 1, 0])]), ((8, 1), [(50, b"", [0, 0, 9, 0])])])
    for percentile, bare in ((50, [6, 6]), (99, [7, 7])):
        columns = (ColumnSpec("free", "value.latency", percentile=percentile),
                   ColumnSpec("held", "value.latency", percentile=percentile, sum="value.total"))  # fmt: skip
        table = build(ViewSpec("calls", "calls", columns), COLUMNS, one)
        assert table.columns["free"].tolist() == bare
        assert table.columns["held"].tolist() == [5, bare[1]]
        assert table.columns["held"].dtype == np.int64


@pytest.mark.parametrize(
    ("sort", "rows"),
    [
        ("-nr, pid", [(2, 6), (2, 8), (1, 5), (1, 7)]),
        ("nr,-pid", [(1, 7), (1, 5), (2, 8), (2, 6)]),
    ],
)
def test_rows_equal_in_one_column_are_sorted_by_the_next(sort: str, rows: list[tuple[int, int]]) -> None:
    """Each column has its own direction."""
    four = snapshot([((pid, nr), [(0, b"", [0, 0, 0, 0])]) for pid, nr in ((5, 1), (6, 2), (7, 1), (8, 2))])
    view = ViewSpec("calls", "calls", (ColumnSpec("pid", "key.pid"), ColumnSpec("nr", "key.nr")), sort)
    check(view, COLUMNS)
    assert [(row["nr"], row["pid"]) for row in build(view, COLUMNS, four).rows()] == rows


def test_a_map_without_views_shows_every_field_with_short_unique_names() -> None:
    """The default table names a field without its half of the map where that stays unique."""
    table = build(ViewSpec("calls", "calls"), COLUMNS, TWO_CPUS)
    assert list(table.columns) == ["pid", "nr", "total", "comm", "latency"]


def test_a_table_tells_what_its_declared_columns_mean() -> None:
    """Unit and rate as declared, key by where the column comes from; one that has none of these is left out."""
    view = ViewSpec(
        "calls",
        "calls",
        (
            ColumnSpec("who", "key.pid"),
            ColumnSpec("total", "value.total", unit="ns", rate=True),
            ColumnSpec("comm", "value.comm"),
            ColumnSpec("p50", "value.latency", percentile=50, unit="ns"),
        ),
        sort="-total",
    )
    assert build(view, COLUMNS, TWO_CPUS).meanings == {
        "who": Meaning(key=True), "total": Meaning("ns", rate=True), "p50": Meaning("ns", about=True),
    }


def test_a_table_without_declared_columns_tells_which_are_its_key() -> None:
    """Under the names that the columns have, whether they kept the key's half or not."""
    assert build(ViewSpec("calls", "calls"), COLUMNS, TWO_CPUS).meanings == {
        "pid": Meaning(key=True), "nr": Meaning(key=True),
    }
    bare = MapColumns(MapSpec("calls", 5, 8, 40, 16), None)
    assert build(ViewSpec("calls", "calls"), bare, TWO_CPUS).meanings == {"key": Meaning(key=True)}


def test_an_empty_map_is_an_empty_table() -> None:
    """No rows, all columns, no error."""
    empty = MapSnapshot("calls", 0, np.zeros((0, 8), np.uint8), np.zeros((0, 2, 40), np.uint8), 16, 0)
    view = ViewSpec("calls", "calls", (ColumnSpec("c", "value.comm"), ColumnSpec("n", "key.nr", "syscall")), "-n")
    assert build(view, COLUMNS, empty).rows() == []


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (ViewSpec("v", "calls", (ColumnSpec("a", "key.pdi"),)), "has only key.pid"),
        (ViewSpec("v", "calls", (ColumnSpec("a", "key.pid", decode="sycall"),)), "valid: syscall"),
        (ViewSpec("v", "calls", (ColumnSpec("a", "key.pid", percentile=5),)), "needs an array"),
        (ViewSpec("v", "calls", (ColumnSpec("a", "key.pid", sum="value.total"),)), "'a' is no percentile"),
        (ViewSpec("v", "calls", (ColumnSpec("a", "value.latency", None, 5, "value.comm"),)), "no field with one"),
        (ViewSpec("v", "calls", (ColumnSpec("a", "value.latency", None, 5, "value.sum"),)), "no field with one number"),
        (ViewSpec("v", "calls", (ColumnSpec("a", "value.latency", None, 5, "value.latency"),)), "no field with one"),
        (ViewSpec("v", "calls", (ColumnSpec("a", "key.pid"),), "-b"), "no column '-b'; valid: a"),
    ],
)
def test_a_view_that_asks_for_what_is_not_there_is_refused(view: ViewSpec, message: str) -> None:
    """Each mistake is told before anything is attached."""
    with pytest.raises(ConfigError, match=message):
        check(view, COLUMNS)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=60), st.integers(1, 99))
def test_a_percentile_is_within_its_slot(values: list[int], percent: int) -> None:
    """The answer lies in the log2 slot of the true percentile: at most a factor of two off."""
    slots = np.zeros((1, 40), dtype=np.int64)
    for value in values:
        slots[0, max(value.bit_length() - 1, 0)] += 1
    truth = sorted(values)[max(-(-len(values) * percent // 100) - 1, 0)]
    found = int(log2_percentile(slots, percent)[0])
    low, high = (0, 2) if truth < 2 else (1 << truth.bit_length() - 1, 1 << truth.bit_length())
    assert low <= found <= high


def test_bytes_without_btf_are_still_shown() -> None:
    """A map whose object has no BTF gives two columns of bytes."""
    bare = MapColumns(MapSpec("calls", 5, 8, 40, 16), None)
    assert bare.paths == ("key", "value")
    assert bare.read(TWO_CPUS, "key", "auto").shape == (2, 8)


def test_an_enumeration_reads_as_its_names_in_c() -> None:
    """With `decode = "enum"`; of two names for one number the first; a number without a name stays."""
    btf = Btf((Void(), Enum("op", 4, False, (("read", 1), ("pread", 1), ("write", 2)))))
    columns = MapColumns(MapSpec("ops", 1, 4, 4, 8, key_type=1, value_type=1), btf)
    numbers = np.array([[1], [2], [7]], "<u4").view(np.uint8)
    rows = MapSnapshot("ops", 0, numbers, numbers[:, None, :], 8, 0)
    view = ViewSpec("ops", "ops", (ColumnSpec("op", "key", "enum"),))
    check(view, columns)
    assert build(view, columns, rows).columns["op"].tolist() == ["read", "write", "7"]
    with pytest.raises(ConfigError, match=r"key\.pid is no enumeration in C"):
        check(ViewSpec("calls", "calls", (ColumnSpec("pid", "key.pid", "enum"),)), COLUMNS)
