"""A daemon's insides in this process: nothing of it stays, however it ends, and however it fails to begin."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracerd.daemon import core
from tracerd.daemon.local import LocalDaemon
from tracerd.errors import ConfigError, RunError
from tracerd.verifier.sandbox import Verifier

SECONDS = 20.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where it keeps its state."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert not list(tmp_path.iterdir()), "it left something behind"


def test_what_fails_half_way_leaves_neither_folders_nor_a_verifier(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dashboard tries it again every second, for as long as it is open."""
    closed: list[Verifier] = []

    def refuse(*_: object) -> None:
        raise ConfigError("probes", "cannot be had")

    close = Verifier.close
    monkeypatch.setattr(Verifier, "close", lambda self: (closed.append(self), close(self))[0])
    monkeypatch.setattr("tracerd.runtime.host.Host.begin", refuse)
    with LocalDaemon(["host"]) as local:
        for tries in range(1, 4):
            with pytest.raises(ConfigError, match="cannot be had"):
                local.feed()
            assert not list(folder.iterdir())
            assert len(set(map(id, closed))) == tries


def test_a_system_that_refuses_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """No traceback in a thread that nobody sees."""

    def refuse(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with LocalDaemon(["host"]) as local, pytest.raises(RunError, match="cannot begin: No space left on device"):
        local.feed()


def test_an_end_breaks_off_the_proof_that_it_waits_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Whoever leaves while programs are being proved does not wait for the proofs."""
    proving, broken = threading.Event(), threading.Event()

    def begin(*_: object) -> None:
        proving.set()
        assert broken.wait(SECONDS)
        raise ConfigError("probes", "broken off")

    class Breaking(Verifier):
        def close(self) -> None:
            broken.set()
            super().close()

    monkeypatch.setattr("tracerd.runtime.host.Host.begin", begin)
    monkeypatch.setattr(core, "Verifier", Breaking)
    local = LocalDaemon(["host"])
    failures: list[Exception] = []

    def ask() -> None:
        try:
            local.feed()
        except ConfigError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert proving.wait(SECONDS)
    local.close()
    asking.join(SECONDS)
    assert [str(each) for each in failures] == ["probes: broken off"]
    with pytest.raises(RunError, match="has ended"):
        local.feed()


def test_a_feed_that_is_closed_ends_its_streams(folder: Path) -> None:  # noqa: ARG001
    """Also one whose next moment is a minute away, in another thread; other feeds go on."""
    with LocalDaemon(["nothing-of-that-name"]) as local:
        feed, other = local.feed(), local.feed()
        came = threading.Event()

        def read() -> None:
            for _ in feed.moments(60.0):
                came.set()

        reading = threading.Thread(target=read)
        reading.start()
        assert came.wait(SECONDS)
        feed.close()
        began = time.monotonic()
        reading.join(SECONDS)
        assert not reading.is_alive()
        assert time.monotonic() - began < 5.0
        assert next(other.moments()).probes == {}
        assert "nothing-of-that-name" in other.look().reasons[0]
