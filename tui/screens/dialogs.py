"""What is asked and told in front of a screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.dom import DOMNode
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from tracerd.text import printable

if TYPE_CHECKING:
    from tui.screens.view import View

BOX = """
{name} {{ align: center middle; }}
{name} .box {{ width: auto; min-width: 40; max-width: 90%; height: auto; max-height: 90%; padding: 1 2;
               background: $surface; border: round $primary; }}
{name} .box Static {{ width: auto; max-width: 100%; }}
"""


class Choice(ModalScreen[str | None]):
    """A few keys, each with what it does."""

    DEFAULT_CSS = BOX.format(name="Choice")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Leave")]

    def __init__(self, title: str, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._title, self._keys = title, keys

    def compose(self) -> ComposeResult:
        text = Text(printable(self._title) + "\n\n", style="bold")
        for key, does in self._keys.items():
            text.append(f" {key} ", style="reverse bold")
            text.append(f"  {printable(does)}\n", style="not bold")
        text.append("\nEsc leaves it as it is", style="not bold dim")
        with Vertical(classes="box"):
            yield Static(text)

    def on_key(self, event: events.Key) -> None:
        """Answer with the key."""
        if event.character in self._keys:
            event.stop()
            self.dismiss(event.character)


class Confirm(ModalScreen[bool]):
    """A question before something is changed: only `y` does it."""

    DEFAULT_CSS = BOX.format(name="Confirm")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,enter", "answer(False)", "No"),
    ]

    def __init__(self, question: str, what_then: str = "") -> None:
        super().__init__()
        self._question, self._then = question, what_then

    def compose(self) -> ComposeResult:
        text = Text(printable(self._question), style="bold")
        if self._then:
            text.append("\n\n" + "\n".join(map(printable, self._then.split("\n"))), style="not bold")
        text.append("\n\n")
        text.append(" y ", style="reverse bold")
        text.append(" yes    ", style="not bold")
        text.append(" n ", style="reverse bold")
        text.append(" no", style="not bold")
        with Vertical(classes="box"):
            yield Static(text)

    def action_answer(self, yes: bool) -> None:
        """End with the answer."""
        self.dismiss(yes)


Take = Callable[[str, Callable[[str], None]], None]
"""Does what was asked for with a text, and calls with "" once that is done, or with why it is not."""


class Ask(ModalScreen[str | None]):
    """A line of text; words that are known are offered while it is typed.

    With `take` it is there until that has worked: what is refused can be mended.
    """

    DEFAULT_CSS = BOX.format(name="Ask") + "\nAsk .box { width: 78; }\nAsk #refusal { color: $error; }\n"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Leave"),
        Binding("tab", "complete", "Complete", priority=True),
    ]

    def __init__(
        self, title: str, placeholder: str, known: Sequence[str] = (), value: str = "", *,
        note: str = "", take: Take | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._title, self._placeholder, self._known, self._value = title, placeholder, known, value
        self._note, self._take = note, take

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(printable(self._title), style="bold"))
            yield Input(self._value, self._placeholder, suggester=SuggestFromList(self._known))
            yield Static(id="refusal", markup=False)
            note = f"{self._note}\n" if self._note else ""
            yield Static(Text(f"{note}Enter takes it, Tab completes it, Esc leaves it as it is", style="dim"))

    def action_complete(self) -> None:
        """Take what is offered."""
        line = self.query_one(Input)
        line.action_end()
        line.action_cursor_right()

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        text = message.value.strip()
        if self._take is None or not text:
            self.dismiss(text or None)
            return
        self.query_one("#refusal", Static).update("…")
        self._take(text, self._answered)

    def _answered(self, refusal: str) -> None:
        if not self.is_current:
            return                               # nobody waits for it any more
        if refusal:
            self.query_one("#refusal", Static).update(printable(refusal))
        else:
            self.dismiss(None)


class Row(ModalScreen[None]):
    """One row of a table with all of its columns, and their whole text, as they were `when`.

    `again` gives it as it is now, None if it is gone; `renew` is called when it may have changed.
    """

    DEFAULT_CSS = BOX.format(name="Row")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,e,q", "dismiss", "Close")]

    def __init__(
        self, row: Mapping[str, str], when: str = "", again: Callable[[], Mapping[str, str] | None] | None = None
    ) -> None:
        super().__init__()
        self._row, self._when, self._again = row, when, again

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box"):
            yield Static(self._text())

    def renew(self, when: str) -> None:
        """Show the row as it is now."""
        if self._again is None:
            return
        now = self._again()
        if now is not None:
            self._row, self._when = now, when
        else:
            self._when, self._again = f"{self._when}; it is gone since", None
        if self.is_mounted:
            self.query_one(Static).update(self._text())

    def _text(self) -> Text:
        width = max((len(name) for name in self._row), default=0)
        text = Text(f"{printable(self._when)}\n\n" if self._when else "", style="dim")
        for name, value in self._row.items():
            text.append(f"{printable(name):<{width}}  ", style="not dim bold")
            text.append(f"{printable(value)}\n", style="not dim")
        return text


class Help(ModalScreen[None]):
    """What a screen shows, and every key that does something there."""

    DEFAULT_CSS = BOX.format(name="Help") + "\nHelp .box { width: 84; }\n"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        text = Text(f"{self._view.PLACE.capitalize()}\n", style="bold")
        text.append(f"{self._view.HELP_TEXT.strip()}\n\n", style="not bold")
        for key, does in _keys(self._view):
            text.append(f"{key:>16}", style="bold")
            text.append(f"  {does}\n", style="not bold")
        with VerticalScroll(classes="box") as box:
            box.border_subtitle = "j k scroll, Esc closes"
            yield Static(text)

    def action_scroll(self, by: int) -> None:
        """Go on or back by a line."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)


def _far(view: View, node: DOMNode, action: str) -> int:
    """Return how far a key is from what a screen is for: its own, its parts', every screen's, the app's, Textual's."""
    declares = next((each for each in type(node).__mro__ if action in _declared(each)), None)
    if declares is None or declares.__module__.startswith("textual."):
        return 4
    if node is view:
        return 0 if getattr(declares, "PLACE", "") else 2        # what all screens share has no place
    return 1 if view in node.ancestors else 3


def _declared(node: type) -> set[str]:
    """Return the actions of the keys that a class adds to those of its bases."""
    bindings: Sequence[BindingType] = vars(node).get("BINDINGS", ())
    return {each.action if isinstance(each, Binding) else each[1] for each in bindings}


def _keys(view: View) -> list[tuple[str, str]]:
    """Return the keys that work on a screen now, keys of one action together: the screen's own first."""
    found: dict[str, tuple[list[str], str]] = {}
    for active in sorted(view.active_bindings.values(), key=lambda each: _far(view, each.node, each.binding.action)):
        binding = active.binding
        if active.enabled and binding.description and not binding.system:
            keys, _ = found.setdefault(binding.action, ([], active.tooltip or binding.description))
            keys.append(view.app.get_key_display(binding))
    return [(" ".join(dict.fromkeys(keys)), does) for keys, does in found.values()]
