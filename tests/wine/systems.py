"""The driver on Linux and under Wine, and how what they say is compared."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.wine.wine import Wine

SECONDS = 300


class Systems:
    """Does jobs on both systems."""

    def __init__(self, linux: Path, windows: Path, wine: Wine, folder: Path) -> None:
        self._linux = linux
        self._windows = windows
        self._wine = wine
        self._folder = folder

    def compare(self, jobs: Sequence[bytes], expected: Iterable[bytes], *, in_order: bool = True) -> int:
        """Do all jobs in one run of each driver; both must write the expected lines. Returns how many there are.

        Rows of maps come in the order in which they were first filled, so that is compared too: only threads that fill
        a map at once leave none (`in_order` False).
        """
        order: Callable[[Iterable[bytes]], list[bytes]] = list if in_order else sorted
        given, told = self._folder / "jobs", self._folder / "results"
        given.write_bytes(b"".join(jobs))
        wanted = order(expected)
        subprocess.run([self._linux, given, told], check=True, timeout=SECONDS)
        same_lines("Linux", order(told.read_bytes().splitlines()), wanted)
        told.unlink()
        self._wine.run(self._windows, given, told, seconds=SECONDS)
        same_lines("Wine", order(told.read_bytes().splitlines()), wanted)
        return len(wanted)


def same_lines(where: str, lines: Sequence[bytes], wanted: Sequence[bytes]) -> None:
    """Fail with the first line that differs: there may be a hundred thousand of them."""
    for number, (line, expected) in enumerate(zip(lines, wanted, strict=False)):
        assert line == expected, f"{where}: line {number} of {len(wanted)}: {line[:200]!r} is not {expected[:200]!r}"
    assert len(lines) == len(wanted), f"{where}: the lines before are the same"
