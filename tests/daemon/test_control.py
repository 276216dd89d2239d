"""Changes that cross one another: everybody who asks is answered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tracerd.daemon.api.workers import Workers
from tracerd.daemon.control import Control
from tracerd.errors import NotFound
from tracerd.verifier.job import Options


def test_what_somebody_else_removed_meanwhile_is_not_found() -> None:
    """Between the making and the look at what was made another administrator may be faster."""
    host = SimpleNamespace(attach=lambda *_: SimpleNamespace(id=7), pin=lambda *_: None)
    nothing = SimpleNamespace(links=list, pins=list)
    control = Control(cast(Any, host), cast(Any, nothing), cast(Any, None), cast(Any, None), Options())
    with pytest.raises(NotFound, match="no link 7: it was made"):
        control.attach(1, "interval:1s")
    with pytest.raises(NotFound, match="no pin 'kept': it was made"):
        control.pin(1, "kept")


def test_a_search_without_a_result_is_a_fault_and_no_endless_wait() -> None:
    """A future takes no StopIteration: it would stay open, and its request with it."""

    async def ask() -> None:
        workers = Workers(streams=1)
        try:
            with pytest.raises(RuntimeError, match="without a result"):
                await asyncio.wait_for(workers.run(workers.reading, lambda: next(iter(()))), 5)
        finally:
            workers.close()

    asyncio.run(ask())
