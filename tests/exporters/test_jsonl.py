"""JSON lines: their shape, and a target that is full, gone, rotated, hostile or stuck."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporters import streaming
from exporters.jsonl import make
from exporters.lines import encode
from exporters.streaming import Stream
from tests.daemon.moments import TAKEN_NS, moment
from tracerd.errors import ConfigError, ExportError

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and files of other users")


def rows(path: Path) -> list[dict[str, Any]]:
    """Every line is a whole object."""
    text = path.read_bytes().decode()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def times(path: Path) -> list[int]:
    """The moments in a file, in order."""
    return list(dict.fromkeys(row["unix_ns"] for row in rows(path)))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_every_kind_has_a_line_with_its_time_first(path: Path) -> None:
    """What was collected, its balance, what ran, what had no room, and tracerd's own numbers."""
    exporter = make({"path": str(path)}, "w")
    exporter.export(moment())
    written = rows(path)
    assert {(row["time"], row["unix_ns"]) for row in written} == {("2026-09-21T14:13:20.123456789Z", TAKEN_NS)}
    assert path.read_bytes().startswith(b'{"time":"')
    assert b"a\\u2028\\u001b" in path.read_bytes()
    by_kind = {row["kind"]: row for row in written}
    assert list(by_kind) == ["tables", "table", "map", "ring", "ledger", "program", "own"]
    assert (by_kind["tables"]["probe"], by_kind["tables"]["table"]) == ("p", "t")
    assert (by_kind["tables"]["rows"], by_kind["tables"]["written"]) == (2, 2)
    assert (by_kind["table"]["probe"], by_kind["table"]["table"]) == ("p", "t")
    assert by_kind["table"]["row"] == {"pid": 2**63, "comm": "a\u2028\x1b", "share": None, "slots": [3, 4]}
    assert by_kind["map"]["row"] == {"entries": 2, "max_entries": 10, "refused": 3}
    assert by_kind["ring"]["row"] == {"records": 7, "dropped": 2}
    assert by_kind["ledger"]["event"] == "syscall:*:enter"
    balance = by_kind["ledger"]["row"]
    assert balance["produced"] == sum(
        balance[part] for part in ("delivered", "lost", "dropped", "filtered", "failed", "missing")
    )
    assert by_kind["program"]["row"]["runs"] == 9
    assert by_kind["own"]["row"] == {"rss_bytes": 1.0, "uptime_ns": 5}


def test_only_what_is_asked_for_is_written(path: Path) -> None:
    """`kinds` and `tables` choose; an export of nothing makes no line."""
    make({"path": str(path), "kinds": ["table", "own"], "tables": ["other", "p/x*"]}, "w").export(moment())
    assert [row["kind"] for row in rows(path)] == ["own"]
    path.unlink()
    make({"path": str(path), "kinds": ["table"], "tables": ["other"]}, "w").export(moment())
    assert rows(path) == []


@pytest.mark.parametrize(
    "column",
    [
        np.array(["\udcff raw", "ok"], object),
        np.array([1 << 70, -(1 << 5000)], object),
        np.array([b"\x00\xff", b"x"], object),
        np.array([np.float32(1.5), np.int8(-1)], object),
        np.array([[np.nan, np.inf]] * 2),
        np.array([True, False]),
        np.zeros((2, 16), np.uint8),
    ],
)
def test_any_value_is_json(column: np.ndarray[Any, Any]) -> None:
    """Raw bytes, huge and non-finite numbers: whatever a program put into its map, a line is an object."""
    lines = encode(moment(x=column)).splitlines()
    tables = [row for row in map(json.loads, lines) if row["kind"] == "table"]
    assert [list(row["row"]) for row in tables] == [["x"], ["x"]]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({}, "path: is missing"),
        ({"path": "relative.jsonl"}, "must be an absolute path"),
        ({"path": "/x", "intervall": "1s"}, "did you mean 'interval'?"),
        ({"path": "/x", "interval": 10}, "10 is not a length of time"),
        ({"path": "/x", "interval": "1ms"}, "is not from 100ms to 1d"),
        ({"path": "/x", "max_bytes": "many"}, "'many' is not a size"),
        ({"path": "/x", "kinds": ["tables"]}, "kinds.0"),
        ({"path": "/x", "keep": True}, "keep"),
        ({"path": "/x", "rows": "some"}, "rows"),
    ],
)
def test_a_wrong_section_is_one_sentence(section: dict[str, Any], sentence: str) -> None:
    """The section is checked without opening anything."""
    with pytest.raises(ConfigError) as caught:
        make(section, "tracerd.toml: exporters.jsonl")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("tracerd.toml: exporters.jsonl")


