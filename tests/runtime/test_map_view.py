"""What people may ask of a map at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tracerd.elf.spec import MapSpec, ObjectSpec
from tracerd.errors import RunError
from tracerd.platforms.model import MapKind
from tracerd.runtime.map_view import MOST_ENTRY_BYTES, MapView
from tracerd.vm.maps import Map

HALF = MOST_ENTRY_BYTES // 2
SPEC = MapSpec("large", MapKind.ARRAY.value, 4, HALF - 4, 3)


@dataclass
class OneMap:
    """As much of a loaded probe as a view of its map needs."""

    live: Map

    @contextmanager
    def used(self) -> Iterator[Any]:
        yield SimpleNamespace(maps={"large": self.live}, object=ObjectSpec("x", "", (), (SPEC,), None))


def test_entries_that_are_too_much_at_once_are_refused() -> None:
    """The sentence says what else to ask for; so many as fit are told."""
    with Map(SPEC, MapKind.ARRAY) as live:
        view = MapView(cast(Any, OneMap(live)), "large", cast(Any, None))
        assert [each["key"] for each in view.entries(2)] == [0, 1]
        with pytest.raises(RunError, match="24 MiB are too much at once, 16 MiB are not: ask for fewer"):
            view.entries(3)
