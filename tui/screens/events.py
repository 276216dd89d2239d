"""What comes out of ring buffers and bpf_printk, as it comes."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Input, Static

from tracerd.text import printable
from tracerd.views.format import count, counted
from tui.model.seen import Seen
from tui.model.sheet import Sheet
from tui.model.streams import Counted, ReadThen, streams
from tui.model.tail import Lines, expanded, sheet_of_lines
from tui.model.tail_filter import Choice, choose, example
from tui.screens.dialogs import Row
from tui.screens.view import View
from tui.tail import PRINTED, Stream, Tail, taps
from tui.widgets.grid import Grid
from tui.widgets.log import Log

FRAMES = 8
"""Pictures a second, at most."""

MOST_STREAMS = 5
"""Lines of the list of streams that a narrow terminal gets; the others are scrolled to."""

NO_RING = (
    "Nothing was printed so far, and no loaded probe has a ring buffer.\n"
    "A line comes from bpf_printk(\"…\") in any program; a record from a map of type BPF_MAP_TYPE_RINGBUF\n"
    "(tracerd new NAME makes a probe to start from, tracerd prog load loads it)."
)  # fmt: skip
NOTHING_YET = "Nothing has come yet. What comes from now on is shown as it comes."


class Events(View):
    """Streams on top (or to the left, on a wide terminal), and their lines as they come."""

    PLACE = "events"
    HELP_TEXT = """
One line a record of a ring buffer, or a line that a program
printed: when it was read, from which stream, and its fields,
texts first. Of one stream alone they stand in columns.
Those that end in _ns are shown as durations or times of day;
e shows all of a record, with plain numbers. Bytes without a
type are hex: __type(value, struct …) in the map names one.

records    came out of the ring since it was loaded
dropped    found no room in the ring
missed     passed by because this screen was too slow
read       by this screen, since it was opened

It follows the newest line until you scroll back; G follows
again. While it is paused, or you look at another screen,
collecting goes on: the last 10,000 lines are kept. Enter on a
stream (Tab goes there) shows it alone, and then all again.

