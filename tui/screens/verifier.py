"""Have an object proved, and read the proof: what was known before every instruction, and why one is refused."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from tracerd.daemon.feed import Verification, shipped_names, upload_of
from tracerd.errors import TracerdError
from tracerd.text import printable
from tui.model.seen import Seen
from tui.model.verdict import by_verdict, loaded, proofs, summary
from tui.screens.dialogs import Ask
from tui.screens.program import Program
from tui.screens.view import View
from tui.widgets.grid import Grid
from tui.widgets.proof import Proof

MOST_PROGRAMS = 5
"""Lines of the list of programs while a proof is shown."""

_FOLDERS, _FOUND = 400, 300
"""Most folders that are looked into for names to complete, and most names."""

HINT = "These were proved safe before they were loaded. Enter shows one of them."
ADMIN = "o has a file proved (.bpf.o or probe.toml) and shows how; nothing is loaded."
OTHERS = "Only administrators may have files proved here; tracerd verify FILE can, too."


class VerifierScreen(View):
    """The programs of an object with their proofs; before one is opened, the programs that are loaded."""

    PLACE = "verifier"
    HELP_TEXT = """
o asks for an object. Its programs are proved as they would be
before loading; nothing is loaded. A rejection says which
instruction takes what, and what there is instead.

✗  the instruction that is refused, and below it the bound: what it
   needs, and what is proved there (has). That is what is wrong
▸  the slice: the instructions that decided the refused value: what it
   was made of, what it was compared with. There it can be mended.
   n goes back along them from ✗, N towards it; slice 3/7 counts from ✗
↺  a jump back in a loop without a proved bound: it takes fuel

Go through the instructions (j k) and see what was known before each.
← → are the several times that it was looked at: on another path, in
another round. P plays all of that, from its beginning: step 12/340;
+ and - make it faster and slower, any other key stops it.

r1, w1           a register, and its lower 32 bits; r10: the stack's top
•                is new: it was not so one step earlier
2..40            a number from 2 to 40; signed: it may be negative
bits 0x1 set, 0x6 unknown   which of its bits are known
any              any number
packet + 2..40 (s7 + 2)     points so many bytes into the packet. s7 is
                 a number; wherever s7 stands, it is the same one, so
                 what is learned of one holds for all
packet end       data_end: how many bytes the packet has
context          what the program is given of its event
stack - 8        8 bytes below the top of its stack
stack - 8 (8 bytes):        what is in those bytes
map #1           a map; map value #3: an element. The same number is
                 the same one
or null          nobody has looked yet whether it is there at all
held             ring records to be submitted or discarded before the end

