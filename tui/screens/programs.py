"""All programs: what they are, how often they run, how long that takes and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult

from tracerd.daemon.feed import LinkInfo, ProgramInfo
from tui.model import programs as model
from tui.model.seen import Seen
from tui.screens.linking import Linking
from tui.screens.program import Program
from tui.widgets.grid import Grid


class Programs(Linking):
    """One row a program; Enter drills into it."""

    PLACE = "programs"
    HELP_TEXT = """
One line a program. Every one was proved safe before it was loaded.

id         its number, as in tracerd status; another one after a reload
engine     what runs it: machine code (jit), or the interpreter; why: the rule that decided
avg, p99   of its runs since the last moment; one run in 64 is timed. p99 comes from powers of two
cpu        runs a second × avg: what it takes of one CPU
aborted    runs that ran out of fuel, in a loop without a proved bound
-          none, or none that was timed
‹  5 more ›  columns are hidden on that side: ← → (h l) bring them; id
           and name stay. e shows all of a row, and keeps it up to date

Enter opens a program: its charts, its instructions beside the C they came from, and its proof.
"""

    def body(self) -> ComposeResult:
        yield Grid(id="programs-grid")

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def show(self, seen: Seen) -> None:
        """Show all programs."""
        self.present(self.query_one(Grid), model.programs(seen))

    @on(Grid.Chosen)
    def _open(self, message: Grid.Chosen) -> None:
        found = model.program(self.top.seen, int(str(message.row["id"])))
        if found is not None:
            self.app.push_screen(Program(found))

    def chosen_programs(self) -> Sequence[ProgramInfo]:
        row = self.query_one(Grid).cursor_values
        found = model.program(self.top.seen, int(str(row["id"]))) if row is not None else None
        return [found] if found is not None else []

    def chosen_links(self) -> Sequence[LinkInfo]:
        return [link for each in self.chosen_programs() for link in model.links_of(self.top.seen, each.id)]
