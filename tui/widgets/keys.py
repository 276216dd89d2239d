"""The last line: the keys that matter here. Textual's own footer makes a widget of each, again at every change of the
focus, and keeps them all; a dashboard that is left open for days cannot have that.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.screen import Screen
from textual.widget import Widget

ALWAYS = ("help", "quit")
"""Actions whose keys are there however narrow the terminal is."""


class _Key(NamedTuple):
    key: str                     # what is pressed
    shown: str                   # what it is called
    does: str
    action: str

    @property
    def width(self) -> int:
        return cell_len(f"{self.shown} {self.does} ")


class Keys(Widget):
    """One line of keys, to be read or clicked on. Those that have no room are left out whole."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key"}
    DEFAULT_CSS = """
    Keys { dock: bottom; height: 1; background: $footer-background; color: $footer-foreground; }
    Keys > .keys--key { color: $footer-key-foreground; text-style: bold; }
    """

    def on_mount(self) -> None:
        """Follow what keys there are."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_unmount(self) -> None:
        """Follow no more."""
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _changed(self, _: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Text:
        """Return the line."""
        style = self.get_component_rich_style("keys--key", partial=True)
        text = Text(no_wrap=True, end="")
        for key in self._fitting():
            text.append(key.shown, style=style)
            text.append(f" {key.does} ")
        return text

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        at = event.get_content_offset(self)
        end = 0
        for key in self._fitting() if at is not None else ():
            end += key.width
            if at is not None and at.x < end:
                self.app.simulate_key(key.key)
                return

    def _fitting(self) -> list[_Key]:
        keys = self._keys()
        room = self.size.width - sum(each.width for each in keys if each.action.removeprefix("app.") in ALWAYS) + 1
        fitting = []
        for each in keys:
            if each.action.removeprefix("app.") not in ALWAYS:
                room -= each.width
                if room < 0:
                    continue
            fitting.append(each)
        return fitting

    def _keys(self) -> list[_Key]:
        """Return the keys that are to be shown, one for each action."""
        found: dict[str, _Key] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in found:
                shown = self.app.get_key_display(binding)
                found[binding.action] = _Key(binding.key, shown, binding.description, binding.action)
        return list(found.values())
