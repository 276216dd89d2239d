"""From JSON to the rows of `tracerd.runtime.objects`, with nothing but the standard library."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from tracerd.errors import RunError

Row = TypeVar("Row")


def row(kind: type[Row], document: Any) -> Row:
    """Return one row. What a newer daemon says besides is left out, its lists are tuples here.

    Raises:
        RunError: it lacks what every daemon says.
    """
    try:
        known = {each.name for each in fields(kind)}   # type: ignore[arg-type]
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
        return kind(**{name: value for name, value in values.items() if name in known})
    except (TypeError, AttributeError) as error:
        raise RunError("daemon", f"is of another version: its {kind.__name__} is not ours ({error})") from error


def rows(kind: type[Row], documents: Any) -> list[Row]:
    """Return all rows of a list."""
    return [row(kind, document) for document in documents]
