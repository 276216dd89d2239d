"""The second line: all screens by number, and which one this is."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

PLACES = ("overview", "programs", "maps", "events", "sources", "verifier", "exports")
"""Names of screens, in the order of their numbers."""


class Places(Widget):
    """A row of screens to click on."""

    DEFAULT_CSS = """
    Places { height: 1; background: $surface; color: $foreground; padding: 0 1; }
    """

    class Chosen(Message):
        """A screen was clicked on."""

        def __init__(self, place: str) -> None:
            super().__init__()
            self.place = place

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here

    def render(self) -> Text:
        """Return the row; numbers are the keys. This one is in reverse, so that no colour is needed to see it."""
        text = Text()
        for number, place in enumerate(PLACES, 1):
            here = place == self._here
            text.append(f"{number}", style="bold reverse" if here else "bold")
            text.append(f" {place.capitalize()}", style="bold reverse" if here else "")
            text.append("  ")
        text.truncate(self.size.width)
        return text

    def on_click(self, event: events.Click) -> None:
        """Tell which screen is under the mouse."""
        at = event.get_content_offset(self)
        start = 0
        for place in PLACES:
            end = start + len(place) + 2
            if at is not None and start <= at.x < end:
                self.post_message(self.Chosen(place))
            start = end + 2