insns   instructions         states  most that were kept at one point
ends    always: every run comes to its end; fuel: a loop has no proved
        bound, and a run that takes too long is aborted
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open", tooltip="Open an object and have it proved"),
        Binding("r", "again", "Prove again", show=False),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    VerifierScreen #about { height: auto; padding: 0 1; color: $text-muted; }
    """

    class Judged(Message):
        """The daemon has answered, or refused to."""

        def __init__(self, turn: int, found: Sequence[Verification] | TracerdError) -> None:
            super().__init__()
            self.turn, self.found = turn, found

    def __init__(self) -> None:
        super().__init__()
        self._what = ""                          # what was asked for last
        self._turn = 0                           # of the question whose answer counts
        self._asked_at = 0.0                     # by the monotonic clock; 0: no answer is awaited
        self._trouble = ""
        self._found: tuple[Verification, ...] | None = None
        self._told = ""
        self._waiting: Timer | None = None

    def body(self) -> ComposeResult:
        yield Static(id="about", markup=False)
        yield Grid(id="programs")
        yield Proof()

    def on_mount(self) -> None:
        self._arrange()
        self.query_one(Grid).focus()

    def on_screen_suspend(self) -> None:
        """Nobody watches."""
        self.query_one(Proof).stop()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what this user may do, and what there is to do it with."""
        if action in ("open", "again"):
            return self.top.admin and not self.top.web and (action == "open" or bool(self._what))
        return super().check_action(action, parameters)

    def show(self, seen: Seen) -> None:
        """Show the programs that are loaded, unless there is a proof to be seen."""
        if self._found is None and seen.look is not None:
            statistics = seen.moment.programs if seen.moment is not None else ()
            self.present(self.query_one(Grid), loaded(seen.look.programs, statistics))
        self._tell()

    # ---- ask for a proof

    def action_open(self) -> None:
        """Ask which object."""
        title = "Which object is to be proved?  a .bpf.o, a probe.toml, or a shipped probe's name"
        known = [*names_near(Path.cwd()), *shipped_names()]
        self.app.push_screen(Ask(title, "probe.bpf.o", known, self._what), self._ask)

    def action_again(self) -> None:
        """Have the same file proved as it is now."""
        self._ask(self._what)

    def _ask(self, what: str | None) -> None:
        if not what:
            return
        self._what, self._trouble, self._asked_at = what, "", time.monotonic()
        self._turn += 1
        threading.Thread(target=self._question, args=(self._turn, what), name="verify", daemon=True).start()
        if self._waiting is None:
            self._waiting = self.set_interval(0.2, self._tell)
        self._waiting.resume()
        self._tell()

    def _question(self, turn: int, what: str) -> None:
        try:
            upload = upload_of(what)
            with closing(self.top.connect()) as feed:
                self.post_message(self.Judged(turn, feed.verify(upload)))
        except TracerdError as error:
            self.post_message(self.Judged(turn, error))

    @on(Judged)
    def _judged(self, message: Judged) -> None:
        if message.turn != self._turn:
            return
        self._asked_at = 0.0
        if self._waiting is not None:
            self._waiting.pause()
        if isinstance(message.found, TracerdError):
            self._trouble = str(message.found)
        else:
            self._found = tuple(by_verdict(message.found))
            grid = self.query_one(Grid)
            self.present(grid, proofs(self._found))
            grid.action_first()
            self._arrange()
            self._take()
            (self.query_one(Proof).listing if len(self._found) == 1 else grid).focus()
        self._tell()

    def action_back(self) -> None:
        """Clear a filter; else go back: from the instructions to the programs, from them to those that are loaded."""
        grid = self.query_one(Grid)
        if self._found is None or self.query_one("#filter").has_class("shown") or grid.filter:
            super().action_back()
        elif len(self._found) > 1 and not grid.has_focus:
            grid.focus()
        else:
            self._found, self._trouble = None, ""
            self._arrange()
            grid.focus()
            self.show(self.top.seen)

    # ---- what is shown of it

    @on(Grid.Moved)
    def _take(self) -> None:
        """Show the proof of the program under the cursor."""
        key = self.query_one(Grid).cursor_key
        proof = next((each for each in self._found or () if (each.program, each.section) == key), None)
        if proof is not None:
            self.query_one(Proof).show(proof)

    @on(Grid.Chosen)
    def _chosen(self, message: Grid.Chosen) -> None:
        if self._found is not None:
            self.query_one(Proof).listing.focus()
            return
        look = self.top.seen.look
        wanted = (message.row["program"], message.row["probe"])
        info = next((each for each in (look.programs if look else ()) if (each.name, each.probe) == wanted), None)
        if info is not None:
            self.app.push_screen(Program(info))

    def _arrange(self) -> None:
        """Give the parts their room: all of it to the list of programs while there is no proof."""
        self.query_one(Proof).display = bool(self._found)
        self.query_one(Grid).styles.height = min(len(self._found), MOST_PROGRAMS) + 1 if self._found else "1fr"
        self.refresh_bindings()

    def _tell(self) -> None:
        if self._asked_at:
            text = f"◌ {printable(Path(self._what).name)} is being proved: {time.monotonic() - self._asked_at:.1f} s"
        elif self._trouble:
            text = f"! {printable(self._trouble)}"
        elif self._found is not None:
            text = summary(Path(self._what).name, self._found)
        else:
            text = f"{HINT}\n{ADMIN if self.top.admin and not self.top.web else OTHERS}"
        if text != self._told:
            self._told = text
            self.query_one("#about", Static).update(text)


def names_near(folder: Path) -> list[str]:
    """Return objects and probe.toml files below a folder, as one types them: what a line of text can complete to."""
    found: list[str] = []
    for looked, (where, folders, files) in enumerate(os.walk(folder)):
        if looked >= _FOLDERS or len(found) >= _FOUND:
            break
        folders[:] = sorted(each for each in folders if not each.startswith((".", "__", "node_modules")))
        here = Path(where)
        wanted = sorted(each for each in files if each.endswith((".bpf.o", "probe.toml")))
        found += [str((here / each).relative_to(folder)) for each in wanted]
    return sorted(found[:_FOUND], key=lambda name: (name.count(os.sep), name))
