"""Ctrl-C and SIGTERM as something to look at, so that what runs is ended in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Set by Ctrl-C or SIGTERM: what runs is then stopped in order, with its last tables and its ledger."""

    def __init__(self) -> None:
        self.set = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.set = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Catch both signals while the block runs."""
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
