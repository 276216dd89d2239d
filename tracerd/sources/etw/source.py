"""The event source of live ETW. Programs run in the callback, on the threads that are inside ProcessTrace, but only
while the pump is inside a turn: it opens the gate, waits, polls what Windows has lost, and notices when a session has
died.

Two sessions mean two such threads. The core lets one event through at a time, so events of one CPU never run at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources import base
from tracerd.sources.base import LinkRequest, Pause, count_of, ledger
from tracerd.sources.etl_names import EtwMatch, parse_name
from tracerd.sources.etw import clock
from tracerd.sources.etw.api import Api, load
from tracerd.sources.etw.buffers import Buffers, for_cpus, session_ledger
from tracerd.sources.etw.plan import Plan, both
from tracerd.sources.etw.plan import plan as plan_of
from tracerd.sources.etw.relink import EtwRelink
from tracerd.sources.etw.session import Reader
from tracerd.sources.etw.sessions import Sessions
from tracerd.sources.etw.tdh import registered_here
from tracerd.sources.etw.tdh_names import Registered
from tracerd.sources.etw_matcher import EtwMatcher
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.ticks import PRINT_BYTES, new_run

POLL_SECONDS = 1.0
_SESSION = "etw-session:"


@dataclass(frozen=True, slots=True)
class EtwOptions:
    """How live events of Windows are taken."""

    profile: str | None = None           # whose keywords and levels whole providers get
    buffers: Buffers | None = None       # None: by the number of CPUs
    include_self: bool = False


class EtwSource:
    """Live ETW events. `cpus`: slots of per-CPU maps. Programs that ask for fields find them by `schemas`, or by those
    that are shipped or registered on this machine.
    """

    def __init__(self, options: EtwOptions, cpus: int, schemas: Catalog | None = None) -> None:
        self.options = options
        self.cpus = cpus
        self._schemas = schemas
        self._sizes = options.buffers or for_cpus(cpus)
        self._run, self._print_buffer = new_run(seed=1)
        self._ignored = set() if options.include_self else {os.getpid()}
        self._parse: Callable[[str], EtwMatch] = parse_name
        self._live: Any = None
        self._matcher: EtwMatcher | None = None
        self._sessions: Sessions | None = None
        self.plan = Plan()                       # what Windows lets in now
        self._past: dict[str, Ledger] = {}       # of names that are linked no more
        self._woken = threading.Event()
        self._poll_due = 0.0
        self._taken = 0

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links, start the sessions that they need and let the events in.

        Raises:
            ConfigError: there is no such provider or event.
            NotSupported: this is not Windows.
            NotPermitted: Windows refuses this user.
            SourceError: Windows has no room, or a program reads more than an event has. Nothing stays open.
        """
        api = load()
        self._parse = Registered(api).parse
        self._schemas = self._schemas or Catalog(more=registered_here())
        try:
            self._begin(api)
            change = self.relink(links, _at_once)
            change.make(_at_once)
            change.finish(_at_once)
        except BaseException:
            self.close()
            raise

    def relink(self, links: Sequence[LinkRequest], pause: Pause) -> EtwRelink:  # noqa: ARG002  the protocol's
        """Prepare other links: what they need beside what there is comes already, and is filtered until then.

        Raises:
            As `open`; nothing has changed then.
        """
        wanted = plan_of([link.event for link in links], self.options.profile, self._parse)
        matcher = EtwMatcher("etw", links, catalog=self._schemas, parse=self._parse)
        try:
            self.apply(both(self.plan, wanted))
        except BaseException:
            matcher.close()
            self.apply(self.plan)
            raise
        return EtwRelink(self, matcher, wanted)

    def apply(self, wanted: Plan) -> None:
        """Have Windows let in what a plan says and no more.

        Raises:
            NotPermitted, SourceError: it refuses.
        """
        self._open_sessions.apply(wanted)

    def exchange(self, matcher: EtwMatcher, wanted: Plan) -> None:
        """Run the links of another matcher from the next event on; what it has in common goes on counting."""
        before = self._open_matcher
        for name, last in self._named().items():
            if name not in matcher.names:
                self._past[name] = last
        numbers = [before.names.get(name, -1) for name in matcher.names]
        lib.tr_etw_live_exchange(self._live, matcher.native, ffi.new("int32_t[]", numbers or [-1]))
        before.close()
        self._matcher, self.plan = matcher, wanted

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return what a link's program has taken, and how often it failed."""
        matcher = self._open_matcher
        count: Any = ffi.new("uint32_t *")
        links = lib.tr_etw_links(matcher.native, count)
        return count_of(links, count[0], link, matcher.names.get(link.event, -1))

    def pump(self, timeout_ms: int) -> int:
        """Wait, at most that long: events are taken meanwhile. Returns how many since the last time.

        Raises:
            SourceError: a session has died.
        """
        lib.tr_etw_live_gate(self._opened, 1)
        if self._woken.wait(timeout_ms / 1000):
            self._woken.clear()
        lib.tr_etw_live_gate(self._opened, 0)
        if time.monotonic() >= self._poll_due:
            self._poll_due = time.monotonic() + POLL_SECONDS
            self._open_sessions.poll()
        before, self._taken = self._taken, int(self._counts().taken)
        return self._taken - before

    def wake(self) -> None:
        """Make a pump in another thread return now, or the next one at once."""
        self._woken.set()

    def stop(self) -> None:
        """Stop the sessions and deliver what is in their buffers. May be called twice.

        Raises:
            NotPermitted, SourceError: one could not be stopped.
        """
        if self._sessions is not None:
            lib.tr_etw_live_gate(self._opened, 1)
            try:
                self._sessions.stop()
            finally:
                lib.tr_etw_live_gate(self._opened, 0)

    def ignore(self, pid: int) -> None:
        """Count the events of another process of ours as filtered. At any time, from any thread.

        Raises:
            SourceError: it would be one too many.
        """
        if self.options.include_self:
            return
        self._ignored.add(pid)
        if self._live is not None:
            self._ignore_now(pid)

    def forget(self, pid: int) -> None:
        """Take back `ignore`, for a process that has ended: its id may become another's."""
        self._ignored.discard(pid)
        if self._live is not None:
            lib.tr_etw_live_ignore(self._live, pid, 0)

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines."""
        text: Any = ffi.new("char[]", PRINT_BYTES)
        size = lib.tr_etw_live_printed(self._live, text, PRINT_BYTES) if self._live is not None else 0
        return bytes(ffi.buffer(text, size))

    def unprinted(self) -> int:
        """Return how many lines found no room in the buffer that `printed` empties."""
        return int(self._run.print_dropped)

    def buffers(self) -> base.Buffers:
        """Return the buffers of the sessions, as Windows last counted them."""
        return base.Buffers(self._open_sessions.buffer_count, self._sizes.kilobytes << 10)

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the ledger of each name, and that of each session for what no name is charged with.

        A session's row has the events that Windows says it lost, one drop for every buffer that it lost (how many
        events were in it nobody knows; `via` says so), as filtered the events that no name wanted, as failed those
        without sense.
        """
        ledgers = dict(self._past)
        for name, now in self._named().items():
            ledgers[name] = now + ledgers[name] if name in ledgers else now
        counts = self._counts()
        unmatched, failed = int(counts.unmatched), int(counts.failed)
        rest = Ledger(unmatched + failed, 0, filtered=unmatched, failed=failed)
        unknown, unread = self._open_sessions.unknown(), self._open_matcher.unread()
        for name, lost in self._open_sessions.losses().items():
            ledgers[_SESSION + name] = session_ledger(lost, rest, unknown.get(name, ""), unread)
            rest, unread = Ledger(0, 0), ""
        return ledgers

    def close(self) -> None:
        """Release everything. May be called twice."""
        sessions, self._sessions = self._sessions, None
        try:
            if sessions is not None:
                lib.tr_etw_live_gate(self._live, 1)
                sessions.stop()
        finally:
            if sessions is not None:
                lib.tr_etw_live_gate(self._live, 0)
                sessions.close()
            self._release(stuck=sessions is not None and sessions.stuck)

    def _begin(self, api: Api) -> None:
        """Make what the callback needs, with nothing linked yet."""
        anchor = clock.read(api)
        options = {
            "clock": clock.CLOCK_QPC, "cpus": self.cpus, "frequency": anchor.frequency, "ticks": anchor.ticks,
            "filetime": anchor.filetime, "monotonic_ns": anchor.monotonic_ns,
        }
        self._matcher = EtwMatcher("etw", ())
        live = lib.tr_etw_live_new(ffi.new("struct tr_etw_live_options *", options), self._matcher.native, self._run)
        if live == ffi.NULL:
            raise SourceError("etw", "no memory for a session")
        self._live = live
        for pid in self._ignored:
            self._ignore_now(pid)
        reader = Reader(int(ffi.cast("uintptr_t", lib.tr_etw_live_callback())), int(ffi.cast("uintptr_t", live)))
        self._sessions = Sessions(api, self._sizes, reader)

    def _release(self, *, stuck: bool) -> None:
        """Free what the callback uses. What a thread that did not end may still use is kept for ever."""
        if stuck:
            _KEPT.append((self._live, self._matcher, self._run, self._print_buffer))
        else:
            if self._live is not None:
                lib.tr_etw_live_free(self._live)
            if self._matcher is not None:
                self._matcher.close()
        self._live = self._matcher = None

    def _ignore_now(self, pid: int) -> None:
        if lib.tr_etw_live_ignore(self._live, pid, 1) < 0:
            raise SourceError("etw", "too many processes of tracerd's own to leave out")

    def _named(self) -> dict[str, Ledger]:
        raw: Any = ffi.new("struct tr_ledger *")
        ledgers = {}
        for name, number in self._open_matcher.names.items():
            lib.tr_etw_live_ledger(self._live, number, raw)
            ledgers[name] = ledger(raw)
        return ledgers

    def _counts(self) -> Any:
        counts: Any = ffi.new("struct tr_etw_live_counts *")
        if self._live is not None:
            lib.tr_etw_live_counts(self._live, counts)
        return counts

    @property
    def _opened(self) -> Any:
        if self._live is None:
            raise SourceError("etw", "is not open")
        return self._live

    @property
    def _open_sessions(self) -> Sessions:
        if self._sessions is None:
            raise SourceError("etw", "is not open")
        return self._sessions

    @property
    def _open_matcher(self) -> EtwMatcher:
        if self._matcher is None:
            raise SourceError("etw", "is not open")
        return self._matcher


_KEPT: list[object] = []
"""What threads of Windows may still use that did not end."""


def _at_once(work: Callable[[], None]) -> None:
    work()
