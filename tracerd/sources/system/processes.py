"""Which processes started, ended and used what, from one poll to the next.

Who a process is: its pid and when it began. A pid seen with another begin is another process: the first has ended. What
runs at the first poll did not start then: there are samples of it, no start. A process has ended when it is dead, even
if its parent has not asked for its exit code yet, or when it is no more; both are seen at a poll, so its lifetime is up
to one interval too long. What lives shorter than an interval is not seen at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tracerd.native import lib
from tracerd.sources.system.batch import Events
from tracerd.sources.system.layouts import PROCESS, ROW, Rows, blank, take, text, whole
from tracerd.sources.system.match import Match, Places, keys_of, match, ordered
from tracerd.sources.system.moment import Moment
from tracerd.sources.system.reader import Description, Reader, Wants

_USAGE = ("user_ns", "system_ns", "memory_bytes", "virtual_bytes", "read_bytes", "write_bytes", "threads", "handles")
_PARTING = ("memory_bytes", "virtual_bytes", "read_bytes", "write_bytes", "threads", "handles")
"""What a dead process no longer has: its end tells what it had last."""

_TOTALS = (
    ("user_ns", lib.TR_KNOWN_USAGE),
    ("system_ns", lib.TR_KNOWN_USAGE),
    ("read_bytes", lib.TR_KNOWN_IO),
    ("write_bytes", lib.TR_KNOWN_IO),
)

_DESCRIBED = lib.TR_KNOWN_USER | lib.TR_KNOWN_COMMAND_LINE


class ProcessTable:
    """The processes of the last poll, each with its event as it was, all in the order of their keys. `wants` may change
    between polls.
    """

    def __init__(self, reader: Reader, wants: Wants, cpu: int) -> None:
        self._reader = reader
        self.wants = wants
        self._cpu = cpu
        self._rows: Rows = np.zeros(0, ROW)
        self._keys = keys_of(self._rows, "pid", "identity")
        self._events: Rows = blank(PROCESS, 0, cpu)
        self._born = np.zeros(0, np.int64)           # on the monotonic clock; may lie before its zero
        self._payloads: list[bytes] = []

    @property
    def hidden(self) -> tuple[int, int]:
        """How many processes there are of which something that was asked for could not be read, and how many in all."""
        asked = lib.TR_KNOWN_IO * self.wants.io | lib.TR_KNOWN_HANDLES * self.wants.handles
        living = self._rows[self._rows["exited"] == 0]
        return int(np.count_nonzero(living["known"] & asked != asked)), len(living)

    def poll(self, now: Moment) -> list[Events]:
        """Read the processes and return what happened since the last poll, in the order in which it can have happened.

        Raises:
            SourceError: the processes cannot be read; the table is as it was.
        """
        keys, rows = _sorted(self._reader.processes(self.wants))
        found = match(self._keys, keys)
        old = (self._rows, self._events, self._born, self._payloads)
        ends = self._ends(found.gone[old[0]["exited"][found.gone] == 0], now)
        self._keys, self._rows = keys, rows
        self._carry(found, *old)
        self._renew(found, old[0], now)
        self._measure(found, old[0], now)
        starts = () if now.first else found.fresh
        sampled = rows["exited"] == 0 if now.samples else np.zeros(len(rows), np.bool_)
        dead = _newly_dead(rows, old[0], found, now)
        return [
            *ends,
            self._part(np.asarray(starts, np.intp), "process:start", lib.TR_PROCESS_START, now),
            *self._ends(dead, now),
            self._part(np.flatnonzero(sampled), "process:sample", lib.TR_PROCESS_SAMPLE, now),
        ]

    def _carry(self, found: Match, old_rows: Rows, events: Rows, born: Any, payloads: list[bytes]) -> None:
        """Take over what is known of those that were there before; the dead keep what they had."""
        count = len(self._rows)
        self._events = blank(PROCESS, count, self._cpu)
        whole(self._events)[found.now] = whole(events)[found.before]
        self._born = np.zeros(count, np.int64)
        self._born[found.now] = born[found.before]
        self._payloads = [b""] * count
        for at, before in zip(found.now.tolist(), found.before.tolist(), strict=True):
            self._payloads[at] = payloads[before]
        dead = self._rows["exited"][found.now] != 0
        for name in _PARTING:
            self._rows[name][found.now[dead]] = old_rows[name][found.before[dead]]

    def _renew(self, found: Match, old_rows: Rows, now: Moment) -> None:
        """Tell who the new ones are, and who those are now that run another program than before."""
        self._begin(found.fresh, now)
        new, old = self._rows[found.now], old_rows[found.before]
        changed = ((new["version"] != old["version"]) | (new["name"] != old["name"])) & (new["exited"] == 0)
        told = self._describe(found.fresh)
        self._tell(told | self._describe(found.now[changed], told_before=True))

    def _describe(self, places: Places, told_before: bool = False) -> dict[int, Description]:
        """Describe processes, by place. Of a new one that is gone meanwhile, its short name is all there is."""
        told = {}
        columns = (self._rows[name][places].tolist() for name in ("pid", "identity", "name"))
        for at, pid, identity, name in zip(places.tolist(), *columns, strict=True):
            short = name.decode(errors="replace")
            description = self._reader.describe(pid, identity, short)
            if description is not None or not told_before:
                told[at] = description or Description(short)
        return told

    def _begin(self, fresh: Places, now: Moment) -> None:
        """Set what never changes. When the system does not tell when a process began, it is when it was first seen."""
        rows, events = self._rows[fresh], self._events
        start = np.where(rows["known"] & lib.TR_KNOWN_BEGIN, rows["start_ns"], now.time_ns).astype(np.int64)
        self._born[fresh] = now.monotonic_ns - np.maximum(now.time_ns - start, 0)
        pid = rows["pid"].astype(np.uint64)
        events["task"]["pid_tgid"][fresh] = pid << np.uint64(32) | pid
        events["context"]["pid"][fresh] = pid
        events["context"]["start_ns"][fresh] = start

    def _tell(self, told: dict[int, Description]) -> None:
        """Put descriptions into events, column by column."""
        if not told:
            return
        places, all_told = list(told), list(told.values())
        task, context, head = (self._events[part] for part in ("task", "context", "head"))
        task["uid_gid"][places] = [each.gid << 32 | each.uid for each in all_told]
        task["comm"][places] = [text(each.name, 16) for each in all_told]
        context["uid"][places] = [each.uid for each in all_told]
        context["name"][places] = [text(each.name, 64) for each in all_told]
        context["user"][places] = [text(each.user, 64) for each in all_told]
        context["known"][places] = [each.known for each in all_told]
        head["payload"][places] = [len(each.command_line) for each in all_told]
        for at, each in told.items():
            self._payloads[at] = each.command_line + bytes(-len(each.command_line) % 8)

    def _measure(self, found: Match, old_rows: Rows, now: Moment) -> None:
        """Set what every poll changes.

        Usage in the interval is since the poll before; of a process that began since, it is all; at the first poll, 0.
        """
        rows, context = self._rows, self._events["context"]
        gains = {name: _advance(rows, old_rows, found, name, bit, now.first) for name, bit in _TOTALS}
        context["cpu_ns"] = gains["user_ns"] + gains["system_ns"]
        context["interval_read_bytes"] = gains["read_bytes"]
        context["interval_write_bytes"] = gains["write_bytes"]
        context["known"] = context["known"] & _DESCRIBED | rows["known"]
        for name in (*_USAGE, "parent", "exit_code"):
            context[name] = rows[name]
        context["lifetime_ns"] = np.maximum(now.monotonic_ns - self._born, 0)
        context["interval_ns"] = 0 if now.first else context["lifetime_ns"]
        context["interval_ns"][found.now] = now.interval_ns

    def _ends(self, places: Places, now: Moment) -> list[Events]:
        """Return the ends of some processes: to those who count ends, and as a last sample to those who keep a table of
        what runs (where ends come from tracepoints, a sample may be delivered after them)."""
        return [self._part(places, name, lib.TR_PROCESS_EXIT, now) for name in ("process:exit", "process:sample")]

    def _part(self, places: Places, name: str, kind: int, now: Moment) -> Events:
        """Return the events of some processes, as they are now in the table."""
        rows = take(self._events, places)
        context = rows["context"]
        rows["head"]["now_ns"] = now.monotonic_ns
        context["time_ns"] = now.time_ns
        context["kind"] = kind
        context["lifetime_ns"] = np.maximum(now.monotonic_ns - self._born[places], 0)
        if kind != lib.TR_PROCESS_SAMPLE:
            for usage in ("interval_ns", "cpu_ns", "interval_read_bytes", "interval_write_bytes"):
                context[usage] = 0
        return Events(name, rows, [self._payloads[at] for at in places.tolist()])


def _sorted(rows: Rows) -> tuple[Any, Rows]:
    return ordered(keys_of(rows, "pid", "identity"), rows)


def _newly_dead(rows: Rows, old_rows: Rows, found: Match, now: Moment) -> Places:
    """Those that died since the last poll. What was dead at the first poll ended before."""
    dead = rows["exited"] != 0
    dead[found.now] &= old_rows["exited"][found.before] == 0
    if now.first:
        dead[found.fresh] = False
    return np.flatnonzero(dead)


def _advance(rows: Rows, old_rows: Rows, found: Match, name: str, bit: int, first: bool) -> Any:
    """Return how much a total grew since the last poll.

    The kernel's sums over threads go back for a moment while a thread ends: a total stays at its highest, else the way
    back up would count twice. One that could not be read before, or cannot now, did not grow.
    """
    gain = np.zeros_like(rows[name]) if first else rows[name].copy()
    old, new = old_rows[name][found.before], rows[name][found.now]
    readable = old_rows["known"][found.before] & rows["known"][found.now] & bit != 0
    rows[name][found.now] = np.where(readable, np.maximum(old, new), new)
    gain[found.now] = np.where(readable & (new > old), new - old, 0)
    return gain
