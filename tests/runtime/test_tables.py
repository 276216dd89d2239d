"""A probe's tables are made when somebody looks, once."""

from __future__ import annotations

from typing import cast

from tracerd.runtime.tables import LazyTables, ProbeViews
from tracerd.snapshot import MapSnapshot, Table
from tracerd.views.spec import ViewSpec


class Views:
    """Views that count how often they are made."""

    names = ("a", "b")

    def __init__(self) -> None:
        self.made = 0

    def tables(self, _maps: dict[str, MapSnapshot]) -> list[tuple[ViewSpec, Table]]:
        self.made += 1
        return [(ViewSpec(name, "m"), Table(name, {})) for name in self.names]


def test_names_cost_nothing_and_tables_are_made_once() -> None:
    """A moment that is only exported as metrics never makes them."""
    views = Views()
    lazy = LazyTables(cast(ProbeViews, views), {})
    assert (list(lazy), len(lazy), views.made) == (["a", "b"], 2, 0)
    assert lazy["b"].name == "b"
    assert [each.name for each in lazy.values()] == ["a", "b"]
    assert views.made == 1
