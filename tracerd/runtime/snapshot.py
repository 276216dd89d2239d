"""What a session hands out: everything it collected, frozen, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracerd.runtime.program import ProgramStatistics
from tracerd.snapshot import Ledger, MapSnapshot


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """One moment of a session. Times in ns; `seconds` counts from attach (frozen once the session has stopped)."""

    taken_ns: int                                    # unix time
    seconds: float
    maps: Mapping[str, dict[str, MapSnapshot]]       # probe -> map -> copy
    programs: tuple[ProgramStatistics, ...]
    ledger: Mapping[str, Ledger]                     # event -> balance
    pump_cpu_ns: int                                 # CPU time of the pump threads: what it cost
