"""One program: how it runs over time, what it is made of, and how it was proved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from tracerd.daemon.feed import LinkInfo, ListingLine, ProgramInfo
from tracerd.text import printable
from tracerd.views.format import count, duration, share
from tui.draw.chart import Curve, Scale
from tui.draw.ticks import Format
from tui.model import programs as model
from tui.model.history import Series
from tui.model.seen import Seen, Trends, span_ns
from tui.screens.linking import Linking
from tui.widgets.chart import Chart
from tui.widgets.facts import Facts
from tui.widgets.listing import Listing


class Program(Linking):
    """A program that was drilled into. It goes on to show what it last knew if the program is unloaded meanwhile."""

    PLACE = "programs"
    HELP_TEXT = """
Above: charts of runs a second, of a run's average time and of what it
takes of one CPU. Below: what is known of it, and its instructions, each
under the line of C that it came from (Tab goes from one to the other).

p50, p99   half, and 99 of 100, of the timed runs took no longer than that
tag        tells its code apart: the same instructions, the same tag
aborted    runs that ran out of fuel, in a loop without a proved bound
r0 … r10   registers: r0 is what is returned, r1 what is given to it, r10
           the top of its stack; w0 … are their lower 32 bits
call 0xe   a helper, by its number (tracerd list helpers has their names)
map[0x1]   a map, by its place in the object; ll: the instruction is a
           double one, so that the next number is left out
"""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,backspace", "back", "Back")]
    DEFAULT_CSS: ClassVar[str] = """
    Program #name { height: 1; padding: 0 1; text-style: bold; }
    Program #charts { height: 6; }
    Program #charts Chart { width: 1fr; }
    Program #lower { height: 1fr; }
    Program #facts { height: 1fr; padding: 0 1; }
    Program Listing { height: 1fr; border-top: solid $panel; }
    Program.-tall #charts { height: 12; }
    Program.-wide #lower { layout: horizontal; }
    Program.-wide #facts { width: 2fr; max-width: 62; }
    Program.-wide Listing { width: 3fr; border-top: none; border-left: solid $panel; }
    """

    def __init__(self, info: ProgramInfo) -> None:
        super().__init__()
        self._info = info

    def body(self) -> ComposeResult:
        yield Static(printable(f"{self._info.probe}/{self._info.name}"), id="name", markup=False)
        with Horizontal(id="charts"):
            yield Chart(id="rate")
            yield Chart(id="mean")
            yield Chart(id="share")
        with Vertical(id="lower"):
            with VerticalScroll(id="facts"):
                yield Facts()
            yield Listing()

    def on_mount(self) -> None:
        """Ask for the program's text."""
        self.query_one(Listing).focus()
        self._ask_text()

    def _ask_text(self) -> None:
        self.top.ask(lambda feed: feed.disasm(self._info.id, source=True), self._show_text)

    def show(self, seen: Seen) -> None:
        """Show how it does now. One that was replaced, or loaded again, has another number and may have other text."""
        found, before = model.same_program(seen, self._info), self._info
        self._info = found or self._info
        if (self._info.id, self._info.tag) != (before.id, before.tag):
            self._ask_text()
        trends = seen.programs.get((self._info.probe, self._info.name), Trends())
        self._chart("rate", "runs/s", trends.rate, count)
        self._chart("mean", "average run", trends.mean, duration)
        self._chart("share", "of one CPU", trends.share, share)
        facts = model.facts(seen, self._info)
        if found is None and seen.look is not None:
            facts.insert(0, ("!", "it is unloaded; this is what was known of it"))
        self.query_one(Facts).show(facts)

    def _chart(self, chart: str, name: str, series: Series, told_as: Format) -> None:
        curve = Curve(name, series.times, series.values)
        self.query_one(f"#{chart}", Chart).show([curve], Scale(told_as, span_ns(series)))

    def _show_text(self, said: dict[str, Any]) -> None:
        lines = [ListingLine(each["instruction"], each["text"], each.get("source")) for each in said["lines"]]
        if self.is_mounted:
            self.query_one(Listing).show(lines)

    def chosen_programs(self) -> Sequence[ProgramInfo]:
        return [self._info]

    def chosen_links(self) -> Sequence[LinkInfo]:
        return model.links_of(self.top.seen, self._info.id)
