"""What several routes need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tracerd.errors import NotFound


class HasId(Protocol):
    """A row of objects."""

    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=HasId)


def with_id(rows: Sequence[Row], wanted: int, what: str) -> Row:
    """Return the row with an id.

    Raises:
        NotFound: there is none.
    """
    for row in rows:
        if row.id == wanted:
            return row
    raise NotFound(f"{what} {wanted}", tuple(str(row.id) for row in rows))
