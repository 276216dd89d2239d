"""What a session hands out: everything it collected, frozen, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracerd.snapshot import Ledger, MapSnapshot, ProgramStatistics, RingSnapshot


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """One moment of a session. Times in ns; `seconds` counts from attach (frozen once the session has stopped)."""

    taken_ns: int                                    # unix time
    seconds: float
    maps: Mapping[str, dict[str, MapSnapshot]]       # probe -> map -> copy
    rings: Mapping[str, RingSnapshot]
    printed: tuple[str, ...]                         # lines of bpf_trace_printk, the last few thousand
    programs: tuple[ProgramStatistics, ...]
    ledger: Mapping[str, Ledger]                     # event -> balance
    pump_cpu_ns: int                                 # CPU time of the pump threads: what it cost
    clock_offset_ns: int                             # unix time minus the clock of the events
