"""The client by itself: quick to import, and never fooled by half an answer."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import Any, cast

import pytest

from tests.daemon.api.serving import STATUS
from tracerd.daemon.client_events import events
from tracerd.daemon.client_look import look_of
from tracerd.errors import RunError


def test_the_client_and_what_it_gives_are_imported_without_anything_large() -> None:
    """Every command starts with it: the standard library is enough until numbers arrive as columns."""
    code = (
        "import sys, tracerd.daemon.client, tracerd.daemon.client_look, tracerd.daemon.feed\n"
        "large = {'numpy', 'pydantic', 'msgspec', 'aiohttp', 'cffi', 'llvmlite', 'tracerd.snapshot'}\n"
        "print(*large & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_events_of_a_stream_come_with_what_was_lost_before_them() -> None:
    """Comments, and fields that it does not know, are passed over."""
    stream = BytesIO(b': hello\n\nevent: x\ndata: {"a":1}\n\nevent: lost\ndata: {"lost":5}\n\nid: 3\ndata: {"a":2}\n\n')
    assert list(events(cast(Any, stream))) == [({"a": 1}, 0), ({"lost": 5}, 5), ({"a": 2}, 5)]


def test_a_daemon_that_goes_away_within_an_event_is_an_error_of_one_sentence() -> None:
    """As with everything that a feed gives."""
    found = events(cast(Any, BytesIO(b'data: {"a":1}\n\ndata: {"a":')))
    assert next(found) == ({"a": 1}, 0)
    with pytest.raises(RunError, match="the daemon went away"):
        next(found)


@pytest.mark.parametrize(("role", "told"), [("admin", "admin"), ("read", "read"), ("watcher", "read")])
def test_a_role_that_is_not_known_may_only_read(role: str, told: str) -> None:
    """A newer daemon may have others."""
    assert look_of({**STATUS, "host": "here", "role": role}).role == told


def test_a_daemon_that_does_not_tell_its_sources_is_of_another_version() -> None:
    """With the name of what is missing."""
    status = {name: value for name, value in STATUS.items() if name != "pumps"}
    with pytest.raises(RunError, match="of another version: its status has no 'pumps'"):
        look_of({**status, "host": "here", "role": "read"})
