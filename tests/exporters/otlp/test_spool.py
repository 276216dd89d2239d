"""Requests on disk: in order, whole or counted, ours alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporters.otlp.request import Request, Signal
from exporters.otlp.spool import Spool
from exporters.otlp.spoolfile import HEAD
from exporters.otlp.target import Spooling
from tracerd.errors import ExportError

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: folders of other users")


def request(number: int, signal: Signal = "metrics", size: int = 100) -> Request:
    return Request(signal, number.to_bytes(8, "big") * (size // 8), number)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def drained(spool: Spool, signal: Signal = "metrics") -> list[int]:
    """The numbers of all that is in it."""
    found = []
    while taken := spool.take(signal):
        found.append(taken[1].items)
        assert taken[1].body == request(taken[1].items, size=len(taken[1].body)).body
        assert spool.done(taken[0])
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def opened(folder: Path, max_bytes: int = 1 << 20) -> Spool:
    spool = Spool(Spooling(str(folder), max_bytes))
    spool.open()
    return spool


def test_each_signal_comes_back_oldest_first_after_a_restart(folder: Path) -> None:
    """With its numbers, and nothing is left of it once it is done."""
    spool = opened(folder)
    for number in range(1, 12):
        spool.add(request(number, "logs" if number % 3 == 0 else "metrics"))
    spool.close()
    again = opened(folder)
    assert again.numbers["logs"].found == again.numbers["logs"].items == 18
    again.add(request(12))
    assert drained(again, "logs") == [3, 6, 9]
    assert drained(again) == [1, 2, 4, 5, 7, 8, 10, 11, 12]
    assert files(folder) == []
    assert (again.numbers["metrics"].items, again.numbers["metrics"].bytes) == (0, 0)
    again.close()


def test_one_that_is_released_is_the_next_again(folder: Path) -> None:
    """It stays in its place."""
    spool = opened(folder)
    spool.add(request(1))
    spool.add(request(2))
    first = spool.take("metrics")
    assert first is not None
    spool.release(first[0])
    assert drained(spool) == [1, 2]
    spool.close()


def test_folder_and_files_are_for_us_only(folder: Path) -> None:
    """Whatever the umask allows."""
    old = os.umask(0)
    try:
        spool = opened(folder)
        spool.add(request(1))
    finally:
        os.umask(old)
    assert [each.stat().st_mode & 0o777 for each in (folder, *files(folder))] == [0o700, 0o600]
    spool.close()


def test_the_oldest_of_all_signals_makes_room(folder: Path) -> None:
    """Except one that is on its way; what had to go is counted for its signal."""
    room = 3 * (HEAD.size + 96)
    spool = opened(folder, room)
    for number, signal in ((1, "metrics"), (2, "logs"), (3, "metrics")):
        spool.add(request(number, signal))  # type: ignore[arg-type]
    taken = spool.take("metrics")
    assert taken is not None
    spool.add(request(4))
    assert (spool.numbers["logs"].dropped, spool.numbers["metrics"].dropped) == ({"spool_full": 2}, {})
    assert spool.done(taken[0])
    assert drained(spool) == [3, 4]
    with pytest.raises(ExportError, match="has no room for"):
        spool.add(request(5, size=room))
    spool.close()


def test_a_smaller_limit_holds_at_once(folder: Path) -> None:
    """After a change of the configuration."""
    spool = opened(folder)
    for number in (1, 2, 3):
        spool.add(request(number))
    spool.close()
    smaller = opened(folder, HEAD.size + 96)
    assert smaller.numbers["metrics"].dropped == {"spool_full": 3}
    assert drained(smaller) == [3]
    smaller.close()


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped body", "flipped items", "longer", "renamed", "a folder"])
def test_a_damaged_file_is_counted_and_removed(folder: Path, damage: str) -> None:
    """By the number of items in its name; those behind it are sent."""
    spool = opened(folder)
    spool.add(request(1))
    spool.add(request(2))
    spool.close()
    first = files(folder)[0]
    content = bytearray(first.read_bytes())
    if damage == "cut":
        first.write_bytes(content[:-1])
    elif damage == "empty":
        first.write_bytes(b"")
    elif damage == "longer":
        first.write_bytes(content + b"x")
    elif damage == "renamed":
        first.rename(folder / first.name.replace("metrics-1.", "metrics-7."))
    elif damage == "a folder":
        first.unlink()
        first.mkdir()
    else:
        content[-1 if damage == "flipped body" else 8] ^= 1
        first.write_bytes(content)
    again = opened(folder)
    found = again.numbers["metrics"].found
    assert drained(again) == [2]
    assert again.numbers["metrics"].dropped == ({} if damage == "a folder" else {"damaged": found - 2})
    assert len(files(folder)) == (damage == "a folder")
    again.close()


def test_half_written_files_are_removed_and_other_files_left_alone(folder: Path) -> None:
    """Also those of another version of the form."""
    folder.mkdir(mode=0o700)
    names = ["0000000000000001.otlp1.tmp", "notes", "0000000000000001-metrics-5.otlp2", "1-metrics-5.otlp1"]
    for name in names:
        (folder / name).write_bytes(b"x")
    spool = opened(folder)
    assert {each.name for each in files(folder)} == set(names[1:])
    assert spool.take("metrics") is None
    spool.close()


def test_a_full_disk_leaves_nothing_half(folder: Path) -> None:
    """The request is where it was, and fits once there is room again."""
    code = f"""
