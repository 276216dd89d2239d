"""One program's proof: its instructions, and beside or below them what was known before the one under the cursor."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.timer import Timer
from textual.widgets import Static

from tracerd.daemon.feed import Verification
from tui.model.verdict import FRESH, Walk, marks, need, sentence
from tui.widgets.listing import FAILING, Listing
from tui.widgets.picture import palette_of

STEPS = 20
"""Steps a second when a proof is played."""

WIDE = 100
"""Columns from which on both stand side by side."""


HARD_BLANK = "\u00a0"
"""Where no line is broken."""

WHOLE = 32
"""A value that is no longer stays on one line."""


class Proof(Vertical):
    """Shows one verification. Its keys work while the focus is on the instructions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("P", "play", "Play", tooltip="Play the proof from its beginning; any key stops"),
        Binding("n", "cause(1)", "Cause", tooltip="On along the instructions that are the cause"),
        Binding("N", "cause(-1)", "Back along the cause", show=False),
        Binding("f", "failing", "The failing instruction", show=False),
        Binding("left,h", "turn(-1)", "Look before at the same instruction", show=False),
        Binding("right,l", "turn(1)", "Next look at the same instruction", show=False),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    Proof { height: 1fr; background: $surface; }
    Proof #sentence { height: auto; max-height: 6; padding: 0 1; }
    Proof #film { height: 1fr; layout: vertical; }
    Proof #film Listing { height: 1fr; }
    Proof #side { height: 30%; min-height: 5; }
    Proof #heading { height: auto; max-height: 3; padding: 0 1; background: $panel; text-style: bold; }
    Proof #known { height: 1fr; padding: 0 1; }
    Proof.-wide #film { layout: horizontal; border-top: solid $panel; }
    Proof.-wide #film Listing { width: 3fr; }
    Proof.-wide #side { width: 2fr; height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._walk: Walk | None = None
        self._playing: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="sentence", markup=False)
        with Vertical(id="film"):
            yield Listing()
            with Vertical(id="side"):
                yield Static(id="heading", markup=False)
                with VerticalScroll(id="known", can_focus=False):
                    yield Static(markup=False)

    @property
    def listing(self) -> Listing:
        """The instructions."""
        return self.query_one(Listing)

    @property
    def shown(self) -> Verification | None:
        """What is shown."""
        return self._walk.proof if self._walk is not None else None

    def show(self, proof: Verification) -> None:
        """Show a verification, a rejected one at the instruction that fails."""
        if proof is self.shown:
            return
        self.stop()
        self._walk = Walk(proof)
        palette = palette_of(self.app)
        style = palette.good if proof.verdict == "accept" else palette.bad
        self.query_one("#sentence", Static).update(Text(sentence(proof), style=style))
        self.query_one("#film").display = bool(proof.lines)
        at = proof.instruction
        notes = {at: f"{FAILING} {need(proof)}"} if at is not None else {}
        self.listing.show(proof.lines, marks(proof), at, notes)
        self.listing.go(self._walk.at)
        self._show_known()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what there is something to do with."""
        if action in ("cause", "failing"):
            return self.shown is not None and self.shown.instruction is not None
        return True

    def on_resize(self) -> None:
        """Lay both side by side where there is room, and what is known one thing a line there."""
        self.set_class(self.size.width >= WIDE, "-wide")
        self._show_known()

    def _show_known(self) -> None:
        walk = self._walk
        if walk is None:
            return
        self.query_one("#heading", Static).update(walk.heading())
        between = "\n" if self.has_class("-wide") else "   "
        text = Text()
        for index, each in enumerate(walk.known()):
            whole = each.value.replace(" ", HARD_BLANK) if len(each.value) <= WHOLE else each.value
            text.append(between if index else "")
            text.append(FRESH if each.fresh else " ", style="bold")
            text.append(f"{each.name} ", style="bold" if each.fresh else "dim")
            text.append(whole, style="bold" if each.fresh else "")
        self.query_one("#known Static", Static).update(text)

    # ---- go through it

    @on(Listing.Moved)
    def _moved(self, message: Listing.Moved) -> None:
        message.stop()
        if self._walk is not None and message.instruction != self._walk.at:
            self._walk.go(message.instruction)
            self._show_known()

    def action_turn(self, by: int) -> None:
        """Show another look at the same instruction."""
        if self._walk is not None:
            self._walk.turn(by)
            self._show_known()

    def action_cause(self, by: int) -> None:
        """Go along the instructions that made what there is."""
        to = self._walk.cause(by) if self._walk is not None else None
        if to is None:
            self.notify("the cause goes no further", timeout=2)
        else:
            self.listing.go(to)

    def action_failing(self) -> None:
        """Go to the instruction that could not be proved."""
        if self.shown is not None and self.shown.instruction is not None:
            self.listing.go(self.shown.instruction)

    def action_play(self) -> None:
        """Play the proof from its beginning."""
        if self._walk is not None:
            self._walk.rewind()
            self._follow()
            self._playing = self.set_interval(1 / STEPS, self._step)

    def stop(self) -> None:
        """Stop what is played."""
        if self._playing is not None:
            self._playing.stop()
            self._playing = None

    def _step(self) -> None:
        if self._walk is None or not self._walk.step():
            self.stop()
        self._follow()

    def _follow(self) -> None:
        if self._walk is not None:
            self.listing.go(self._walk.at)
            self._show_known()

    def on_key(self, event: events.Key) -> None:
        """Any key stops what is played, and does nothing else."""
        if self._playing is not None:
            self.stop()
            event.stop()
