"""The dashboard: seven screens over one feed. What it knows is in `Seen`; screens only show it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import Any, ClassVar, TypeVar

from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen

from tracerd.daemon.feed import Feed
from tracerd.errors import TracerdError
from tracerd.text import printable
from tui.exporting import Exporting
from tui.follow import Away, Follower, Sight
from tui.model.seen import Seen
from tui.remembered import Remembered
from tui.screens import SCREENS
from tui.screens.dialogs import Help
from tui.screens.view import View
from tui.themes import THEMES
from tui.widgets.places import PLACES, Places

INTERVALS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between moments that + and - choose from."""

PALETTE_LINES = 8
"""With less room Textual's palette has none for a single command, and a key that moves in it ends everything."""

Answer = TypeVar("Answer")


class Top(Exporting, App[None]):
    """Follows a feed and shows it. `connect` gives every thread a feed of its own."""

    TITLE = "tracerd"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {**SCREENS}
    DEFAULT_MODE = PLACES[0]
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 4
    CSS = """
    Toast { width: auto; max-width: 60; margin: 0; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"go('{place}')", place.capitalize(), show=False)
          for number, place in enumerate(PLACES, 1)),
        Binding("tab", "app.focus_next", "Next part", show=False),
        Binding("left_square_bracket", "step(-1)", "Screen before", show=False),
        Binding("right_square_bracket", "step(1)", "Screen after", show=False),
        Binding("space", "pause", "Pause", key_display="space"),
        Binding("plus,equals_sign", "interval(1)", "Slower", show=False, key_display="+"),
        Binding("minus", "interval(-1)", "Faster", show=False, key_display="-"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]  # fmt: skip

    class Told(Message):
        """The follower has something new."""

    def __init__(
        self,
        connect: Callable[[], Feed],
        remembered: Remembered,
        *,
        interval: float | None = None,
        read_only: bool = False,
        web: bool = False,
    ) -> None:
        """`web`: the terminal is a browser's. `interval` None: the remembered one."""
        super().__init__()
        self.remembered = remembered
        self.seen = Seen()
        self.web = web
        self.paused = False
        self._connect = connect
        self._read_only = read_only or web
        wanted = interval or remembered.interval or 1.0
        self._follower = Follower(connect, wanted, self._tell)
        for theme in THEMES:
            self.register_theme(theme)

    @property
    def interval(self) -> float:
        """Seconds between moments."""
        return self._follower.interval

    @property
    def admin(self) -> bool:
        """True if this user may change things, and wants to."""
        look = self.seen.look
        return not self._read_only and look is not None and look.role == "admin"

    def on_load(self) -> None:
        """Take signals before the terminal is another."""
        self._end_with_signals()

    def on_mount(self) -> None:
        """Begin where the user was, and follow."""
        self.theme = self.remembered.theme if self.remembered.theme in self.available_themes else THEMES[0].name
        if self.remembered.screen in PLACES:
            self.switch_mode(self.remembered.screen)
        if self.remembered.problem:
            self.notify(printable(self.remembered.problem), severity="warning", markup=False)
        self._follower.start()

    def _end_with_signals(self) -> None:
        """Leave as if by a key when the system says so: what was begun is ended, and the terminal is as it was."""
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and threading.current_thread() is threading.main_thread():
                with suppress(NotImplementedError):          # Windows closes the console instead
                    asyncio.get_running_loop().add_signal_handler(number, self.exit)

    def _handle_exception(self, error: Exception) -> None:
        """End with a mistake; but that a screen lacks a part of its own is none once all screens are taken apart."""
        if not (self._exit and isinstance(error, NoMatches)):
            super()._handle_exception(error)

    def on_unmount(self) -> None:
        """Remember how it was looked at."""
        self._follower.stop()
        self.remembered.theme = self.theme
        self.remembered.screen = self.current_mode
        self.remembered.interval = self.interval
        self.remembered.save()

    # ---- what comes in

    def _tell(self) -> None:
        self.post_message(self.Told())           # from the follower's thread

    @on(Told)
    def take(self) -> None:
        """Take what the follower has, and show it unless paused."""
        told = self._follower.take()
        if isinstance(told, Sight):
            away, admin = self.seen.state == "away", self.admin
            if self.seen.see(told.moment, told.look):
                self.notify(f"the daemon has begun anew (pid {told.look.pid}): it counts from zero", markup=False)
            elif away:
                self.notify("the daemon answers again", markup=False)
            if self.admin != admin:
                self.refresh_bindings()
        elif isinstance(told, Away):
            if self.seen.state == "live":
                self.notify(printable(told.reason), title="no daemon", severity="warning", markup=False)
            self.seen.lose(told.reason)
        self.show_now(new=isinstance(told, Sight))

    def show_now(self, *, new: bool = False) -> None:
        """Show what was seen on the screen that is on top; while paused, only in its first line."""
        view = next((each for each in reversed(self.screen_stack) if isinstance(each, View)), None)
        if view is None or not view.is_mounted or not self.is_running:
            return                               # it is being made, or everything ends
        if view.size != self.size:               # the terminal was resized while screens were changed
            view.post_message(Resize(self.size, self.size))
        view.refresh_head(self.seen)
        if not (self.paused and new):
            view.show(self.seen)

    def ask(
        self,
        question: Callable[[Feed], Answer],
        answer: Callable[[Answer], None],
        refused: Callable[[str], None] | None = None,
    ) -> None:
        """Ask the daemon something beside. `answer` is called with what it says, `refused` with an error; else that is
        told.
        """
        self._ask(question, answer, refused or self._tell_error)

    @work(thread=True)
    def _ask(
        self, question: Callable[[Feed], Answer], answer: Callable[[Answer], None], refused: Callable[[str], None]
    ) -> None:
        try:
            with closing(self._connect()) as feed:
                said = question(feed)
        except TracerdError as error:
            self.call_from_thread(refused, str(error))
            return
        self.call_from_thread(answer, said)

    def _tell_error(self, error: str) -> None:
        self.notify(printable(error), severity="error", timeout=10, markup=False)

    def connect(self) -> Feed:
        """Return a feed for a thread of a screen's own."""
        return self._connect()

    # ---- keys

    def action_go(self, place: str) -> None:
        """Show another screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if place != self.current_mode:
            self.switch_mode(place)

    def action_step(self, by: int) -> None:
        """Show the screen before or after."""
        self.action_go(PLACES[(PLACES.index(self.current_mode) + by) % len(PLACES)])

    @on(Places.Chosen)
    def _clicked(self, message: Places.Chosen) -> None:
        self.action_go(message.place)

    def action_pause(self) -> None:
        """Hold the picture still, or let it go on. What comes in meanwhile is kept all the same."""
        self.paused = not self.paused
        self.show_now()

    def action_interval(self, by: int) -> None:
        """Take the next longer or shorter interval."""
        among = [each for each in INTERVALS if (each > self.interval if by > 0 else each < self.interval)]
        if among:
            self._follower.start(among[0] if by > 0 else among[-1])
            self.notify(f"a moment every {self.interval:g} s", timeout=2)
        self.show_now()

    def action_command_palette(self) -> None:
        """Open the palette, where there is room for it."""
        if self.size.height >= PALETTE_LINES:
            super().action_command_palette()
        else:
            self.notify("the terminal has no room for the palette", severity="warning", timeout=2)

    def on_resize(self, event: Resize) -> None:
        """Close the palette where there is no room for it any more."""
        if event.size.height < PALETTE_LINES and isinstance(self.screen, CommandPalette):
            self.screen.dismiss()

    def action_help(self) -> None:
        """Show what this screen tells, and its keys."""
        if isinstance(self.screen, View):
            self.push_screen(Help(self.screen))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield what the palette offers."""
        yield from super().get_system_commands(screen)
        for number, place in enumerate(PLACES, 1):
            go = f"Go to {place}"
            yield SystemCommand(go, f"The {place} screen (key {number})", lambda place=place: self.action_go(place))
        yield SystemCommand("Pause or go on", "Hold the picture still (space)", self.action_pause)
        yield SystemCommand("Slower", "A longer interval (+)", lambda: self.action_interval(1))
        yield SystemCommand("Faster", "A shorter interval (-)", lambda: self.action_interval(-1))
        yield SystemCommand("Export this view", "As CSV, JSON or SVG (E)", self.action_export)