def test_a_file_that_was_moved_away_is_begun_anew(path: Path) -> None:
    """logrotate renames or removes it: the next export is in a new file of that name, the last is whole."""
    exporter = make({"path": str(path)}, "w")
    exporter.export(moment(1))
    path.rename(path.with_suffix(".old"))
    exporter.export(moment(2))
    path.unlink()
    exporter.export(moment(3))
    assert (times(path.with_suffix(".old")), times(path)) == ([1], [3])


def test_a_full_file_is_rotated_between_exports(path: Path) -> None:
    """FILE.1 is the youngest; no more than `keep` stay; an export is never cut in two."""
    size = len(encode(moment(1)))
    exporter = make({"path": str(path), "max_bytes": 2 * size + 50, "keep": 2}, "w")
    for number in range(1, 10):
        exporter.export(moment(number))
    assert sorted(each.name for each in path.parent.iterdir()) == ["out.jsonl", "out.jsonl.1", "out.jsonl.2"]
    found = [times(path.with_name(f"out.jsonl{suffix}")) for suffix in (".2", ".1", "")]
    assert found == [[5, 6], [7, 8], [9]]


def test_keep_0_begins_the_same_file_again(path: Path) -> None:
    """Nothing old stays."""
    exporter = make({"path": str(path), "max_bytes": len(encode(moment(1))) + 5, "keep": 0}, "w")
    exporter.export(moment(1))
    exporter.export(moment(2))
    assert times(path) == [2]
    assert [each.name for each in path.parent.iterdir()] == ["out.jsonl"]


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@root
def test_a_full_disk_leaves_no_half_line_and_is_got_over(tmp_path: Path) -> None:
    """What had begun is taken back; once there is room exports go on behind what was there."""
    with small_disk(tmp_path, "size=16k") as disk:
        exporter = make({"path": str(disk / "out.jsonl")}, "w")
        exporter.export(moment(1))
        (disk / "filler").write_bytes(b"x" * 8192)
        big = moment(2, text=np.array(["y" * 100] * 100, object))
        with pytest.raises(ExportError, match="No space left on device"):
            exporter.export(big)
        assert times(disk / "out.jsonl") == [1]
        (disk / "filler").unlink()
        exporter.export(moment(3))
        assert times(disk / "out.jsonl") == [1, 3]


@root
def test_a_disk_that_becomes_read_only_is_an_error_until_it_is_writable_again(tmp_path: Path) -> None:
    """Also with the file open."""
    with small_disk(tmp_path, "size=64k") as disk:
        exporter = make({"path": str(disk / "out.jsonl")}, "w")
        exporter.export(moment(1))
        exporter.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(ExportError, match="Read-only file system"):
            exporter.export(moment(2))
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        exporter.export(moment(3))
        assert times(disk / "out.jsonl") == [1, 3]


