"""The state directory under faults: killed writers, full and read-only disks, removed and hostile files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.daemon.killed_savers import Numbers, document
from tracerd.daemon import state
from tracerd.daemon.state import StateDir
from tracerd.errors import ConfigError, RunError

root = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="needs root: mounts, files of others")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[StateDir]:
    with StateDir(tmp_path / "state") as made:
        yield made


def names(directory: StateDir) -> list[str]:
    return sorted(each.name for each in directory.path.iterdir())


def test_a_document_comes_back_as_it_was_saved(directory: StateDir) -> None:
    """There is none at first; the last save is what counts, and no temporary file stays."""
    saved = document(directory)
    assert saved.load() is None
    saved.save(Numbers(1))
    saved.save(Numbers(2))
    assert document(directory).load() == Numbers(2)
    assert names(directory) == ["numbers.json"]
    assert (directory.path / "numbers.json").stat().st_mode & 0o777 == 0o600


def test_the_directory_is_made_for_us_alone(tmp_path: Path) -> None:
    """With its parents; a directory of ours that others may read is closed to them."""
    with StateDir(tmp_path / "a" / "state") as made:
        assert made.path.stat().st_mode & 0o777 == 0o700
        assert made.folder("pins").stat().st_mode & 0o777 == 0o700
    made.path.chmod(0o755)
    with StateDir(tmp_path / "a" / "state"):
        assert made.path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """What is in it could be anybody's."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    with pytest.raises(ConfigError, match=r"may be written by others \(mode 07.*chmod 700"):
        StateDir(tmp_path / "state")


def test_a_parent_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """They could rename the directory and put another in its place. In one like /tmp they could not."""
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(0o777)
    with pytest.raises(ConfigError, match="every user may write"):
        StateDir(parent / "state")
    assert list(parent.iterdir()) == []
    if os.geteuid() == 0:
        parent.chmod(0o1777)
        StateDir(parent / "state").close()
        os.chown(parent, 12345, -1)
        with pytest.raises(ConfigError, match="belongs to user 12345"):
            StateDir(parent / "other")


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    """For the directory and for a folder in it."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is a symbolic link"):
        StateDir(tmp_path / "state")
    with StateDir(tmp_path / "elsewhere") as made:
        (tmp_path / "elsewhere" / "pins").symlink_to(tmp_path)
        with pytest.raises(ConfigError, match="is a symbolic link"):
            made.folder("pins")


@root
def test_a_directory_of_somebody_else_is_refused_unless_expected(tmp_path: Path) -> None:
    """Root does not work in a user's directory, but for the user that it becomes later."""
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 12345, -1)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        StateDir(tmp_path / "state")
    StateDir(tmp_path / "state", owner=12345).close()


def test_a_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    """No traceback."""
    (tmp_path / "state").write_text("")
    with pytest.raises(RunError, match="Not a directory"):
        StateDir(tmp_path / "state")


def test_one_daemon_at_a_time(directory: StateDir) -> None:
    """The second is told who the first is, and can begin once that is closed."""
    directory.lock()
    with StateDir(directory.path) as second, pytest.raises(RunError, match=rf"another daemon .*\(pid {os.getpid()}\)"):
        second.lock()
    directory.close()
    with StateDir(directory.path) as second:
        second.lock()


def test_what_a_killed_writer_left_is_removed_once_locked(directory: StateDir) -> None:
    """And nothing else."""
    for name in (".numbers.json.99.1.tmp", "numbers.json", ".hidden", "x.tmp"):
        (directory.path / name).write_text("{")
    directory.lock()
    assert names(directory) == [".hidden", "numbers.json", "pid", "x.tmp"]


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b'{"number": "one"}', b'{"number": 1} trailing', b"\xff\xfe", b"[" * 100_000, b"[]", b"\0" * 4096],
)
def test_a_damaged_document_is_moved_aside_and_told(
    directory: StateDir, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon goes on without it, and what was there can be looked at."""
    (directory.path / "numbers.json").write_bytes(damage)
    damaged = document(directory)
    assert damaged.load() is None
    (aside,) = names(directory)
    assert aside.startswith("numbers.json.damaged-")
    assert (directory.path / aside).read_bytes() == damage
    assert aside in damaged.damaged
    assert "damaged document" in caplog.text
    damaged.save(Numbers(3))
    assert document(directory).load() == Numbers(3)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder", "huge"])
def test_what_is_no_document_at_all_is_moved_aside(
    directory: StateDir, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link is not followed, a FIFO not waited for, an endless file not read."""
    monkeypatch.setattr(state, "LARGEST_DOCUMENT", 1 << 10)
    (tmp_path / "other").write_text('{"number": 666}')
    path = directory.path / "numbers.json"
    if kind == "link":
        path.symlink_to(tmp_path / "other")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "none")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b'{"number": 1}' + b" " * 2000)
    assert document(directory).load() is None
    assert names(directory)[0].startswith("numbers.json.damaged-")
    document(directory).save(Numbers(4))
    assert document(directory).load() == Numbers(4)
    assert (tmp_path / "other").read_text() == '{"number": 666}'