/ filters, by any word or by the names of fields that you see;
its line gives an example of what is there. FIELD=text is the
whole of a text, FIELD~part some of it, FIELD>10ms a number;
from~NAME is a stream, text~part what was printed. A field that
nothing has hides nothing.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "clear", "Clear"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide"), (180, "-widest")]  # noqa: RUF012  Textual declares it so
    DEFAULT_CSS: ClassVar[str] = """
    Events #parts { layout: vertical; height: 1fr; }
    Events #streams { height: auto; }
    Events #state { height: 1; padding: 0 1; background: $panel; }
    Events #fields { height: 1; display: none; color: $text-muted; text-style: bold; text-wrap: nowrap; }
    Events #problem { text-wrap: nowrap; text-overflow: ellipsis; }
    Events #empty { height: auto; padding: 1 2; color: $text-muted; display: none; }
    Events.-widest #parts { layout: horizontal; }
    Events.-widest #streams { width: 76; height: 1fr; border-right: solid $panel; }
    Events.-widest #lines { width: 1fr; }
    """

    NOW = staticmethod(time.time_ns)
    """The unix time in ns that a record is read at; who shows a recording has another."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = Lines()
        self._tail: Tail | None = None
        self._timer: Timer | None = None
        self._only = ""                          # the one stream that is shown; "": all
        self._filter_text = ""
        self._choice = Choice()
        self._came: dict[str, None] = {}         # streams that lines came from, also those that are there no more
        self._then = ReadThen()
        self._now = ReadThen()
        self._told = Text()                      # in the line above the lines
        self._heading = ""                       # of their columns
        self._held_at: int | None = None         # records that were read when it was paused

    def body(self) -> ComposeResult:
        with Vertical(id="parts"):
            yield Grid(id="streams")
            with Vertical(id="lines"):
                yield Static(id="state", markup=False)
                yield Static(id="fields", markup=False)
                yield Static(id="empty", markup=False)
                yield Log(self._lines, id="log")

    def on_mount(self) -> None:
        self._filter(self.top.remembered.table("events/lines").filter)
        self.query_one(Log).focus()
        self._timer = self.set_interval(1 / FRAMES, self._tick)

    def on_unmount(self) -> None:
        if self._tail is not None:
            self._tail.stop()

    def on_screen_suspend(self) -> None:
        """Draw nothing that nobody sees. Collecting goes on."""
        if self._timer is not None:
            self._timer.pause()

    def on_screen_resume(self) -> None:
        """Go on, with what has come meanwhile."""
        if self._timer is not None:
            self._timer.resume()
            self._tick()

    # ---- what comes in

    def show(self, seen: Seen) -> None:
        """Follow what there is to follow now, and tell how it goes."""
        if seen.look is not None:
            if self._tail is None:
                self._tail = Tail(self.top.connect, self.NOW)
            self._tail.follow(taps(seen.look))
            if self._only not in self._tail.streams:
                self._show_only("")
        if seen.moment is not None and seen.moment.taken_ns != self._now.taken_ns:
            read = tuple((each.name, each.read) for each in self._streams)
            self._then, self._now = self._now, ReadThen(seen.moment.taken_ns, read)
        self._hold(paused=self.top.paused)
        self._show_streams()
        self._tick()

    def _hold(self, *, paused: bool) -> None:
        if not paused:
            self._held_at = None
        elif self._held_at is None:
            self._held_at = self._tail.read if self._tail is not None else 0

    def _tick(self) -> None:
        """Take what has come, unless it is paused: then it waits where it is."""
        log = self.query_one(Log)
        if self._tail is not None and not self.top.paused:
            self._came.update((each.name, None) for each in self._streams if each.read)
            new = self._tail.take()
            if new:
                log.moved(self._lines.add(new))
                self._choose_anew()
        self._present()
        self._tell()

    def _present(self) -> None:
        self.query_one(Log).present(names=self._shown_streams, offset_ns=self._offset_ns)

    @property
    def _offset_ns(self) -> int:
        moment = self.top.seen.moment
        return moment.clock_offset_ns if moment is not None else 0

    @property
    def _streams(self) -> list[Stream]:
        return list(self._tail.streams.values()) if self._tail is not None else []

    @property
    def _shown_streams(self) -> list[str]:
        """The streams that lines are of."""
        return [self._only] if self._only else list(self._came)

    def _show_streams(self) -> None:
        grid = self.query_one("#streams", Grid)
        rows = [Counted(each.name, each.read, each.missed, each.trouble) for each in self._streams]
        self.present(grid, streams(rows, self.top.seen, self._then, self._only))
        grid.styles.height = None if self.has_class("-widest") else min(max(len(rows), 1), MOST_STREAMS) + 1

    def _show_only(self, name: str) -> None:
        if name != self._only:
            self._only = name
            self._choose()
            self._show_streams()

    # ---- how it is told

    def _tell(self) -> None:
        """Say what is shown, and whether it moves; in place of lines say how to get some."""
        state, width = self.query_one("#state", Static), self.query_one("#state").size.width - 2
        left, right = self._shown(), self._moving()
        gap = max(width - left.cell_len - right.cell_len, 2)
        told = Text.assemble(left, " " * gap, right)
        if told != self._told:
            self._told = told
            state.update(told, layout=False)
        heading = self.query_one(Log).heading()
        if heading != self._heading:
            self._heading = heading
            above = self.query_one("#fields", Static)
            above.display = bool(heading)
            above.update(printable(heading), layout=False)
        empty = self.query_one("#empty", Static)
        empty.display = not len(self._lines)
        if empty.display:
            empty.update(self._why_nothing())

    def _shown(self) -> Text:
        shown, total = len(self._lines), self._lines.total
        text = Text(f"only {printable(self._only)}" if self._only else "all streams", style="bold")
        text.append(f"  {count(shown)} of {counted(total, 'line')}" if shown < total else f"  {counted(total, 'line')}",
                    style="not bold")  # fmt: skip
        gone = self._lines.gone + (self._tail.given_way if self._tail is not None else 0)
        if gone:
            text.append(f"  {count(gone)} older ones gave way", style="dim not bold")
        return text

    def _moving(self) -> Text:
        log = self.query_one(Log)
        if self._held_at is not None:
            came = (self._tail.read if self._tail is not None else 0) - self._held_at
            return Text.assemble((f" PAUSED +{count(came)} ", "reverse bold"), "  space goes on")
        if log.following:
            return Text("● following", style="dim")
        return Text(f"↑ {count(log.below)} more below  G follows" if log.below else "■ held  G follows", style="bold")

    def _why_nothing(self) -> str:
        if self._lines.total:
            return "No line matches. Esc shows all again."
        return NO_RING if [each.name for each in self._streams] == [PRINTED] else NOTHING_YET

    # ---- what is chosen

    @on(Grid.Chosen)
    def _chosen(self, message: Grid.Chosen) -> None:
        name = str(message.row["stream"])
        self._show_only("" if name == self._only else name)

    @on(Log.Followed)
    def _followed(self) -> None:
        self._tell()

    @on(Log.Expanded)
    def _expand(self, message: Log.Expanded) -> None:
        self.app.push_screen(Row(expanded(message.line, self._offset_ns)))

    def action_clear(self) -> None:
        """Forget the lines that are here."""
        self._lines.clear()
        self._came.clear()
        self.query_one(Log).renew()
        self._tell()

    def export_sheet(self) -> Sheet:
        """Return the lines that are shown, for a file."""
        return sheet_of_lines(self._lines)

    # ---- the filter line: here it is for the lines, not for the table of streams

    def action_filter(self) -> None:
        """Open the filter line."""
        line = self.query_one("#filter", Input)
        line.value = self._filter_text
        wanted = example(self._lines, self._only) or "field=value"
        line.placeholder = f"filter: words, or {wanted}  (Enter keeps it, Esc clears it)"
        line.add_class("shown")
        line.focus()

    def action_back(self) -> None:
        """Close the filter line and clear the filter; else show all streams again."""
        if self.query_one("#filter").has_class("shown") or self._filter_text:
            self._filter("")
            self._close_filter()
        else:
            self._show_only("")

    def _close_filter(self) -> None:
        self.query_one("#filter").remove_class("shown")
        self.query_one(Log).focus()

    def _filter(self, text: str) -> None:
        self._filter_text = text
        self.top.remembered.table("events/lines").filter = text
        self._choose()

    def _tell_problem(self, grid: Grid | None = None) -> None:  # noqa: ARG002  the table of streams has no filter
        text = self._filter_text
        told = self._choice.problem or (f"filter: {text}  (/ changes it, Esc clears it)" if text else "")
        problem = self.query_one("#problem", Static)
        problem.update(printable(told))
        problem.set_class(bool(told), "shown")

    def _choose(self) -> None:
        self._take(choose(self._filter_text, self._only, self._lines))

    def _choose_anew(self) -> None:
        """Let a filter name a field that was not there before."""
        if self._choice.open:
            choice = choose(self._filter_text, self._only, self._lines)
            if (choice.open, choice.problem) != (True, self._choice.problem):
                self._take(choice)

    def _take(self, choice: Choice) -> None:
        self._choice = choice
        self._lines.show(choice.wanted)
        self.query_one(Log).renew()
        self._present()
        self._tell_problem()
        self._tell()