import resource, sys
from tests.exporters.otlp.test_spool import opened, request, files, drained
from pathlib import Path
from tracerd.errors import ExportError
folder = Path({str(folder)!r})
spool = opened(folder)
spool.add(request(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
try:
    spool.add(request(2, size=8000))
except ExportError as error:
    assert "File too large" in str(error), error
else:
    sys.exit("it fits")
assert len(files(folder)) == 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.add(request(2, size=8000))
assert drained(spool) == [1, 2]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_any_step_of_writing_may_fail(folder: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """With the reason told, and nothing left of it."""
    spool = opened(folder)
    with monkeypatch.context() as patched:

        def fail(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr(os, step, fail)
        with pytest.raises(ExportError, match="No space left on device"):
            spool.add(request(1))
    assert files(folder) == []
    assert spool.numbers["metrics"].items == 0
    spool.add(request(2))
    assert drained(spool) == [2]
    spool.close()


def test_one_process_uses_it_at_a_time(folder: Path) -> None:
    """The next may once it is closed."""
    spool = opened(folder)
    with pytest.raises(ExportError, match="another process uses it"):
        opened(folder)
    spool.close()
    spool.close()
    opened(folder).close()
    with pytest.raises(ExportError, match="is closed"):
        spool.add(request(1))


def test_a_folder_that_is_not_ours_alone_is_refused(folder: Path, tmp_path: Path) -> None:
    """A link, one that all may write, a file, and one whose parent is missing."""
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ExportError, match="every user may write it"):
        opened(folder)
    folder.chmod(0o700)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ExportError, match="symbolic link"):
        opened(tmp_path / "link")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ExportError, match="Not a directory"):
        opened(tmp_path / "file")
    with pytest.raises(ExportError, match="the folder above it does not exist"):
        opened(tmp_path / "no" / "spool")


@root
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    """Who owns it could replace what is in it."""
    folder.mkdir()
    os.chown(folder, 1234, 1234)
    with pytest.raises(ExportError, match="belongs to user 1234"):
        opened(folder)


def test_a_link_in_place_of_a_file_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """It is no request."""
    folder.mkdir(mode=0o700)
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "0000000000000001-metrics-5.otlp1").symlink_to(tmp_path / "secret")
    spool = opened(folder)
    assert spool.take("metrics") is None
    spool.close()


def test_a_folder_that_is_removed_under_us_is_made_again(folder: Path) -> None:
    """What was in it is counted."""
    spool = opened(folder)
    spool.add(request(5))
    taken = spool.take("metrics")
    assert taken is not None
    for each in files(folder):
        each.unlink()
    folder.rmdir()
    spool.add(request(6))
    assert spool.numbers["metrics"].dropped == {"damaged": 5}
    assert not spool.done(taken[0])
    assert drained(spool) == [6]
    spool.close()
