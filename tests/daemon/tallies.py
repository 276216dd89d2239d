"""What the probe `tally` has counted, and children that give it something to count."""

from __future__ import annotations

from tests.sources.live import start
from tracerd.daemon.client import Client


def total(client: Client) -> int:
    """Return the pinned count of all getppid calls."""
    found = next(info for info in client.maps() if info.name == "tally_total")
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
