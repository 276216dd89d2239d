"""Pictures as text: what tests compare."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.strip import Strip


def text(strips: Sequence[Strip]) -> list[str]:
    """Return lines without the spaces at their ends."""
    return [strip.text.rstrip() for strip in strips]


def assert_fits(strips: Sequence[Strip], width: int, height: int) -> None:
    """There are as many lines as asked for, and each is as wide as asked for, with a style on every piece."""
    assert len(strips) == height
    for strip in strips:
        assert strip.cell_length == cell_len(strip.text) == width
        assert all(segment.style is not None for segment in strip)
