"""Process events of this machine, seen by a witness while tests make processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.native.process_events import ProcessEvent, process_event
from tests.native.witness import Witness
from tests.sources.live import need_live_events
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.perf import PerfOptions, PerfSource


def need_process_events() -> None:
    """Skip where this machine does not give process events from tracepoints."""
    need_live_events()
    refused = PerfSource.permitted()
    if refused:
        pytest.skip(str(refused))


class Watched:
    """A source of both process events with a witness on them."""

    def __init__(self, options: PerfOptions | None = None, others: tuple[LinkRequest, ...] = ()) -> None:
        need_process_events()
        self._witness = Witness(payload=True)
        links = [LinkRequest(event, self._witness.program, 280) for event in ("process:start", "process:exit")]
        self.source = PerfSource(options)
        self.source.open([*links, *others])

    @property
    def events(self) -> list[ProcessEvent]:
        return [process_event(seen) for seen in self._witness.seen]

    def of(self, pid: int) -> list[ProcessEvent]:
        return [event for event in self.events if event.pid == pid]

    def children(self, pid: int, kind: int) -> list[ProcessEvent]:
        return [event for event in self.events if event.parent == pid and event.kind == kind]

    @property
    def ledgers(self) -> dict[str, Ledger]:
        return dict(self.source.statistics())

    def run(self, command: list[str], code: int = 0) -> int:
        """Run a command to its end while pumping, and stop. Returns its pid."""
        with subprocess.Popen(command) as child:
            while child.poll() is None:
                self.source.pump(10)
        assert child.returncode == code
        self.source.stop()
        return child.pid


@contextmanager
def watched(options: PerfOptions | None = None, *others: LinkRequest) -> Iterator[Watched]:
    made = Watched(options, others)
    try:
        yield made
    finally:
        made.source.close()
