"""How the dashboard of a browser tab speaks with the server: textual's driver, but for two things.

Textual's own stays for ever where nobody takes what it draws: a server that was killed would leave it behind. And two
threads write with it, the pieces of a downloaded file amid those of a picture.
"""

from __future__ import annotations

import os
from functools import partial
from threading import Lock
from typing import Any

from textual import messages
from textual.drivers.web_driver import WebDriver

NAME = f"{__name__}:TabDriver"
"""What textual finds it by, in the environment variable TEXTUAL_DRIVER."""


class TabDriver(WebDriver):
    """Draws to the server, and leaves with it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._writing = Lock()
        self._write = partial(self._hand_on)

    def run_input_thread(self) -> None:
        """Take what the page sends; at its end the server is gone, unless the dashboard itself has ended."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._app.post_message(messages.ExitApp())

    def _hand_on(self, packet: bytes) -> int:
        """Write a packet whole, which a pipe does for short ones only.

        Without a server it goes nowhere: the input ends then too, and the dashboard with it in order.
        """
        rest = memoryview(packet)
        with self._writing:
            try:
                while rest:
                    rest = rest[os.write(self.fileno, rest) :]
            except BrokenPipeError:
                pass
        return len(packet)
