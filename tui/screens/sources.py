"""Where events come from, what each source lost, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from tracerd.daemon.feed import LinkInfo, ProgramInfo
from tracerd.snapshot import Ledger
from tui.model import sources as model
from tui.model.seen import Seen
from tui.screens.linking import Linking
from tui.widgets.balance import Balance
from tui.widgets.facts import Facts
from tui.widgets.grid import Grid


class Sources(Linking):
    """Events on top, the one under the cursor in words below."""

    PLACE = "sources"
    HELP_TEXT = """
One line an event, and where all that was produced went. Each
event is in one of these; the balance is exact.

delivered  its programs ran to their end
filtered   nobody wanted it: tracerd's own, or no program for it
lost       its ring was full, or a session says that it lost it
dropped    its record was damaged, and could not be read
failed     a program was aborted, or the record was too short
under way  in a ring, to be read in the next moment

Below is the event under the cursor: who runs on it, its rings,
and for each loss the way out: what has ended says since when.
"none now" runs on an event whose last program was detached: its
counts stay in the balance.
"""
    DEFAULT_CSS: ClassVar[str] = """
    Sources Grid { height: 1fr; min-height: 4; }
    Sources #detail { height: auto; max-height: 60%; border-top: solid $panel; padding: 0 1; }
    Sources Balance { height: 3; }
    """

    def body(self) -> ComposeResult:
        yield Grid(id="sources-grid")
        with VerticalScroll(id="detail", can_focus=False):
            yield Balance()
            yield Facts()

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def show(self, seen: Seen) -> None:
        """Show all events, and one in words."""
        self.present(self.query_one(Grid), model.sources(seen))
        self._show_detail()

    def on_grid_moved(self) -> None:
        """Another event is under the cursor."""
        self._show_detail()

    def _show_detail(self) -> None:
        event, ledger = self._event()
        balance, facts = self.query_one(Balance), self.query_one(Facts)
        balance.display = ledger is not None
        if ledger is None:
            facts.show([("", "No program is attached to any event: a attaches one, tracerd prog load loads a probe.")])
            return
        look = self.top.seen.look
        balance.show(ledger)
        source = model.source_of(look, event)
        told = [("event", event)]
        if source is not None:
            told.append(("source", model.buffers(source)))
        if ledger.via:
            told.append(("via", ledger.via))
        told += self._who_runs(event, helps=model.helps(ledger))
        quiet = model.since_lost(self.top.seen, event)
        for what, way_out in model.advice(look, event, ledger):
            first, *more = way_out.splitlines()
            told += [("· loss", f"{what}; {quiet}") if quiet else ("! loss", what), ("→", first)]
            told += [("", each) for each in more]
        facts.show(told)

    def _who_runs(self, event: str, *, helps: bool) -> list[tuple[str, str]]:
        """Return the programs on an event, each with why it runs twice on some. None need run on one that `helps`."""
        links = model.links_on(self.top.seen.look, event)
        told = []
        for link in links:
            told.append(("runs", f"{link.probe}/{link.name}"))
            told += [("· twice", f"it is on {other} too, and runs twice for what both mean") for other in link.overlaps]
        loaded = {f"{each.probe}/{each.name}" for each in self.chosen_programs()}
        for name, ago in model.detached_from(self.top.seen, event):
            again = "; a attaches it again" if name in loaded else ""
            told.append(("· detached", f"{name}, {ago}: what it counted stays in the balance{again}"))
        if not told and not helps:
            told.append(("runs", f"{model.DETACHED}: what was counted stays in the balance; a attaches a program"))
        return told

    def _event(self) -> tuple[str, Ledger | None]:
        moment, row = self.top.seen.moment, self.query_one(Grid).cursor_values
        event = str(row.get("event", "")) if row is not None else ""
        return event, moment.ledger.get(event) if moment is not None else None

    def chosen_links(self) -> Sequence[LinkInfo]:
        return model.links_on(self.top.seen.look, self._event()[0])

    def chosen_programs(self) -> Sequence[ProgramInfo]:
        look = self.top.seen.look
        return look.programs if look is not None else ()
