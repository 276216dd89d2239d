"""The threads that ask the daemon: the event loop itself never waits for it.

Reading, changing, proving, streaming and health have threads of their own: a proof that takes its fifteen seconds
delays no reader, one that is only looked at no change, and the watchdog is answered while all are busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")

READERS, CHANGERS = 4, 2


class Workers:
    """Five small pools; threads are started when they are needed."""

    def __init__(self, streams: int) -> None:
        self.reading = ThreadPoolExecutor(READERS, "api-read")
        self.changing = ThreadPoolExecutor(CHANGERS, "api-change")
        self.proving = ThreadPoolExecutor(1, "api-prove")       # the verifier proves one program at a time
        self.streaming = ThreadPoolExecutor(streams, "api-stream")
        self.health = ThreadPoolExecutor(1, "api-health")
        self.stopping = asyncio.Event()

    async def run(self, pool: ThreadPoolExecutor, work: Callable[[], Answer]) -> Answer:
        """Do something that blocks."""

        def answered() -> Answer:
            try:
                return work()
            except StopIteration as fault:       # no future takes it: who waits for this one would wait for ever
                raise RuntimeError("a search without a result") from fault

        return await asyncio.get_running_loop().run_in_executor(pool, answered)

    async def pause(self, seconds: float) -> bool:
        """Wait; True if the API is about to stop."""
        try:
            await asyncio.wait_for(self.stopping.wait(), max(seconds, 0.0))
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Wait for nobody: what has begun ends in its thread, what has not is forgotten."""
        for pool in (self.reading, self.changing, self.proving, self.streaming, self.health):
            pool.shutdown(wait=False, cancel_futures=True)
