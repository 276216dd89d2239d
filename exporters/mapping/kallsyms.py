"""Kernel addresses and their symbols, as /proc/kallsyms tells those who may know."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

KALLSYMS = Path("/proc/kallsyms")
FRESH_SECONDS = 300.0

_CODE = frozenset("tTwW")


LONGEST = 1 << 20
"""Bytes of a function: what is farther behind the last one is in none."""


class KernelSymbols:
    """Finds functions by address. Read at first use, and again when an answer would be older than five minutes."""

    def __init__(self, path: Path = KALLSYMS, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._until = -1.0
        self._starts = np.zeros(0, np.uint64)
        self._names: list[str] = []

    def symbol(self, address: int) -> str:
        """Return the function that an address is in; hex where there is none, or the kernel hides where it is."""
        self._refresh()
        place = int(np.searchsorted(self._starts, np.uint64(address), "right")) - 1
        known = place >= 0 and address - int(self._starts[place]) < LONGEST
        return self._names[place] if known else hex(address)

    def _refresh(self) -> None:
        if self._clock() < self._until:
            return
        self._until = self._clock() + FRESH_SECONDS
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:                  # no such system, or not for us: addresses stay addresses
            lines = []
        found = sorted(_functions(lines))
        self._starts = np.array([address for address, _ in found], np.uint64)
        self._names = [name for _, name in found]


def _functions(lines: list[str]) -> list[tuple[int, str]]:
    """Return the functions of lines as in "ffffffff81000000 T _stext [module]". Address 0: kptr_restrict hides it."""
    parts = (line.split(None, 3) for line in lines)
    return [(int(each[0], 16), each[2]) for each in parts if len(each) > 2 and each[1] in _CODE and each[0].strip("0")]
