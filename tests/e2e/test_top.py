"""The dashboard in a real terminal, over a real daemon that traces this machine."""

from __future__ import annotations

import re
import signal
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.daemon.running import RunningDaemon, daemon, until
from tests.e2e.tmux import needs_tmux, terminal
from tests.sources.live import need_live_events

pytestmark = needs_tmux
PROBES = '"syscalls", "execsnoop"'


@pytest.fixture(autouse=True)
def _live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_live_events()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "remembered"))


def top(made: RunningDaemon, *options: str) -> list[str]:
    return [sys.executable, "-m", "tracerd.cli", "--socket", str(made.socket), "top", *options]


def folders() -> set[Path]:
    """What sessions in dashboards' own processes keep, and remove."""
    return set(Path(tempfile.gettempdir()).glob("tracerd-top-*"))


def events_per_second(text: str) -> int:
    found = re.search(r"([\d,]+) events/s", text)
    assert found is not None, text
    return int(found[1].replace(",", ""))


def test_live_numbers_of_this_machine_change_and_keys_lead_through_all_screens(tmp_path: Path) -> None:
    """What a newcomer does in the first minute; q ends it with exit code 0 and leaves no trace on the screen."""
    with daemon(tmp_path, probes=PROBES) as made:
        made.start()
        with terminal(top(made)) as screen:
            first = screen.says("● live", "syscalls/syscalls", "events/s")
            screen.until(lambda text: "- events/s" not in text and text != first, "another moment")
            seen = {events_per_second(screen.text)}
            screen.until(lambda text: len(seen | {events_per_second(text)}) > 1, "another number")
            screen.press("2")
            screen.says("on_enter", "jit")
            screen.press("Enter")
            screen.says("it always ends", "syscalls.bpf.c")
            screen.press("Escape")
            for key, words in (("3", "syscalls"), ("4", "processes"), ("5", "perf"), ("6", "on_exit"), ("7", "jsonl")):
                screen.press(key)
                screen.says(words, "● live")
            screen.resize(200, 60)
            screen.press("1")
            screen.says("CPU of tracerd")
            screen.press("q")
            assert "exit code 0" in screen.says("exit code")


def test_a_daemon_that_is_killed_and_comes_back_is_followed_again(tmp_path: Path) -> None:
    """It says that it is away, and from where it counts afterwards."""
    with daemon(tmp_path, probes=PROBES) as made:
        made.start()
        with terminal(top(made), 120, 30) as screen:
            screen.says("● live")
            made.kill()
            screen.says("✗ away")
            made.start()
            screen.says("● live")
            screen.until(lambda text: "- events/s" not in text, "rates of the new one")


def test_a_daemon_that_was_named_and_is_not_there_is_a_plain_error(tmp_path: Path) -> None:
    """Exit code 1, and no dashboard."""
    command = [sys.executable, "-m", "tracerd.cli", "--socket", str(tmp_path / "none.sock"), "top"]
    with terminal(command, 120, 24) as screen:
        text = screen.says("exit code 1")
        assert "no tracerd daemon answers" in text


def test_without_a_daemon_probes_run_in_the_dashboards_own_process() -> None:
    """They are proved while one watches, and everything is gone with it."""
    before = folders()
    with terminal([sys.executable, "-m", "tracerd.cli", "top", "syscalls"], 100, 30) as screen:
        screen.says("● live", "syscalls/syscalls")
        assert len(folders() - before) == 1
        screen.press("2")
        screen.says("on_exit", "jit")
        screen.press("q")
        screen.says("exit code 0")
    assert folders() == before


def test_a_program_is_detached_and_attached_again_by_keys(tmp_path: Path) -> None:
    """As the daemon has it afterwards, not only the dashboard."""
    with daemon(tmp_path, probes='"execsnoop"') as made:
        client = made.start()
        with terminal(top(made), 120, 30) as screen:
            screen.says("● live")
            screen.press("2")
            screen.says("on_start")
            screen.press("d")
            screen.says("Detach execsnoop/")
            screen.press("y")
            until(lambda: len(client.links()) == 1, what="one link less")
            screen.press("a")
            screen.says("to which event?")
            screen.press(*"process:start", "Enter")
            screen.says("runs on process:")
            assert {link.source for link in client.links()} >= {"process:start"}


def test_who_is_told_to_end_leaves_nothing_behind() -> None:
    """SIGTERM, as at a shutdown: the probes of its own process end with it, and so does what it kept."""
    before = folders()
    with terminal([sys.executable, "-m", "tracerd.cli", "top", "host"], 100, 30) as screen:
        screen.says("● live", "host/")
        (child,) = psutil.Process(screen.pid).children()
        child.send_signal(signal.SIGTERM)
        screen.says("exit code")
    assert folders() == before
