"""Where compiled code may be kept between runs."""

from __future__ import annotations

from typing import Protocol


class CodeCache(Protocol):
    """Object files by key. What `get` returns is executed, so it must be exactly what was put under that key."""

    def get(self, key: bytes) -> bytes | None:
        """Return an object file, or None."""

    def put(self, key: bytes, body: bytes) -> None:
        """Keep an object file, if there is room."""
