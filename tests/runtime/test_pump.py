"""The pump thread: how it ends is known to whoever stops it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tracerd.errors import RunError
from tracerd.runtime.pump import Pump
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.choose import Serving


class Broken:
    """A source with a defect."""

    def open(self, links: list[LinkRequest]) -> None:
        """Open nothing."""

    def pump(self, timeout_ms: int) -> int:
        raise ValueError(f"of {timeout_ms}")

    def stop(self) -> None:
        """Stop nothing."""

    def printed(self) -> bytes:
        return b""

    def statistics(self) -> Mapping[str, Ledger]:
        return {}

    def close(self) -> None:
        """Close nothing."""


def test_a_thread_that_died_of_a_defect_says_so_at_the_stop() -> None:
    """Events after that are missing: a table without a word would be taken for the truth."""
    pump = Pump(Serving(Broken(), 1, ("begin",)), lambda: None)
    pump.start()
    assert pump.ended.wait(10)
    with pytest.raises(RunError, match="ended before its time: ValueError"):
        pump.stop()
