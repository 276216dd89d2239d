"""Tell systemd how the daemon is: sd_notify(3), which is one datagram a message.

Nothing waits and nothing fails because of it: a message that cannot be sent is counted.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from types import TracebackType

from tracerd.text import printable


class Notifier:
    """The service manager, if there is one. Thread-safe: a message is one system call."""

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        """Take the manager's address out of the environment, so that our children do not speak for us."""
        environment = os.environ if environment is None else environment
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog(environment)
        self.sent = 0
        self.failed = 0
        self._socket: socket.socket | None = None
        if self._address.startswith(("/", "@")) and hasattr(socket, "AF_UNIX"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def ready(self, status: str = "") -> None:
        """The daemon serves: it has started, or reloaded."""
        self._tell("READY=1", status)

    def reloading(self, status: str = "") -> None:
        """The configuration is being read again. `ready` ends it."""
        self._tell("RELOADING=1", status, f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """The end has begun."""
        self._tell("STOPPING=1", status)

    def alive(self) -> None:
        """Feed the watchdog; to be called at least every `watchdog_seconds` / 2 by whoever would notice a hang."""
        self._tell("WATCHDOG=1")

    def status(self, status: str) -> None:
        """Say in one line what `systemctl status` is to show."""
        self._tell(status=status)

    def extend(self, seconds: float) -> None:
        """Ask for more time to start or stop."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def close(self) -> None:
        """May be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Notifier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _tell(self, state: str = "", status: str = "", *more: str) -> None:
        if self._socket is None:
            return
        # A line break in a status would begin another assignment.
        lines = [state, f"STATUS={printable(status)}" if status else "", *more]
        message = "\n".join(line for line in lines if line).encode("utf-8", "backslashreplace")
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            self._socket.sendto(message, address)
            self.sent += 1
        except OSError:
            self.failed += 1


def _watchdog(environment: MutableMapping[str, str]) -> float:
    """Return how often the manager wants to hear from us, in seconds; 0: it does not (sd_watchdog_enabled(3))."""
    microseconds, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or (process and process != str(os.getpid())):
        return 0.0
    return int(microseconds) / 1e6
