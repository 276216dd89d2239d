"""A fake host behind the real server, and a client of it: what most of these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.api.serving import Serving, serving
from tracerd.daemon.client import Client


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    """Serve a fake host."""
    with serving(tmp_path) as found:
        yield found


@pytest.fixture
def client(served: Serving) -> Iterator[Client]:
    """Return a client of it."""
    with served.client() as found:
        yield found
