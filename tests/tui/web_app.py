"""A dashboard to serve to a browser: a number that changes every 200 ms, the keys that came, who draws it.

Keys: d hands a file to the browser, q leaves, b breaks. Run with --deaf it does not end when it is asked or told to,
with --torrent it always has more to draw than is taken, with --fails it ends before it draws.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any

from textual import messages
from textual.app import App, ComposeResult
from textual.events import Key
from textual.widgets import Static

EXPORTED = "number,ünits\n17,µs\n" * 10_000


class Counting(App[None]):
    """Shows `number N` of the process `pid P`, the size of the screen and the keys that it got."""

    def compose(self) -> ComposeResult:
        yield Static(id="number", markup=False)

    def on_mount(self) -> None:
        self.number, self.typed = 0, ""
        self.set_interval(0.2, self.count)
        if "--torrent" in sys.argv:
            self.set_interval(0.001, self.pour)
        if "--deaf" in sys.argv:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def count(self) -> None:
        self.number += 1
        text = f"number {self.number}\npid {os.getpid()}\nsize {self.size.width}x{self.size.height}\nkeys {self.typed}."
        self.query_one("#number", Static).update(text)

    def pour(self) -> None:
        assert self._driver is not None
        self._driver.write("x" * 100_000 + "\x1b[H")

    def on_key(self, event: Key) -> None:
        self.typed += event.character or ""
        if event.character == "d":
            self.deliver_text(io.StringIO(EXPORTED), save_filename="numbers ü.csv")
        elif event.character == "q":
            self.exit()
        elif event.character == "b":
            raise RuntimeError("it \x1b]0;broke\x07")

    async def on_exit_app(self, message: messages.ExitApp) -> None:
        if "--deaf" in sys.argv:
            message.prevent_default()


def main() -> Any:
    """Run it."""
    if "--fails" in sys.argv:
        sys.exit("no daemon \x1b[31manswers")
    return Counting().run()


if __name__ == "__main__":
    main()