def test_a_link_put_in_a_document_s_place_is_replaced_not_written_through(directory: StateDir, tmp_path: Path) -> None:
    """rename(2) puts the new document where the link was."""
    (tmp_path / "other").write_text("precious")
    (directory.path / "numbers.json").symlink_to(tmp_path / "other")
    document(directory).save(Numbers(5))
    assert (tmp_path / "other").read_text() == "precious"
    assert document(directory).load() == Numbers(5)


def test_damaged_documents_do_not_fill_the_disk(directory: StateDir) -> None:
    """The youngest few are kept."""
    for number in range(state.KEEP_DAMAGED + 3):
        (directory.path / "numbers.json").write_text(f"broken {number}")
        document(directory).load()
        time.sleep(0.002)
    kept = [(directory.path / name).read_text() for name in names(directory)]
    assert kept == [f"broken {number}" for number in range(3, state.KEEP_DAMAGED + 3)]


def test_a_removed_state_directory_is_made_again_with_its_lock(directory: StateDir) -> None:
    """The next save finds a directory; a second daemon still does not."""
    directory.lock()
    saved = document(directory)
    saved.save(Numbers(1))
    subprocess.run(["rm", "-rf", str(directory.path)], check=True)
    saved.save(Numbers(2))
    assert names(directory) == ["numbers.json", "pid"]
    assert document(directory).load() == Numbers(2)
    with StateDir(directory.path) as second, pytest.raises(RunError, match="another daemon"):
        second.lock()


def test_a_state_directory_that_cannot_be_made_again_is_a_sentence(directory: StateDir) -> None:
    """And works again once what is in its place is gone."""
    saved = document(directory)
    directory.path.rmdir()
    directory.path.symlink_to("/tmp")
    with pytest.raises(ConfigError, match="symbolic link"):
        saved.save(Numbers(1))
    directory.path.unlink()
    saved.save(Numbers(2))
    assert document(directory).load() == Numbers(2)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@root
def test_a_full_disk_leaves_the_old_document(tmp_path: Path) -> None:
    """One sentence, no temporary file, and the next save works once there is room."""
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk") as disk, StateDir(disk / "state") as directory:
        saved = document(directory)
        saved.save(Numbers(1))
        (disk / "filler").write_bytes(b"x" * 40960)
        with pytest.raises(RunError, match="No space left on device"):
            saved.save(Numbers(2, "y" * 30000))
        assert document(directory).load() == Numbers(1)
        assert names(directory) == ["numbers.json"]
        (disk / "filler").unlink()
        saved.save(Numbers(3, "y" * 20000))
        assert document(directory).load() == Numbers(3, "y" * 20000)


@root
def test_a_read_only_disk_is_a_sentence_and_the_document_is_still_read(tmp_path: Path) -> None:
    """Remounted under a running daemon."""
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk") as disk, StateDir(disk / "state") as directory:
        saved = document(directory)
        saved.save(Numbers(1))
        directory.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with StateDir(disk / "state") as again:
            with pytest.raises(RunError, match="Read-only file system"):
                document(again).save(Numbers(2))
            again.lock()
            assert document(again).load() == Numbers(1)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@pytest.mark.timeout(170)
def test_200_kills_always_leave_the_old_or_the_new_document(directory: StateDir) -> None:
    """SIGKILL at any moment: what was acknowledged is there, or the one being saved; never less, never half."""
    command = [sys.executable, "-m", "tests.daemon.killed_savers", str(directory.path), "200"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kills = msgspec.json.decode(done.stdout, type=list[tuple[int, int, str]])
    assert len(kills) == 200
    before = 0
    for acknowledged, found, damaged in kills:
        assert damaged == ""
        assert max(before, acknowledged) <= found <= max(before, acknowledged) + 1
        before = found
    assert before > 200
    directory.lock()
    assert names(directory) == ["numbers.json", "pid"]
