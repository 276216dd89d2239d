"""`process:start` and `process:exit` out of tracepoints: which ones, and what the core's tracker must be told.

The tracker (`native/src/processes.c`) makes both of four kinds of records:

    task:task_newtask                forks; the record of sched:sched_process_fork does not tell threads apart
    sched:sched_process_exec         a start is told here, when it has a name of its own
    sched:sched_process_exit         exits
    syscalls:sys_enter_exit_group    exit codes; a process killed by a signal has none

The last one makes every system call of the machine some 30 ns slower, so it is opened only for `process:exit`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tracerd.errors import ConfigError, NotSupported, RunError, SourceError
from tracerd.linux.perf import initial_pid_namespace
from tracerd.linux.users import every_user, user_name
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, count_of, ledger
from tracerd.sources.schema.tracefs import TracepointFormat, read_format
from tracerd.sources.tasks import process_ids

START, EXIT = "process:start", "process:exit"
KINDS = {START: lib.TR_PROCESS_START, EXIT: lib.TR_PROCESS_EXIT}


@dataclass(frozen=True, slots=True)
class Follow:
    """A tracepoint that the tracker follows, with the fields it reads and their sizes."""

    what: int
    category: str
    event: str
    fields: tuple[tuple[str, int], ...]
    optional: bool = False       # the fields; offset 0 says that a kernel has none

    @property
    def name(self) -> str:
        return f"{self.category}:{self.event}"


FORK = Follow(lib.TR_FOLLOW_FORK, "task", "task_newtask", (("pid", 4), ("clone_flags", 8)))
EXEC = Follow(lib.TR_FOLLOW_EXEC, "sched", "sched_process_exec", (("filename", 4),))
ENDED = Follow(lib.TR_FOLLOW_EXIT, "sched", "sched_process_exit", (("group_dead", 1),), optional=True)
CODE = Follow(lib.TR_FOLLOW_CODE, "syscalls", "sys_enter_exit_group", (("error_code", 8),))

_RECORDS = {START: FORK, EXIT: ENDED}


def is_process_event(event: str) -> bool:
    """True for the attach names that this module serves."""
    return event in KINDS


class ProcessEvents:
    """The process events of one perf source. Reads layouts when made; the rest follows the source's steps."""

    def __init__(self, root: Path) -> None:
        """Read the layouts of the tracepoints needed; `root` is the directory of tracefs.

        Raises:
            NotSupported: tracepoints cannot tell of processes here.
            NotPermitted: tracefs is closed to this user.
        """
        if not initial_pid_namespace():
            raise NotSupported(
                "process events from tracepoints",
                "this is a container with process ids of its own, and the kernel's records have the machine's",
            )
        self._root = root
        self._layouts = {follow: _read(root, follow) for follow in (FORK, EXEC, ENDED)}
        self._offsets = {follow: _offsets(follow, layout) for follow, layout in self._layouts.items()}
        self._followed: set[Follow] = set()
        self._wanted: list[str] = []
        self._seeded = False
        self._ended = False
        self._perf: Any = None
        self._tracker: Any = None

    def layouts(self, links: Sequence[LinkRequest]) -> dict[Follow, TracepointFormat]:
        """Return the tracepoints that must be open for these links.

        Raises:
            SourceError: a program reads more than the context has.
        """
        _check(links)
        if CODE not in self._layouts and any(link.event == EXIT for link in links):
            with contextlib.suppress(ConfigError):     # a kernel that traces no system calls: `_via` says so
                self._layouts[CODE] = read_format(self._root, CODE.category, CODE.event)
                self._offsets[CODE] = _offsets(CODE, self._layouts[CODE])
        return dict(self._layouts)

    def follow(self, perf: Any) -> None:
        """Make the tracker."""
        self._perf = perf
        self._tracker = lib.tr_perf_track(perf, time.time_ns() - time.monotonic_ns())
        if self._tracker == ffi.NULL:
            raise SourceError("perf", "no memory for process events")

    def link(self, links: Sequence[LinkRequest], number_of: Mapping[int, int]) -> None:
        """Set all links, and follow what is not yet; `number_of` has the core's number of a tracepoint's id."""
        for follow, layout in self._layouts.items():
            if follow not in self._followed:
                number = number_of[layout.id]
                if lib.tr_perf_follow(self._perf, number, follow.what, *self._offsets[follow]) < 0:
                    raise SourceError(layout.full_name, "its records have no room for the fields its layout names")
                self._followed.add(follow)
        native: Any = ffi.new("struct tr_link[]", len(links))
        for row, link in zip(native, links, strict=True):
            row.program, row.event, row.need = link.program, KINDS[link.event], link.need
        if lib.tr_processes_set_links(self._tracker, native, len(links)) < 0:
            raise SourceError("perf", f"no memory for {len(links)} links")
        self._wanted = list(dict.fromkeys([*self._wanted, *(link.event for link in links)]))

    def seed_once(self) -> None:
        """Name the users and remember the processes there are. After the events were started: none slips between."""
        if self._seeded:
            return
        self._seeded = True
        for uid, name in every_user():
            lib.tr_processes_user(self._tracker, uid, os.fsencode(name))
        for pid in process_ids():
            lib.tr_processes_seed(self._tracker, pid)
            self.step()

    def step(self) -> None:
        """Name the users that were missed. Belongs to the pumping thread."""
        while (uid := lib.tr_processes_missing_user(self._tracker)) >= 0:
            lib.tr_processes_user(self._tracker, uid, os.fsencode(user_name(uid)))

    def end(self) -> None:
        """Tell the starts that still wait for an exec: the tracker is to be forgotten."""
        self._ended = True
        lib.tr_processes_flush(self._tracker, time.monotonic_ns())

    def ledgers(self, open_now: Set[int]) -> dict[str, Ledger]:
        """Return the ledgers of the process events that were asked for; `open_now` are the tracepoints still open."""
        return {event: self._ledger(event, open_now) for event in self._wanted}

    def helpers(self) -> dict[str, int]:
        """Return the tracepoints (name, id) that `ledgers` do not count: their losses matter too."""
        counted = {_RECORDS[event] for event in self._wanted}
        return {layout.full_name: layout.id for follow, layout in self._layouts.items() if follow not in counted}

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return how many events a link's program has taken, and how many failed."""
        count: Any = ffi.new("uint32_t *")
        links = lib.tr_processes_links(self._tracker, count)
        return count_of(links, count[0], link, KINDS[link.event])

    def statistics(self) -> dict[str, int]:
        """Return what the tracker adds to `PerfCost`."""
        raw: Any = ffi.new("struct tr_processes_statistics *")
        lib.tr_processes_statistics(self._tracker, raw)
        return {"processes": raw.processes, "processes_evicted": raw.evicted, "starts_early": raw.early}

    def _ledger(self, event: str, open_now: Set[int]) -> Ledger:
        raw: Any = ffi.new("struct tr_ledger *")
        if lib.tr_perf_process_ledger(self._perf, KINDS[event], raw) < 0:
            raise RunError(event, "its counter cannot be read")
        found = ledger(raw, self._via(event))
        if self._ended and self._layouts[_RECORDS[event]].id in open_now:
            # Its tracepoint goes on for others: what is in the rings now becomes no process event any more.
            found = replace(found, produced=found.produced - found.missing)
        return found

    def _via(self, event: str) -> str:
        """Say where an event comes from, and what is not seen that way."""
        via = f"tracepoint {_RECORDS[event].name}"
        if event != EXIT:
            return via
        if CODE not in self._layouts:
            via += ", no exit codes (this kernel does not trace system calls)"
        if not self._offsets[ENDED][0]:
            via += ", a process ends with its first thread (before Linux 6.16)"
        return via


def _check(links: Sequence[LinkRequest]) -> None:
    have = ffi.sizeof("struct tr_process_context")
    for link in links:
        if link.need > have:
            raise SourceError(link.event, f"its program reads {link.need} bytes of the context, which has {have}")


def _read(root: Path, follow: Follow) -> TracepointFormat:
    try:
        return read_format(root, follow.category, follow.event)
    except ConfigError as error:
        raise NotSupported("process events from tracepoints", f"this kernel has no tracepoint {follow.name}") from error


def _offsets(follow: Follow, layout: TracepointFormat) -> tuple[int, int]:
    """Return the offsets of the fields; 0 for none.

    Raises:
        NotSupported: a field is missing or of another size than the tracker reads.
    """
    known = {field.name: field for field in layout.fields}
    found = [known[name].offset for name, size in follow.fields if name in known and known[name].size == size]
    if len(found) < len(follow.fields) and not follow.optional:
        raise NotSupported("process events from tracepoints", f"this kernel's {follow.name} has another layout")
    first, second, *_ = (*found, 0, 0)
    return first, second
