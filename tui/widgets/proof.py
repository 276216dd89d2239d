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
from tracerd.views.format import count
from tui.model.verdict import FRESH, Walk, legend, marks, need, sentence
from tui.widgets.listing import FAILING, Listing
from tui.widgets.picture import palette_of

SPEEDS = (1, 2, 4, 8, 16, 32)
"""Steps a second when a proof is played."""

USUAL_SPEED = 4

FASTER = {"plus": 1, "equals_sign": 1, "minus": -1}
"""Keys that change it."""

WIDE = 100
"""Columns from which on both stand side by side."""

LEAST_SIDE = 48
"""Columns that what is known has then, however long source lines are."""


HARD_BLANK = "\u00a0"
"""Where no line is broken."""

WHOLE = 40
"""What is no longer, with its name, stays on one line."""


class Proof(Vertical):
    """Shows one verification. Its keys work while the focus is on the instructions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("P", "play", "Play", tooltip="Play the proof from its beginning; + - speed, any other key stops"),
        Binding("n", "along(1)", "Slice", tooltip="Along the slice, away from the refused instruction"),
        Binding("N", "along(-1)", "Along the slice, towards the refused instruction", show=False),
        Binding("f", "failing", "The refused instruction", show=False),
        Binding("left,h", "turn(-1)", "Look before at the same instruction", show=False),
        Binding("right,l", "turn(1)", "Next look at the same instruction", show=False),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    Proof { height: 1fr; background: $surface; }
    Proof #sentence { height: auto; max-height: 6; padding: 0 1; }
    Proof #legend { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
    Proof #film { height: 1fr; layout: vertical; }
    Proof #film Listing { height: 1fr; }
    Proof #side { height: 30%; min-height: 5; }
    Proof #heading { height: auto; max-height: 3; padding: 0 1; background: $panel; text-style: bold; }
    Proof #known { height: 1fr; padding: 0 1; }
    Proof.-wide #film { layout: horizontal; border-top: solid $panel; }
    Proof.-wide #side { width: 1fr; height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._walk: Walk | None = None
        self._playing: Timer | None = None
        self._speed = USUAL_SPEED
        self._stopped = False                    # where we are is where what was played stopped

    def compose(self) -> ComposeResult:
        yield Static(id="sentence", markup=False)
        yield Static(id="legend", markup=False)
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
        self._stopped = False
        self._walk = Walk(proof)
        palette = palette_of(self.app)
        style = palette.good if proof.verdict == "accept" else palette.bad
        self.query_one("#sentence", Static).update(Text(sentence(proof), style=style))
        self.query_one("#film").display = bool(proof.lines)
        at = proof.instruction
        notes = {at: f"{FAILING} {need(proof)}"} if at is not None else {}
        self.listing.show(proof.lines, marks(proof), at, notes)
        self.listing.go(self._walk.at)
        self._share()
        self._show_known()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what there is something to do with."""
        if action in ("along", "failing"):
            return self.shown is not None and self.shown.instruction is not None
        return True

    def on_resize(self) -> None:
        """Lay both side by side where there is room, and what is known one thing a line there."""
        self.set_class(self.size.width >= WIDE, "-wide")
        self._share()
        self._show_known()

    def _share(self) -> None:
        """Side by side, give instructions and their source what they take, at least half; the rest is for the other."""
        width = self.size.width
        wide = min(max(self.listing.widest, width // 2), width - LEAST_SIDE)
        self.listing.styles.width = wide if self.has_class("-wide") else "1fr"

    def _show_legend(self) -> None:
        """Say what marks mean; while the proof is played, and where it has stopped, at which step it is."""
        walk = self._walk
        if walk is None:
            return
        at = f"step {count(walk.step_number)}/{count(walk.steps)}"
        if self._playing is not None:
            text = f"▶ {at}, {self._speed} a second:  + faster  - slower  any other key stops"
        elif self._stopped:
            text = f"■ {at}:  P plays the proof from its beginning"
        else:
            text = legend(walk.proof, keys=self.has_class("-wide"))
        told = self.query_one("#legend", Static)
        told.update(text)
        told.display = bool(text)

    def _show_known(self) -> None:
        self._show_legend()
        walk = self._walk
        if walk is None:
            return
        self.query_one("#heading", Static).update(walk.heading())
        between = "\n" if self.has_class("-wide") else "   "
        text = Text()
        for index, each in enumerate(walk.known()):
            name, value = f"{each.name} ", each.value
            if len(name + value) <= WHOLE:
                name, value = name.replace(" ", HARD_BLANK), value.replace(" ", HARD_BLANK)
            text.append(between if index else "")
            text.append(FRESH if each.fresh else " ", style="bold")
            text.append(name, style="bold" if each.fresh else "dim")
            text.append(value, style="bold" if each.fresh else "")
        self.query_one("#known Static", Static).update(text)

    # ---- go through it

    @on(Listing.Moved)
    def _moved(self, message: Listing.Moved) -> None:
        message.stop()
        if self._walk is not None and message.instruction != self._walk.at:
            self._stopped = False
            self._walk.go(message.instruction)
            self._show_known()

    def action_turn(self, by: int) -> None:
        """Show another look at the same instruction."""
        if self._walk is not None:
            self._stopped = False
            self._walk.turn(by)
            self._show_known()

    def action_along(self, by: int) -> None:
        """Go along the instructions that decided the refused value: away from the refused one, or (-1) towards it."""
        to = self._walk.along(by) if self._walk is not None else None
        if to is not None:
            self.listing.go(to)
        else:
            self.notify("the slice begins here" if by > 0 else "this is the refused instruction", timeout=2)

    def action_failing(self) -> None:
        """Go to the instruction that could not be proved."""
        if self.shown is not None and self.shown.instruction is not None:
            self.listing.go(self.shown.instruction)

    def action_play(self) -> None:
        """Play the proof from its beginning."""
        if self._walk is not None:
            self._walk.rewind()
            self._run()
            self._follow()

    def stop(self) -> None:
        """Stop what is played."""
        if self._playing is not None:
            self._playing.stop()
            self._playing = None
            self._stopped = True
            self._show_legend()

    def _run(self) -> None:
        if self._playing is not None:
            self._playing.stop()
        self._playing = self.set_interval(1 / self._speed, self._step)

    def _step(self) -> None:
        if self._walk is None or not self._walk.step():
            self.stop()
        else:
            self._follow()

    def _follow(self) -> None:
        if self._walk is not None:
            self.listing.go(self._walk.at)
            self._show_known()

    def on_key(self, event: events.Key) -> None:
        """While it is played, + and - change how fast; any other key stops it, and does nothing else."""
        if self._playing is None:
            return
        event.stop()
        by = FASTER.get(event.key)
        if by is None:
            self.stop()
        else:
            self._speed = SPEEDS[min(max(SPEEDS.index(self._speed) + by, 0), len(SPEEDS) - 1)]
            self._run()
            self._show_legend()
