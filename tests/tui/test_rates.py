"""Rates: rows are joined by key with the rows of before, wherever those were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.sheets import CALLS, calls_sheet, column, texts
from tracerd.snapshot import Column
from tui.model.rates import rated, rates
from tui.model.sheet import Sheet


def test_a_rate_is_the_change_per_second_of_its_row() -> None:
    """Rows have changed places; one is new and counts from zero, one is gone."""
    before = calls_sheet([(1, "init", "read", 100, 0, 0), (7, "dd", "read", 1000, 0, 0), (8, "sh", "read", 5, 0, 0)])
    now = calls_sheet([(9, "new", "read", 30, 0, 0), (7, "dd", "read", 5000, 0, 0), (1, "init", "read", 100, 0, 0)])
    assert rates(now, before, 2)["count"].tolist() == [15, 2000, 0]


def test_a_counter_that_shrank_has_begun_anew() -> None:
    """Its rate is 0, not a negative number."""
    before, now = calls_sheet([(1, "a", "b", 100, 0, 0)]), calls_sheet([(1, "a", "b", 7, 0, 0)])
    assert rates(now, before, 1)["count"].tolist() == [0]


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_between_nothing_is_known(seconds: float) -> None:
    """The same moment twice says nothing of a rate."""
    assert np.isnan(rates(calls_sheet(), calls_sheet(), seconds)["count"]).all()


def test_without_a_sheet_before_nothing_is_known() -> None:
    """The first one, or the first after a restart."""
    assert np.isnan(rates(calls_sheet(), None, 1)["count"]).all()


def test_sheets_with_other_keys_are_not_compared() -> None:
    """The probe has been replaced: what has the same name may be something else."""
    other = Sheet("syscalls", (column("pid", texts(["7"]), key=True), column("count", np.array([1], np.uint64))))
    assert np.isnan(rates(calls_sheet(), other, 1)["count"]).all()


def test_without_keys_rows_are_where_they_were() -> None:
    """A table of one line needs no key; one that has grown cannot be compared."""
    one, two = (Sheet("s", (column("n", np.array(values), rate=True),)) for values in ([10], [30]))
    longer = Sheet("s", (column("n", np.array([30, 40]), rate=True),))
    assert rates(two, one, 2)["n"].tolist() == [10]
    assert np.isnan(rates(longer, one, 2)["n"]).all()


def test_large_numbers_lose_no_events() -> None:
    """64 bits have more digits than a float."""
    values = [np.array([2**63 + extra], np.uint64) for extra in (1, 4)]
    before, now = (Sheet("s", (column("n", each, rate=True),)) for each in values)
    assert rates(now, before, 1)["n"].tolist() == [3]


def test_a_rate_stands_before_its_column() -> None:
    """It has its unit, and is known as a rate."""
    sheet = rated(calls_sheet(), calls_sheet(), 1)
    assert [each.title for each in sheet.columns] == ["pid", "comm", "syscall", "count/s", "count", "errors", "p99"]
    assert sheet.by_name["count/s"].per_second


def test_nothing_before_means_all_rows_are_new() -> None:
    """They count from zero; no rows now have no rates."""
    assert rates(calls_sheet(), calls_sheet([]), 1)["count"].tolist() == [call[3] for call in CALLS]
    assert rates(calls_sheet([]), calls_sheet(), 1)["count"].tolist() == []


def _key_columns(draw: Any, rows: list[int]) -> tuple[Column, ...]:
    """Return columns of every kind that tell rows apart as the numbers do."""
    numbers = np.array(rows, np.int64)
    kinds: dict[str, tuple[Column, ...]] = {
        "int": (numbers,),
        "far": ((numbers - 6) * 2**60,),
        "unsigned": (numbers.astype(np.uint64) * np.uint64(2**62 + 1),),
        "narrow": (numbers.astype(np.int8) * np.int8(-1),),
        "text": (texts([f"n{row}" for row in rows]),),
        "bytes": (np.array([list(f"{row:011}".encode()) for row in rows], np.uint8).reshape(len(rows), 11),),
        "array": (np.stack([numbers % 3, numbers // 3], axis=1).astype(np.uint32),),
        "float": (numbers.astype(np.float64) / 4,),
        "pair": (numbers % 2, texts([f"n{row // 2}" for row in rows])),
        "wide pair": ((numbers % 2) * 2**61, (numbers // 2) * 2**61),
    }
    return kinds[draw]


KINDS = ("int", "far", "unsigned", "narrow", "text", "bytes", "array", "float", "pair", "wide pair")


@given(
    kind=st.sampled_from(KINDS),
    now=st.dictionaries(st.integers(0, 11), st.integers(0, 2**64 - 1), max_size=12),
    before=st.dictionaries(st.integers(0, 11), st.integers(0, 2**64 - 1), max_size=12),
    mixed=st.randoms(use_true_random=False),
)
def test_rates_are_those_of_a_join_row_by_row(
    kind: str, now: dict[int, int], before: dict[int, int], mixed: Any
) -> None:
    """Whatever the keys are, and whichever rows came and went."""

    def sheet(rows: dict[int, int]) -> Sheet:
        order = list(rows)
        mixed.shuffle(order)
        keys = [column(f"key{i}", each, key=True) for i, each in enumerate(_key_columns(kind, order))]
        counts = np.array([rows[row] for row in order], np.uint64)
        return Sheet("s", (*keys, column("count", counts, rate=True), column("row", np.array(order, np.int64))))

    after, earlier = sheet(now), sheet(before)
    expected = [max(now[row] - before.get(row, 0), 0) / 2 for row in after.by_name["row"].values.tolist()]
    assert rates(after, earlier, 2)["count"].tolist() == pytest.approx(expected)
