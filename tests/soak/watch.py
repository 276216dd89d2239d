"""What the soak watches: counters that must not go back, balances that must be even, memory and descriptors."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.daemon.running import RunningDaemon
from tests.soak.load import Hammer
from tracerd.daemon.client import connect
from tracerd.errors import TracerdError

EVENT = "syscall:getppid:enter"
SETTLE_SECONDS = 20.0
CALM_SECONDS = 2.0


@dataclass
class Life:
    """One life of the daemon, between a start and a kill -9 (or the end)."""

    began: float
    start_seconds: float
    calls_at_start: int
    rss: list[tuple[float, int, int]] = field(default_factory=list)     # in calm: (seconds, bytes, of them maps' pages)
    busiest: int = 0                                                    # most bytes at any moment
    descriptors: list[int] = field(default_factory=list)
    balances: list[dict[str, int]] = field(default_factory=list)        # at moments of calm
    pinned_first: int = 0
    pinned_last: int = 0
    ended: str = ""


def sample(daemon: RunningDaemon, life: Life) -> None:
    """Note memory and descriptors."""
    with suppress(psutil.Error):
        process = psutil.Process(daemon.pid)
        life.busiest = max(life.busiest, process.memory_info().rss)
        life.descriptors.append(process.num_fds())


def pinned(daemon: RunningDaemon) -> int | None:
    """Return the pinned total, or None if the daemon cannot be asked now."""
    try:
        with connect(daemon.socket) as client:
            found = next(info for info in client.maps() if info.name == "tally_total" and info.probe == "tally")
            value = client.lookup(found.id, 0)
    except (TracerdError, OSError, StopIteration):
        return None
    return value if isinstance(value, int) else None


def balance(daemon: RunningDaemon, hammer: Hammer, life: Life) -> None:
    """Have the hammer stand still, wait until all it made is taken, and note the balance. Raises if it stays uneven."""
    hammer.pause()
    made = hammer.calls - life.calls_at_start
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        with connect(daemon.socket) as client:
            row = client.status()["ledger"][EVENT]
        taken = row["delivered"] + row["lost"] + row["dropped"] + row["filtered"] + row["failed"]
        if row["produced"] == taken or time.monotonic() > end:
            break
        time.sleep(0.1)
    time.sleep(CALM_SECONDS)                     # answers that were on their way are gone
    with connect(daemon.socket) as client:
        pages = int(client.status()["own"]["maps.resident_bytes"])
    life.rss.append((time.monotonic() - life.began, psutil.Process(daemon.pid).memory_info().rss, pages))
    life.balances.append({name: row[name] for name in row if name != "via"} | {"hammer": made})
    assert row["produced"] == taken, f"the balance is uneven: {row}"
    assert row["produced"] >= made, f"the hammer made {made} calls, the kernel says {row['produced']}"
    hammer.run()
