"""The live things: a session with its programs, links, pump threads and snapshots. Only this room makes them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracerd.runtime.session import Session, Settings

__all__ = ["Session", "Settings"]


def __getattr__(name: str) -> object:
    """Import the session when it is first used: who only wants `objects` waits for no compiler."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("tracerd.runtime.session"), name)
