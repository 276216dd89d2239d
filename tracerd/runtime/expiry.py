"""Room in maps that are keyed by process: under a daemon they would fill with processes that ended long ago.

A probe says which maps (`[[map]] expire = "process-exit"`). As long as there is room nothing is touched, so a session
of minutes has the ended processes too. When a map is three quarters full, entries of processes that are gone, and were
gone at the look before as well, are deleted and counted: exporters had the time between two looks for the last values.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from tracerd.config import Probe
from tracerd.elf.spec import ObjectSpec
from tracerd.errors import ConfigError
from tracerd.linux.perf import initial_pid_namespace
from tracerd.platforms.model import Platform
from tracerd.views.columns import MapColumns
from tracerd.vm.maps import Map

FULL = 0.75


class Expiring:
    """One such map. `expired` counts entries deleted so far."""

    def __init__(self, name: str, pid: str, columns: MapColumns, proc: Path = Path("/proc")) -> None:
        """`pid` is the path of the key's field, as in views."""
        self.map = name
        self.expired = 0
        self._pid = pid
        self._columns = columns
        self._proc = proc
        self._gone: frozenset[int] = frozenset()
        self._sweeping = threading.Lock()

    def sweep(self, live: Map) -> int:
        """Look once; returns how many entries were deleted."""
        with self._sweeping:
            counted = live.statistics
            if counted.count < FULL * counted.max_entries or not initial_pid_namespace():
                self._gone = frozenset()
                return 0
            copied = live.snapshot()
            pids = self._columns.read(copied, self._pid, "first")
            # Looked for after the copy was taken: a process that is in it and not here has ended.
            # 0 is the kernel's own idle thread: it has no folder and never ends.
            gone = frozenset(pid for pid in np.unique(pids).tolist() if pid and not (self._proc / str(pid)).exists())
            leaving, self._gone = gone & self._gone, gone
            places = np.flatnonzero(np.isin(pids, list(leaving)))
            with live.writing:
                deleted = sum(live.delete(copied.keys[place].tobytes()) for place in places.tolist())
            self.expired += deleted
            return deleted


def expiring_maps(probe: Probe, obj: ObjectSpec, platform: Platform) -> tuple[Expiring, ...]:
    """Return what a probe says of its maps, checked.

    Raises:
        ConfigError: there is no such map, its entries cannot be deleted, or its key has no such number.
    """
    made = []
    for name, pid in probe.expire:
        where = f"probe {probe.name!r}: map {name!r}"
        spec = next((each for each in obj.maps if each.name == name), None)
        if spec is None:
            raise ConfigError(where, f"the object has none of that name; it has: {', '.join(m.name for m in obj.maps)}")
        kind = platform.maps[spec.type]
        if kind.array or not kind.keyed:
            raise ConfigError(where, "has no entries that could expire: it is no hash map")
        columns = MapColumns(spec, obj.btf)
        numbers = [path for path in columns.paths if path.startswith("key") and not columns.is_array(path)]
        if pid not in numbers:
            raise ConfigError(where, f"its key has no field {pid!r}; it has: {', '.join(numbers)}")
        made.append(Expiring(name, pid, columns))
    return tuple(made)
