"""What the service manager is told, datagram by datagram."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracerd.daemon.notify import Notifier

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A manager's socket and what NOTIFY_SOCKET would say, in both forms there are."""
    name = str(tmp_path / "n") if request.param == "path" else f"@tracerd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        listener.settimeout(5)
        yield listener, name


def test_every_message_is_one_datagram_in_systemd_s_words(manager: tuple[socket.socket, str]) -> None:
    """READY, RELOADING with its time, STATUS, WATCHDOG, STOPPING."""
    listener, name = manager
    with Notifier({"NOTIFY_SOCKET": name}) as notifier:
        notifier.ready("3 probes")
        notifier.reloading()
        notifier.alive()
        notifier.status("degraded: the disk is full")
        notifier.extend(2.5)
        notifier.stopping()
        assert notifier.sent == 6
    assert listener.recv(999) == b"READY=1\nSTATUS=3 probes"
    first, second = listener.recv(999).split(b"\n")
    assert (first, second.partition(b"=")[0]) == (b"RELOADING=1", b"MONOTONIC_USEC")
    assert int(second.partition(b"=")[2]) > 0
    assert listener.recv(999) == b"WATCHDOG=1"
    assert listener.recv(999) == b"STATUS=degraded: the disk is full"
    assert listener.recv(999) == b"EXTEND_TIMEOUT_USEC=2500000"
    assert listener.recv(999) == b"STOPPING=1"


def test_a_status_cannot_smuggle_in_another_assignment(manager: tuple[socket.socket, str]) -> None:
    """A probe's name with a line break stays one line."""
    listener, name = manager
    with Notifier({"NOTIFY_SOCKET": name}) as notifier:
        notifier.status("x\nMAINPID=1")
    assert listener.recv(999) == b"STATUS=x\\nMAINPID=1"


def test_children_do_not_inherit_the_manager() -> None:
    """The variables are gone from the environment once we have read them."""
    environment = {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "30000000", "OTHER": "x"}
    with Notifier(environment) as notifier:
        assert environment == {"OTHER": "x"}
        assert notifier.watchdog_seconds == 30.0
        notifier.ready()
        assert (notifier.sent, notifier.failed) == (0, 1)


@pytest.mark.timeout(20)
def test_a_manager_that_does_not_read_holds_nothing_up(manager: tuple[socket.socket, str]) -> None:
    """Its queue is full: messages are counted as failed, at once."""
    with Notifier({"NOTIFY_SOCKET": manager[1]}) as notifier:
        for _ in range(2000):
            notifier.alive()
        assert notifier.failed > 0


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "x"}, 0.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, 0.0),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(environment: dict[str, str], seconds: float) -> None:
    """Without a manager nothing is told and nothing fails."""
    with Notifier(environment) as notifier:
        assert notifier.watchdog_seconds == seconds
        notifier.ready()
        assert (notifier.sent, notifier.failed) == (0, 0)
