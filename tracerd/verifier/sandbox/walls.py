"""Walls by name: raised one by one, and what became of each is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tracerd.verifier.sandbox.wire import Wall

Walls = Mapping[str, Callable[[], str]]
"""A wall's name and what raises it; that returns how far it goes, if there is something to say."""


def raise_all(walls: Walls) -> tuple[Wall, ...]:
    """Raise them in order. One that the system does not have or refuses keeps none of the others from being raised."""
    return tuple(_tried(name, raise_wall) for name, raise_wall in walls.items())


def _tried(name: str, raise_wall: Callable[[], str]) -> Wall:
    try:
        return Wall(name, True, raise_wall())
    except OSError as error:
        return Wall(name, False, error.strerror or str(error))
