"""The live things: a session with its programs, links, pump threads and snapshots. Only this room makes them."""

from __future__ import annotations

from tracerd.runtime.session import Session, Settings

__all__ = ["Session", "Settings"]
