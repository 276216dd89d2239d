"""Names and what is said of them: two columns of text, long lines wrapped below their own beginning."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from tracerd.text import printable

WARNING = "!"
"""What begins so is bad news."""


class Facts(Static):
    """A list of facts; shown anew only when they have changed."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id, classes=classes, markup=False)
        self._facts: list[tuple[str, str]] = []

    def show(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show facts; one without a name belongs to the one above."""
        if list(facts) != self._facts:
            self._facts = list(facts)
            self.update(_Grid(self._facts))


class _Grid:
    """What Rich draws."""

    def __init__(self, facts: Sequence[tuple[str, str]]) -> None:
        self._facts = facts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        for name, said in self._facts:
            style = "bold red" if said.startswith(WARNING) or name.startswith(WARNING) else ""
            grid.add_row(Text(printable(name)), Text(printable(said), style=style))
        yield grid
