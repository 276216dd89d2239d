"""Ctrl-C, SIGTERM and a closed terminal as something to look at, so that what runs is ended in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupt:
    """Set by Ctrl-C, SIGTERM or SIGHUP: what runs is then stopped in order, with its last tables and its ledger."""

    def __init__(self) -> None:
        self.set = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.set = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Catch the signals while the block runs."""
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
