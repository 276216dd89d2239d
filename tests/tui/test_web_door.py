"""Connections that say nothing: whoever runs on this machine can open them, and nobody is kept out by them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.tui.web_serving import browser, scenario
from tui.web_door import MOST_STRANGERS


@scenario
async def test_a_flood_of_silent_connections_keeps_nobody_out() -> None:
    """The oldest of them give way; what the browser has opened stays, and it can open more."""
    async with browser() as made:
        tab = await made.tab()
        await tab.find(r"number (\d+)")
        host, port = "127.0.0.1", int(made.server.origin.rpartition(":")[2])
        silent = [await asyncio.open_connection(host, port) for _ in range(3 * MOST_STRANGERS)]
        put_out = 0
        for reader, _ in silent[: 2 * MOST_STRANGERS]:
            async with asyncio.timeout(10):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
                put_out += 1
        assert put_out == 2 * MOST_STRANGERS
        await tab.find(r"number (\d+)")
        other = await made.tab()
        await other.find(r"number (\d+)")
        for _, writer in silent:
            writer.close()
