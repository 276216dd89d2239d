"""Which CPUs this machine has (sysfs); ids may be sparse."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_SYSFS = Path("/sys/devices/system/cpu")


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the ids of a list like "0-3,8,10-11" (Documentation/admin-guide/cputopology.rst)."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def online(sysfs: Path = _SYSFS) -> tuple[int, ...]:
    """Return the ids of the CPUs that run now."""
    return parse_cpu_list((sysfs / "online").read_text())


def cpu_slots() -> int:
    """Return the number of per-CPU slots that this machine's CPUs need: the highest id plus one. On any OS."""
    return max(online()) + 1 if sys.platform == "linux" else os.cpu_count() or 1
