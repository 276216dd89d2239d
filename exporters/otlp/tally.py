"""What became of the items of one signal, counted; and the few lines about it that the log gets."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import replace

from exporters.otlp.outcome import Accepted
from exporters.otlp.request import Request
from exporters.otlp.spool import Numbers
from exporters.otlp.statistics import SignalStatistics
from exporters.otlp.target import Target

LOG = logging.getLogger("tracerd.export")


class Tally:
    """Thread-safe. A target that fails is told once, and once when it works again."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._now = SignalStatistics()
        self._dropped: Counter[str] = Counter()
        self._rejecting = False
        self._spool_works = True

    def drop(self, cause: str, request: Request) -> None:
        """Count a request's items as lost."""
        with self._lock:
            self._dropped[cause] += request.items

    def accepted(self, request: Request, outcome: Accepted) -> None:
        """Count a request that the collector has, and tell if it works again or begins to reject."""
        rejected = min(outcome.rejected, request.items)
        with self._lock:
            before = self._now
            self._now = replace(
                before,
                failing=0,
                requests_sent=before.requests_sent + 1,
                items_sent=before.items_sent + request.items - rejected,
                items_rejected=before.items_rejected + rejected,
            )
        if rejected or outcome.message:
            told = f"{rejected} of {request.items} items rejected" if rejected else "accepted with a remark"
            self._say(f"{told}: {outcome.message}", warn=rejected > 0 and not self._rejecting)
        self._rejecting = rejected > 0
        if before.failing:
            LOG.info("works again: %s", self.sentence(f"{before.failing} tries failed"))

    def failed(self, why: str, *, again: bool) -> None:
        """Count a try that failed, `again` if the same request is tried once more."""
        with self._lock:
            failing = self._now.failing + 1
            self._now = replace(self._now, failing=failing, retries=self._now.retries + again)
        self._say(f"{why}; tried again" if again else f"{why}; dropped", warn=failing == 1)

    def spool_failed(self, why: str) -> None:
        """Count that the disk did not take or give a request, and tell it unless the last one did not either."""
        with self._lock:
            self._now = replace(self._now, spool_failures=self._now.spool_failures + 1, last_error=why)
        if self._spool_works:
            LOG.warning("requests stay in memory: %s", why)
        self._spool_works = False

    def spool_worked(self) -> None:
        """The next failure of the disk is told again."""
        self._spool_works = True

    def remark(self, why: str) -> None:
        """Keep a sentence as the last error."""
        self._say(why, warn=False)

    def sentence(self, what: str) -> str:
        """Return it with what it is about in front."""
        return f"{self._target.signal} to {self._target.shown}: {what}"

    def statistics(self, queued_items: int, queued_bytes: int, spool: Numbers | None) -> SignalStatistics:
        """Return all numbers of the signal."""
        with self._lock:
            now, dropped = self._now, Counter(self._dropped)
        spool = spool or Numbers()
        return replace(
            now,
            items_dropped=dict(dropped + spool.dropped),
            items_found=spool.found,
            queued_items=queued_items,
            queued_bytes=queued_bytes,
            spooled_items=spool.items,
            spooled_bytes=spool.bytes,
            spool_works=self._spool_works,
        )

    def _say(self, what: str, *, warn: bool) -> None:
        with self._lock:
            self._now = replace(self._now, last_error=self.sentence(what))
        if warn:
            LOG.warning("export: %s", self.sentence(what))
