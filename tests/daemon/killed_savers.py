"""Save a document in a child, kill it, look, again and again: `python -m tests.daemon.killed_savers DIR TIMES`.

Prints a list of (last number acknowledged, number found, damage found). A process of its own without threads, so that
it may fork.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import msgspec

from tracerd.daemon.state import Document, StateDir


class Numbers(msgspec.Struct):
    """A document of tests."""

    number: int
    filler: str = ""


def document(directory: StateDir) -> Document[Numbers]:
    return Document(directory, "numbers.json", Numbers)


def filler(number: int) -> str:
    return "x" * (number * 997 % 60000)


def save_for_ever(path: Path, output: int) -> None:
    with StateDir(path) as directory:
        directory.lock()
        loaded = document(directory).load()
        assert loaded is not None
        number = loaded.number
        while True:
            number += 1
            document(directory).save(Numbers(number, filler(number)))
            os.write(output, f"{number}\n".encode())


def killed(path: Path, seconds: float) -> int:
    """Return the last number that a killed child acknowledged; it has saved at least once."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            save_for_ever(path, writer)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as said:
        first = said.readline()
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return int([first, *said.readlines()][-1])


def main() -> None:
    path, times = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(1)
    kills = []
    with StateDir(path) as directory:
        document(directory).save(Numbers(0))
        for _ in range(times):
            acknowledged = killed(path, chance.random() * 0.01)
            saved = document(directory)
            found = saved.load() or Numbers(-1)
            right = found.filler == filler(found.number)
            kills.append((acknowledged, found.number, saved.damaged or ("" if right else "torn")))
    print(msgspec.json.encode(kills).decode())


if __name__ == "__main__":
    main()
