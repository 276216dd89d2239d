"""A daemon to do something to: one that is not started yet, or one that counts and that several tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.running import RunningDaemon, daemon, until
from tests.daemon.tallies import counted, hammer
from tests.sources.live import need_live_events


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon of the test's own, with the probe `tally`."""
    need_live_events()
    with daemon(tmp_path) as made:
        made.probe("tally")
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One for a file's tests: each leaves it as it was."""
    need_live_events()
    limits = "[limits]\nverify_seconds = 0.3\n"
    with daemon(tmp_path_factory.mktemp("daemon"), more=limits, interval="100ms") as made:
        made.probe("tally")
        made.start()
        yield made


@pytest.fixture
def running(shared: RunningDaemon) -> Iterator[RunningDaemon]:
    """The shared daemon; whatever a test did to it, it counts exactly afterwards, and is the same process."""
    pid = shared.pid
    yield shared
    client = shared.client()
    calls = hammer(1000)
    until(lambda: counted(client, calls) == 1000)
    assert client.status()["pid"] == pid
