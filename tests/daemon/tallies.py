"""What the probe `tally` has counted, and children that give it something to count."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import Any

from tests.daemon.running import RunningDaemon
from tests.sources.live import start
from tracerd.daemon.client import Client
from tracerd.errors import NotFound
from tracerd.runtime.pins import Pins


def total(client: Client) -> int:
    """Return the pinned count of all getppid calls. Its map has another id when its probe was loaded anew meanwhile."""
    while True:
        found = next(info for info in client.maps() if info.name == "tally_total")
        with suppress(NotFound):
            value = client.lookup(found.id, 0)
            assert isinstance(value, int)
            return value


def hammer(calls: int) -> int:
    """Have a child make that many calls; returns its pid."""
    child = start(f"hammer({calls}, 0)")
    assert child.wait() == 0
    return child.pid


def counted(client: Client, pid: int, probe: str = "") -> int:
    """Return how many calls a process made, as the probe (by default the first one) counted."""
    found = next(info for info in client.maps() if info.name == "by_process" and probe in ("", info.probe))
    values = next((row["values"] for row in client.entries(found.id)[0] if row["key"] == pid), [])
    return sum(values)


def final_ledger(served: RunningDaemon, event: str) -> dict[str, Any]:
    """Stop a daemon and return an event's balance as it exported it last: exact, whatever else this machine does."""
    assert served.stop() == 0
    rows = [json.loads(line) for line in (served.root / "out" / "moments.jsonl").read_text().splitlines()]
    row: dict[str, Any] = [row for row in rows if row["kind"] == "ledger" and row["event"] == event][-1]["row"]
    return row


def final_total(served: RunningDaemon) -> int:
    """Return the pinned count of a daemon that does not run."""
    with closing(Pins(served.root / "state" / "pins", tidy=False)) as pins:
        return int.from_bytes(pins.read("tally_total").snapshot.values.tobytes()[:8], "little")