def test_a_limit_on_file_sizes_is_an_error_without_a_half_line(tmp_path: Path) -> None:
    """RLIMIT_FSIZE cuts a write in two: the first half is taken back."""
    code = f"""
import resource
from exporters.jsonl import make
from tests.daemon.moments import moment
from tracerd.errors import ExportError
exporter = make({{"path": "{tmp_path}/out.jsonl"}}, "w")
exporter.export(moment(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
try:
    for number in range(2, 9): exporter.export(moment(number))
except ExportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert rows(tmp_path / "out.jsonl")


def test_a_missing_folder_is_an_error_until_it_is_there(path: Path) -> None:
    """Nothing is made that was not asked for."""
    target = path.parent / "later" / "out.jsonl"
    exporter = make({"path": str(target)}, "w")
    with pytest.raises(ExportError, match="No such file or directory"):
        exporter.export(moment(1))
    target.parent.mkdir()
    exporter.export(moment(2))
    assert times(target) == [2]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "device", "hard link", "world", "stranger"])
def test_what_only_looks_like_our_file_is_not_written(path: Path, kind: str) -> None:
    """One sentence, at once: nobody can lead root's exporter to another file, or make it wait."""
    other = path.parent / "other"
    other.write_text("precious\n")
    if kind == "link":
        path.symlink_to(other)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/null")
    elif kind == "hard link":
        path.hardlink_to(other)
    elif kind == "world":
        path.write_text("")
        path.chmod(0o666)
    elif os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    else:
        path.write_text("")
        os.chown(path, 12345, -1)
    with pytest.raises(ExportError) as caught:
        make({"path": str(path)}, "w").export(moment())
    assert str(path) in str(caught.value)
    assert other.read_text() == "precious\n"


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        (b'{"time":"2026-01-01T00', b""),
        (b'{"ti', b""),
        (b'{"time":"x"}\n{"time":"2026', b'{"time":"x"}\n'),
        (b"somebody's notes", b"somebody's notes\n"),
        (b'{"time":"x"}\n', b'{"time":"x"}\n'),
        (b"\n" + b"x" * (3 << 20), b"\n" + b"x" * (3 << 20) + b"\n"),
    ],
)
def test_half_a_line_of_a_killed_process_is_cut_off_and_nothing_else(path: Path, left: bytes, kept: bytes) -> None:
    """What is not ours stays and is ended; what is whole stays as it is."""
    path.write_bytes(left)
    make({"path": str(path)}, "w").export(moment())
    assert path.read_bytes() == kept + encode(moment())


def test_two_processes_do_not_write_one_file(path: Path) -> None:
    """Their rotations would take each other's lines; the second says so and works once the first is gone."""
    first, second = make({"path": str(path)}, "w"), make({"path": str(path)}, "w")
    first.export(moment(1))
    with pytest.raises(ExportError, match="another process writes it"):
        second.export(moment(2))
    first.close()
    second.export(moment(3))
    assert times(path) == [1, 3]


def test_a_process_killed_at_any_moment_leaves_at_most_half_a_line(path: Path) -> None:
    """After every kill the next process continues with whole lines."""
    code = f"""
from exporters.jsonl import make
from tests.daemon.moments import moment
exporter = make({{"path": "{path}", "max_bytes": 20000, "keep": 1}}, "w")
print(flush=True)
number = 0
while True:
    number += 1
    exporter.export(moment(number))
"""
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.02)
            child.kill()
    exporter = make({"path": str(path)}, "w")
    exporter.export(moment(10**9))
    assert times(path)[-1] == 10**9
    assert rows(path.with_name("out.jsonl.1"))


@pytest.mark.timeout(30)
def test_a_reader_of_standard_output_that_does_not_read_costs_lines_not_their_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An export waits for a bounded time; the line that had begun is ended when there is room again."""
    monkeypatch.setattr(streaming, "WAIT_SECONDS", 0.05)
    reader, writer = os.pipe()
    stream, data = Stream(writer), encode(moment())
    with pytest.raises(ExportError, match="its reader took"):
        list(map(stream.append, [data] * 1000))
    received = bytearray()

    def read() -> None:
        while chunk := os.read(reader, 1 << 16):
            received.extend(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    stream.append(data)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert bytes(received).endswith(b"\n" + data)
    assert all(json.loads(line) for line in bytes(received).splitlines())


def test_a_reader_that_is_gone_is_an_error() -> None:
    """Not a signal that ends the daemon."""
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(ExportError, match="Broken pipe"):
        Stream(writer).append(b"{}\n")
    os.close(writer)


def test_lines_come_out_of_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """path = "-"."""
    make({"path": "-", "kinds": ["own"]}, "w").export(moment())
    assert json.loads(capfd.readouterr().out)["kind"] == "own"


def test_no_descriptor_is_left_behind(path: Path) -> None:
    """Failures, rotations and reopenings together."""
    exporter = make({"path": str(path), "max_bytes": 100, "keep": 1}, "w")
    before = descriptors()
    for number in range(30):
        exporter.export(moment(number))
    path.unlink()
    path.symlink_to("/etc/passwd")
    for number in range(30):
        with pytest.raises(ExportError):
            exporter.export(moment(number))
    exporter.close()
    assert descriptors() == before
