"""`a` and `d`: attach a program to an event, detach a link. Administrators only, and detaching is asked once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tracerd.daemon.feed import LinkInfo, ProgramInfo
from tui.model.known_events import example, known_events
from tui.screens.dialogs import Ask, Choice, Confirm
from tui.screens.view import View

ADMIN = ("attach", "detach")


class Linking(View):
    """A screen where programs and links can be chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "attach", "Attach"),
        Binding("d", "detach", "Detach"),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show keys that change something only to those who may."""
        if action in ADMIN and not self.top.admin:
            return False
        return super().check_action(action, parameters)

    def chosen_programs(self) -> Sequence[ProgramInfo]:
        """Return the programs that attaching may mean: one if the cursor is on it, else all."""
        return ()

    def chosen_links(self) -> Sequence[LinkInfo]:
        """Return the links that detaching may mean."""
        return ()

    def action_attach(self) -> None:
        """Ask for a program, if the cursor does not say, and for an event."""
        programs = {str(number): each for number, each in enumerate(self.chosen_programs()[:9], 1)}
        if len(programs) == 1:
            self._ask_event(programs["1"])
        elif programs:
            names = {key: f"{each.probe}/{each.name}  ({each.type})" for key, each in programs.items()}
            choice = Choice("Attach which program?", names)
            self.app.push_screen(choice, lambda key: self._ask_event(programs[key]) if key else None)
        else:
            self.notify("there is no program here to attach", severity="warning")

    def _ask_event(self, program: ProgramInfo) -> None:
        title = f"Attach {program.probe}/{program.name} ({program.type}) to which event?"
        known = known_events(self.top.seen.look, program.type)
        note = f"tracerd list names all events. It stays attached {self._how_long}.\n"

        def take(source: str, answered: Callable[[str], None]) -> None:
            self._link(program, source, answered)

        self.app.push_screen(Ask(title, example(program.type), known, note=note, take=take))

    @property
    def _how_long(self) -> str:
        look = self.top.seen.look
        daemon = look is not None and look.config
        return "over restarts of the daemon, until d detaches it" if daemon else "until you leave"

    def _link(self, program: ProgramInfo, source: str, answered: Callable[[str], None]) -> None:
        def done(link: LinkInfo) -> None:
            answered("")
            self.notify(f"{link.probe}/{link.name} runs on {link.source} now", markup=False)
            for other in link.overlaps:
                twice = f"it runs on {other} too: twice for an event that both mean (d detaches one)"
                self.notify(twice, severity="warning", timeout=10, markup=False)

        self.top.ask(lambda feed: feed.attach(program.id, source), done, answered)

    def action_detach(self) -> None:
        """Ask which link, if the cursor does not say, and whether it is meant."""
        links = {str(number): each for number, each in enumerate(self.chosen_links()[:9], 1)}
        if len(links) == 1:
            self._confirm(links["1"])
        elif links:
            names = {key: f"{each.probe}/{each.name} from {each.source}" for key, each in links.items()}
            choice = Choice("Detach which link?", names)
            self.app.push_screen(choice, lambda key: self._confirm(links[key]) if key else None)
        else:
            self.notify("there is no link here to detach", severity="warning")

    def _confirm(self, link: LinkInfo) -> None:
        question = f"Detach {link.probe}/{link.name} from {link.source}?"
        then = (
            "It runs on that event no more, also after a restart of the daemon. The program stays loaded and its maps "
            f"keep what they have; tracerd attach {link.program} {link.source} brings it back."
        )
        self.app.push_screen(Confirm(question, then), lambda yes: self._unlink(link) if yes else None)

    def _unlink(self, link: LinkInfo) -> None:
        def done(_: None) -> None:
            self.notify(f"{link.probe}/{link.name} is detached from {link.source}", markup=False)

        self.top.ask(lambda feed: feed.detach(link.id), done)
