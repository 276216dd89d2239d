"""`bench system` measures every reader on a crowd that it starts and ends."""

from __future__ import annotations

import os
import shutil

import pytest

from tracerd.bench import system
from tracerd.errors import NotSupported


def test_every_reader_is_measured_on_all_that_can_be_polled() -> None:
    """A row for each; the crowd is among the processes, and a poll costs something."""
    measured = system.run(processes=20, polls=2)
    rows = [row.to_json() for row in measured]
    readers = [each.name for each in system._readers()]
    assert [row["what"] for row in rows] == [f"{what} ({name})" for name in readers for what in system.SUBJECTS]
    for row in rows:
        assert row.keys() == {"what", "processes", "cpu_ms_per_poll", "share_at_1s"}
        assert int(str(row["processes"])) > 20
    assert float(str(rows[0]["cpu_ms_per_poll"])) > 0
    assert "processes (psutil)" in system.render(measured)


def test_the_crowd_is_gone_afterwards() -> None:
    """Nothing stays behind, not even when the block fails."""
    pids: list[int] = []

    def fail() -> None:
        with system.crowd(5) as crowd:
            pids.extend(crowd)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert len(pids) == 5
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_without_sleep_it_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, not a traceback."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(NotSupported, match="no sleep"), system.crowd(1):
        pass
