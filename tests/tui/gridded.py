"""A grid on a screen of its own, for tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot

from tests.tui.piloted import piloted, screen_text
from tui.model.sheet import Sheet
from tui.widgets.grid import Grid

Told = Grid.Chosen | Grid.Expanded | Grid.Sorted | Grid.Moved
Steps = Callable[["Shown"], Awaitable[None]]


class Host(App[None]):
    """A grid on a screen of its own. `told` are the messages it sent."""

    def __init__(self, sheet: Sheet | None) -> None:
        super().__init__()
        self._first = sheet
        self.told: list[Told] = []

    def compose(self) -> ComposeResult:
        yield Grid()

    def on_mount(self) -> None:
        grid = self.query_one(Grid)
        grid.focus()
        if self._first is not None:
            grid.show(self._first)

    def on_event_of_grid(self, message: Told) -> None:
        self.told.append(message)

    on_grid_chosen = on_grid_expanded = on_grid_sorted = on_grid_moved = on_event_of_grid


class Shown:
    """A running grid, and what a test wants of it."""

    def __init__(self, pilot: Pilot[Any]) -> None:
        self.pilot = pilot
        self.grid = pilot.app.query_one(Grid)
        self.press = pilot.press
        self.pause = pilot.pause

    @property
    def lines(self) -> list[str]:
        return screen_text(self.pilot.app)

    @property
    def first_words(self) -> list[str]:
        """The first cell of every row in sight."""
        return [line.split()[0] for line in self.lines[1:] if line.strip()]

    @property
    def at(self) -> object:
        """The first key of the row under the cursor."""
        key = self.grid.cursor_key
        return key[0] if key else None

    async def show(self, sheet: Sheet) -> None:
        self.grid.show(sheet)
        await self.pause()

    async def click(self, x: int, y: int, times: int = 1) -> None:
        await self.pilot.click(Grid, offset=(x, y), times=times)
        await self.pause()

    def told(self, kind: type[Message]) -> list[Any]:
        app: Host = self.pilot.app  # type: ignore[assignment]
        return [message for message in app.told if isinstance(message, kind)]


def with_grid(sheet: Sheet | None, steps: Steps, size: tuple[int, int] = (80, 11)) -> None:
    """Run a grid of ten rows below its header."""

    async def run(pilot: Pilot[Any]) -> None:
        await steps(Shown(pilot))

    piloted(Host(sheet), run, size)
