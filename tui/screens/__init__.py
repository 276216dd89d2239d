"""One file per screen, imported when it is first looked at: the first picture should not wait for all of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from textual.screen import Screen


def _made(module: str, name: str) -> Callable[[], Screen[Any]]:
    def make() -> Screen[Any]:
        screen: Screen[Any] = getattr(import_module(f"tui.screens.{module}"), name)()
        return screen

    return make


SCREENS: dict[str, Callable[[], Screen[Any]]] = {
    "overview": _made("overview", "Overview"),
    "programs": _made("programs", "Programs"),
    "maps": _made("maps", "Maps"),
    "events": _made("events", "Events"),
    "sources": _made("sources", "Sources"),
    "verifier": _made("verifier", "VerifierScreen"),
    "exports": _made("exports", "Exports"),
}
