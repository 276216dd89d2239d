"""Finding tracefs: the first place that has events wins; a closed or missing one is said with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracerd.errors import NotPermitted, NotSupported
from tracerd.linux import tracefs as module
from tracerd.linux.tracefs import tracefs


def _native(monkeypatch: pytest.MonkeyPatch, answer: int) -> list[tuple[bytes, bytes]]:
    calls: list[tuple[bytes, bytes]] = []

    class Lib:
        @staticmethod
        def tr_linux_mount(kind: bytes, target: bytes) -> int:
            calls.append((kind, target))
            return answer

    monkeypatch.setattr(module, "lib", Lib)
    return calls


def test_the_place_that_has_events_is_found(tmp_path: Path) -> None:
    """An empty first place is passed over for the older one."""
    old, new = tmp_path / "old", tmp_path / "new"
    new.mkdir()
    (old / "events").mkdir(parents=True)
    assert tracefs((new, old)) == old


def test_where_it_is_not_mounted_it_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system is mounted at the first place, once."""
    calls = _native(monkeypatch, 0)
    assert tracefs((tmp_path,)) == tmp_path
    assert calls == [(b"tracefs", bytes(tmp_path))]


def test_a_refused_mount_says_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without permission the user reads what to run."""
    _native(monkeypatch, -1)
    with pytest.raises(NotPermitted, match=f"sudo mount -t tracefs tracefs {tmp_path}"):
        tracefs((tmp_path,))


def test_a_kernel_without_tracefs_is_not_supported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENODEV means that no permission would help."""
    _native(monkeypatch, -19)
    with pytest.raises(NotSupported):
        tracefs((tmp_path,))
