"""What the API counts of itself. Only the event loop writes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Since the daemon's start; `connections` and `streams` are those open now."""

    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)     # reason -> requests or connections
    connections: int = 0
    streams: int = 0
    closed_stalled: int = 0          # clients that did not read what they asked for
    moments_skipped: int = 0         # moments that a stream's client was too slow for
    records_lost: int = 0            # ring records that a stream's client was too slow for
    lines_lost: int = 0              # printed lines that a stream's client has missed

    def plain(self) -> dict[str, object]:
        """Return the counts as `status` shows them."""
        return {
            "requests": self.requests,
            "refused": dict(self.refused),
            "connections": self.connections,
            "streams": self.streams,
            "closed_stalled": self.closed_stalled,
            "moments_skipped": self.moments_skipped,
            "records_lost": self.records_lost,
            "lines_lost": self.lines_lost,
        }
