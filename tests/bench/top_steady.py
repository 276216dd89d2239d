"""Whether the dashboard keeps anything of moments that are gone: `python -m tests.bench.top_steady [MOMENTS]`.

The whole dashboard without a terminal over a made feed whose tables always have the same size, moments as fast as they
are seen, through its screens in turn: 3,600 are an hour's. A row for every 300: its resident memory.
`tests.bench.top_memory` has a real daemon, whose tables grow and shrink with the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time

import psutil

from tests.tui.feeds import made_feed
from tui.app import Top
from tui.remembered import Remembered

ROWS = 3000
PICTURES = ("3", "enter", "v", "v", "v", "escape")
SCREENS = (("1",), ("2",), ("2", "enter", "escape"), ("3",), PICTURES, ("4",), ("5",), ("7",))
EACH = 10
"""Moments on each screen."""

EVERY = 300


async def run(moments: int) -> None:
    """Print the rows."""
    feed, me = made_feed(rows=ROWS), psutil.Process()
    app = Top(feed.connect, Remembered())
    print("moments  MiB", flush=True)
    async with app.run_test(size=(160, 45)) as pilot:
        began = time.monotonic()
        for number, keys in zip(range(0, moments + 1, EACH), itertools.cycle(SCREENS), strict=False):
            if number % EVERY == 0:
                print(f"{number:>7}{me.memory_info().rss / 2**20:>5.1f}", flush=True)
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            for _ in range(EACH):
                feed.tick()
                while app.seen.moment is None or app.seen.moment.taken_ns < feed.moment().taken_ns:
                    await pilot.pause(0.002)
    print(f"in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 3600))
