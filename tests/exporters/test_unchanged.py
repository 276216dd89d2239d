"""JSON lines leave out the rows that the file has already: which those are, and when all are written again."""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporters import appending, jsonl, unchanged
from exporters.jsonl import JsonLines, make
from exporters.lines import encode
from tests.daemon.moments import moment
from tracerd.errors import ExportError
from tracerd.snapshot import Moment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def table(taken_ns: int = 1, **counts: int) -> Moment:
    """A moment whose table has one row a name."""
    names = np.array(list(counts), object)
    return moment(taken_ns, name=names, count=np.array(list(counts.values()), np.int64))


def exporter(path: Path, **section: Any) -> JsonLines:
    return make({"path": str(path), "kinds": ["table"], **section}, "w")


def exports(path: Path) -> list[tuple[int, int, list[tuple[str, int]]]]:
    """Each export in a file: how many rows there were, how many were written, and these."""
    found: list[tuple[int, int, list[tuple[str, int]]]] = []
    for line in map(json.loads, path.read_text().splitlines()):
        if line["kind"] == "tables":
            found.append((line["rows"], line["written"], []))
        else:
            found[-1][2].append((line["row"]["name"], line["row"]["count"]))
    assert all(written == len(rows) for _, written, rows in found)
    return found


def test_a_row_is_written_when_it_is_new_or_differs(path: Path) -> None:
    """Also when it is again what it was before the last export; what is left out is counted in the table's summary."""
    out = exporter(path)
    for counts in ({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"b": 1, "a": 1}, {"a": 1, "b": 1, "c": 0}, {"a": 1}):
        out.export(table(**counts))
    assert exports(path) == [
        (2, 2, [("a", 1), ("b", 1)]),
        (2, 1, [("b", 2)]),
        (2, 1, [("b", 1)]),
        (3, 1, [("c", 0)]),
        (1, 0, []),
    ]


def test_all_rows_are_written_when_that_is_asked_for(path: Path) -> None:
    """rows = "all"."""
    out = exporter(path, rows="all")
    for _ in range(2):
        out.export(table(a=1, b=1))
    assert exports(path) == [(2, 2, [("a", 1), ("b", 1)])] * 2


def test_of_equal_rows_those_that_are_more_are_new(path: Path) -> None:
    """A view without its map's key has them: three where two were is one more."""
    out = exporter(path)
    for times in (2, 3, 1, 3):
        out.export(moment(name=np.array(["a"] * times, object), count=np.ones(times, np.int64)))
    assert [written for _, written, _ in exports(path)] == [2, 1, 0, 2]


def test_a_reader_that_puts_together_what_is_written_has_the_table(path: Path) -> None:
    """Whatever changes, and whenever the disk is full: each row's last line is the row."""
    random.seed(7)
    out, counts, seen = exporter(path, max_bytes=4000, keep=1000), {f"n{i}": 0 for i in range(20)}, {}
    for _ in range(200):
        for name in random.sample(list(counts), 3):
            counts[name] = random.randrange(4)
        with pytest.MonkeyPatch.context() as patch:
            if full := random.random() < 0.2:
                patch.setattr(appending.os, "write", no_space)
                with pytest.raises(ExportError, match="No space left"):
                    out.export(table(**counts))
        if not full:
            out.export(table(**counts))
            seen.update(exports(path)[-1][2])
            assert seen == counts
            assert dict(row for _, _, rows in exports(path) for row in rows) == counts
    assert path.with_name("out.jsonl.2").exists()


def no_space(_: int, __: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_after_a_failure_nothing_counts_as_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the failed export would have told is told by the next; what the file has from before stays left out."""
    out = exporter(path)
    out.export(table(a=1, b=1))
    with monkeypatch.context() as patch:
        patch.setattr(appending.os, "write", no_space)
        with pytest.raises(ExportError):
            out.export(table(a=1, b=2))
    out.export(table(a=1, b=2))
    assert exports(path) == [(2, 2, [("a", 1), ("b", 1)]), (2, 1, [("b", 2)])]


def moved(path: Path) -> None:
    path.rename(path.with_name("old"))


def emptied(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("does", [moved, Path.unlink, emptied])
@pytest.mark.parametrize("fails", [False, True])
def test_a_file_begun_anew_by_others_has_all_rows(
    path: Path, does: Callable[[Path], None], fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved away, removed or emptied (logrotate's copytruncate), also when the next export fails at first."""
    out = exporter(path)
    out.export(table(a=1))
    out.export(table(a=1))
    does(path)
    if fails:
        with monkeypatch.context() as patch:
            patch.setattr(appending.os, "write", no_space)
            with pytest.raises(ExportError):
                out.export(table(a=1))
    out.export(table(a=1))
    assert exports(path) == [(1, 1, [("a", 1)])]


@pytest.mark.parametrize("keep", [0, 1])
def test_a_rotated_file_begins_with_all_rows(path: Path, keep: int) -> None:
    """So no row is only in a file that may be thrown away."""
    out = exporter(path, max_bytes=2 * len(encode(table(a=1), ("table",))), keep=keep)
    for count in range(30):
        out.export(table(a=1, b=count))
    assert exports(path)[0] == (2, 2, [("a", 1), ("b", exports(path)[0][2][1][1])])
    assert exports(path)[-1][2][-1] == ("b", 29)


def test_a_restart_begins_with_all_rows(path: Path) -> None:
    """Behind what the process before wrote: what that was is not known any more."""
    for _ in range(2):
        out = exporter(path)
        out.export(table(a=1))
        out.close()
    assert exports(path) == [(1, 1, [("a", 1)])] * 2


def test_what_is_remembered_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that does not fit is written whole each time, and its summary says so."""
    monkeypatch.setattr(unchanged, "MOST_ROWS", 2)
    out = exporter(path)
    for counts in ({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}):
        out.export(table(**counts))
    assert [written for _, written, _ in exports(path)] == [2, 0, 1, 3]


def test_a_refused_target_is_refused_before_the_work(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon's stop has a second for it: a table of many rows that goes nowhere must not use that up."""
    path.symlink_to(path.with_name("other"))
    monkeypatch.setattr(jsonl, "table_lines", lambda *_: pytest.fail("encoded for nothing"))
    with pytest.raises(ExportError, match="is a symbolic link"):
        exporter(path).export(table(a=1))
