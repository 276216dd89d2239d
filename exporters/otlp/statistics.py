"""How the sending of one signal does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CAUSES = ("queue_full", "spool_full", "refused", "expired", "shutdown", "damaged", "spool_failed", "off")
"""Why items were dropped. `off`: the signal is not sent at all."""


@dataclass(frozen=True, slots=True)
class SignalStatistics:
    """Items put and items found on disk = sent + rejected + dropped + queued + spooled, at every quiet moment."""

    requests_sent: int = 0               # accepted
    items_sent: int = 0                  # accepted, without those rejected
    items_rejected: int = 0              # by a partial success
    items_dropped: Mapping[str, int] = field(default_factory=dict)       # by cause, only causes that occurred
    items_found: int = 0                 # left on disk by an earlier process
    retries: int = 0                     # tries that failed and are made again
    spool_failures: int = 0              # times the disk did not take a request
    queued_items: int = 0                # in memory, also the one on its way
    queued_bytes: int = 0
    spooled_items: int = 0
    spooled_bytes: int = 0
    last_error: str = ""                 # stays when it works again
    failing: int = 0                     # failures since the last success
    spool_works: bool = True             # the disk took the last request that was to go there
