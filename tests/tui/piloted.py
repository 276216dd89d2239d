"""Run a Textual app without a terminal inside an ordinary test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from textual.app import App
from textual.pilot import Pilot

Result = TypeVar("Result")


def piloted(
    app: App[Any], steps: Callable[[Pilot[Any]], Awaitable[Result]], size: tuple[int, int] = (80, 24)
) -> Result:
    """Run an app, take the steps with it, and return what they return."""

    async def run() -> Result:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            return await steps(pilot)

    return asyncio.run(run())


def screen_text(app: App[Any]) -> list[str]:
    """Return the lines of the screen as they would be on a terminal, without colours and blanks at the end."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in app.screen._compositor.render_strips()]
