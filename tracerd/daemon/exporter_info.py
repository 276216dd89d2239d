"""What the daemon tells of an exporter. Apart from `exporter`, so that who only shows it waits for no numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ExporterInfo:
    """How one exporter does. A moment that was due is one of exports, failures and skipped."""

    name: str
    interval: float              # seconds; 0: it is asked by others
    exports: int = 0
    failures: int = 0
    skipped: int = 0             # due while another export was under way, or in the pause after a failure
    failing: int = 0             # failures since the last success
    last_error: str = ""         # of the last failure; stays when it works again
    last_ns: int = 0             # unix time of the last success; 0: none yet
    last_seconds: float = 0.0    # how long that took
    busy_seconds: float = 0.0    # how long the export under way takes so far
    abandoned: bool = False      # did not end in time when the daemon stopped
    problem: str = ""            # what fails now behind its back (`Telling`)
    records: int = 0             # ring buffers' records that it was given
    records_lost: int = 0        # that found no room to wait for it
    records_failed: int = 0      # that it failed to take
    counts: Mapping[str, int] = field(default_factory=dict)     # its own
    where: str = ""              # where it sends, or is asked, in words (`Placed`)
