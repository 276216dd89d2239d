"""`a` and `d`: attach a program to an event, detach a link. Administrators only, and detaching is asked once more."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType

from tracerd.daemon.feed import LinkInfo, ProgramInfo
from tracerd.text import printable
from tui.model.known_events import example, known_events
from tui.screens.dialogs import Ask, Choice, Confirm
from tui.screens.view import View

ADMIN = ("attach", "detach")

CHOICES = 9
"""So many can be chosen by a digit."""

WRITTEN = "state.json"
"""Where a daemon writes down what was attached and detached by hand, in its `state_dir`."""


Part = TypeVar("Part")


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
        programs = {f"{each.probe}/{each.name}": each for each in self.chosen_programs()}
        if programs:
            self._choose("Attach which program?", programs, self._ask_event)
        else:
            self.notify("there is no program here to attach", severity="warning")

    def _choose(self, title: str, named: Mapping[str, Part], then: Callable[[Part], None]) -> None:
        """Do something with the only one there is, with the one of a digit, or with one whose name is typed."""
        if len(named) == 1:
            then(*named.values())
        elif len(named) <= CHOICES:
            keys = {str(number): name for number, name in enumerate(named, 1)}
            self.app.push_screen(Choice(title, keys), lambda key: then(named[keys[key]]) if key else None)
        else:

            def take(name: str, answered: Callable[[str], None]) -> None:
                near = difflib.get_close_matches(name, named, 1)
                answered("" if name in named else f"no {name} here" + (f"; did you mean {near[0]}?" if near else ""))
                if name in named:
                    then(named[name])

            self.app.push_screen(Ask(title, next(iter(named)), list(named), take=take))

    def _ask_event(self, program: ProgramInfo) -> None:
        title = f"Attach {program.probe}/{program.name} ({program.type}) to which event?"
        known = known_events(self.top.seen.look, program.type)
        note = f"tracerd list names all events.\n{self._kept('Is it kept', 'd detaches it')}\n"

        def take(source: str, answered: Callable[[str], None]) -> None:
            self._link(program, source, answered)

        self.app.push_screen(Ask(title, example(program.type), known, note=note, take=take))

    def _kept(self, asked: str, until: str) -> str:
        """Return what becomes of it when whoever runs it ends, and what is written where: a line each."""
        look = self.top.seen.look
        if look is None or not look.config:
            return "It holds until you leave; nothing is written down."
        where = str(Path(look.state_dir) / WRITTEN) if look.state_dir else f"{WRITTEN} in its state_dir"
        return f"{asked} when the daemon restarts? Yes, until {until}.\nIt is written into {printable(where)}."

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
        links = {f"{each.probe}/{each.name} from {each.source}": each for each in self.chosen_links()}
        if links:
            self._choose("Detach which link?", links, self._confirm)
        else:
            self.notify("there is no link here to detach", severity="warning")

    def _confirm(self, link: LinkInfo) -> None:
        question = f"Detach {link.probe}/{link.name} from {link.source}?"
        then = (
            "The program stays loaded and its maps keep what they have.\n"
            f"a attaches it again, or tracerd attach {link.program} {link.source}\n\n"
            f"{self._kept('Is it still detached', 'it is attached again')}"
        )
        self.app.push_screen(Confirm(question, then), lambda yes: self._unlink(link) if yes else None)

    def _unlink(self, link: LinkInfo) -> None:
        def done(_: None) -> None:
            self.notify(f"{link.probe}/{link.name} is detached from {link.source}", markup=False)

        self.top.ask(lambda feed: feed.detach(link.id), done)
