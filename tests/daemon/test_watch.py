"""Files are looked at, and what makes a difference to their use is a change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tracerd.daemon.watch import FileWatch


def again(path: Path) -> None:
    """The same text, written anew with the old times."""
    status = path.stat()
    path.with_suffix(".new").write_text(path.read_text())
    path.with_suffix(".new").replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


Change = Callable[[Path], object]
CHANGES: dict[str, Change] = {
    "its text": lambda path: path.write_text("more than before"),
    "its mode": lambda path: path.chmod(0o600),
    "another file of the same size and time": again,
    "its absence": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_makes_a_difference_is_noticed_once_it_has_settled(tmp_path: Path, change: Change) -> None:
    """Not at the first look after it, then once."""
    path = tmp_path / "a.toml"
    path.write_text("text")
    path.chmod(0o666)
    watch = FileWatch([path])
    assert not watch.changed([path])
    change(path)
    assert [watch.changed([path]) for _ in range(3)] == [False, True, False]


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="needs root to give a file away")
def test_another_owner_is_a_change(tmp_path: Path) -> None:
    """What belonged to a stranger was refused; `chown root` is what its refusal advises."""
    path = tmp_path / "a.toml"
    path.write_text("")
    os.chown(path, 12345, -1)
    watch = FileWatch([path])
    os.chown(path, 0, -1)
    assert [watch.changed([path]) for _ in range(2)] == [False, True]


def test_reading_a_file_is_no_change(tmp_path: Path) -> None:
    """Its access time says nothing."""
    path = tmp_path / "a.toml"
    path.write_text("text")
    watch = FileWatch([path])
    path.read_text()
    assert not watch.differs([path])
