"""A terminal with somebody at it: tmux, with a server of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from shlex import join

import pytest

SECONDS = 30.0

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux (apt-get install tmux)")


class Terminal:
    """One window. What runs in it has ended when `ended` says so; its exit code is the last line then."""

    def __init__(self, server: str) -> None:
        self._server = server

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p", "-t", "top")

    @property
    def pid(self) -> int:
        """The process that runs in it."""
        return int(self._tmux("display-message", "-p", "-t", "top", "#{pane_pid}"))

    def press(self, *keys: str) -> None:
        """Press keys, as tmux calls them."""
        for key in keys:
            self._tmux("send-keys", "-t", "top", key)

    def resize(self, width: int, height: int) -> None:
        """Be another size from now on."""
        self._tmux("resize-window", "-t", "top", "-x", str(width), "-y", str(height))

    def says(self, *words: str) -> str:
        """Wait until the screen has all of these; returns it."""
        return self.until(lambda text: all(word in text for word in words), f"{words}")

    def until(self, there: Callable[[str], bool], what: str) -> str:
        """Wait until the screen is so; returns it."""
        end = time.monotonic() + SECONDS
        while not there(text := self.text):
            assert time.monotonic() < end, f"{what} did not come; the screen says:\n{text}"
            time.sleep(0.1)
        return text

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", self._server, *arguments], capture_output=True, text=True, check=True)
        return done.stdout


@contextmanager
def terminal(
    command: Sequence[str], width: int = 80, height: int = 24, server: str = "tracerd-test"
) -> Iterator[Terminal]:
    """Run a command in a terminal; afterwards it says its exit code."""
    line = f"{join(command)}; echo exit code $?; sleep 600"
    size = ("-x", str(width), "-y", str(height))
    # The environment is given because pytest imports readline, which puts LINES and COLUMNS into the one beneath.
    starting = ["tmux", "-L", server, "new-session", "-d", "-s", "top", *size, line]
    subprocess.run(starting, check=True, env=dict(os.environ))
    try:
        yield Terminal(server)
    finally:
        subprocess.run(["tmux", "-L", server, "kill-server"], check=False, capture_output=True)
