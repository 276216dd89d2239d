"""A poll's events as one batch (native/border/batch.h), and the core's feed that runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, count_of, ledger
from tracerd.sources.system.layouts import NET, PROCESS, SAMPLE, Rows, native

Words = npt.NDArray[np.uint64]

CONTEXTS = {
    "process:start": PROCESS,
    "process:exit": PROCESS,
    "process:sample": PROCESS,
    "net:open": NET,
    "net:close": NET,
    "system:sample": SAMPLE,
}
"""What each event's context is."""


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one name, in order. `payloads` (only of processes) are padded with zeros to multiples of 8; their true
    lengths are in the events' headers.
    """

    name: str
    rows: Rows
    payloads: Sequence[bytes] = ()


class Feed:
    """The native feed, for the names that are linked."""

    def __init__(self, links: Sequence[LinkRequest], cpus: int) -> None:
        """Make the links.

        Raises:
            SourceError: an event is none of this source, or has less context than its program may read.
        """
        self._native: Any = lib.tr_feed_new(cpus)
        self._numbers: dict[str, int] = {}
        self._names: frozenset[str] = frozenset()
        try:
            check(links)
            self.link(links)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> frozenset[str]:
        """The names that are linked now."""
        return self._names

    @property
    def known(self) -> frozenset[str]:
        """The names that were ever linked: all have a ledger."""
        return frozenset(self._numbers)

    def words(self, parts: Sequence[Events]) -> Words:
        """Return the events of linked names as a batch."""
        made = [_words(part, self._numbers[part.name]) for part in parts if part.name in self._names]
        return np.concatenate(made) if made else np.zeros(0, np.uint64)

    def run(self, batch: Words, run: Any) -> int:
        """Run the programs of a batch in one native call; returns the number of events.

        Raises:
            SourceError: the batch makes no sense, which is a defect of ours.
        """
        before = self._produced()
        sound = lib.tr_feed_run(self._native, native("uint64_t[]", batch), batch.nbytes, run)
        if sound != batch.nbytes:
            raise SourceError("system", f"made a batch that makes no sense at byte {sound} of {batch.nbytes}")
        return self._produced() - before

    def ledger(self, name: str, via: str) -> Ledger:
        """Return the balance of a linked name."""
        raw: Any = ffi.new("struct tr_ledger *")
        lib.tr_feed_ledger(self._native, self._numbers[name], raw)
        return ledger(raw, via)

    def close(self) -> None:
        """Release it. May be called twice."""
        if self._native is not None:
            lib.tr_feed_free(self._native)
            self._native = None

    def link(self, links: Sequence[LinkRequest]) -> None:
        """Set all links, which were checked; those that were there before go on with their counts."""
        for name in dict.fromkeys(link.event for link in links):
            if name not in self._numbers:
                self._numbers[name] = self._declare(name)
        native: Any = ffi.new("struct tr_link[]", len(links))
        for row, link in zip(native, links, strict=True):
            row.program, row.event, row.need = link.program, self._numbers[link.event], link.need
        if lib.tr_feed_set_links(self._native, native, len(links)) < 0:
            raise SourceError("system", "no memory for its links")
        self._names = frozenset(link.event for link in links)

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return how many events a link's program has taken, and how many failed."""
        count: Any = ffi.new("uint32_t *")
        links = lib.tr_feed_links(self._native, count)
        number = self._numbers.get(link.event)
        return count_of(links, count[0], link, number) if number is not None else (0, 0)

    def _declare(self, name: str) -> int:
        kind = CONTEXTS[name]
        return int(lib.tr_feed_add_event(self._native, kind["context"].itemsize, kind is PROCESS))

    def _produced(self) -> int:
        return sum(self.ledger(name, "").produced for name in self._numbers)


def check(links: Sequence[LinkRequest]) -> None:
    """See to it that every link can be made.

    Raises:
        SourceError: an event is none of this source, or has less context than its program may read.
    """
    for link in links:
        if link.event not in CONTEXTS:
            raise SourceError(link.event, f"is no event of this source; valid: {', '.join(CONTEXTS)}")
        have = CONTEXTS[link.event]["context"].itemsize
        if link.need > have:
            raise SourceError(link.event, f"the program reads {link.need} bytes of context, the event has {have}")


def _words(events: Events, number: int) -> Words:
    events.rows["head"]["event"] = number
    fixed = events.rows.view(np.uint64).reshape(len(events.rows), events.rows.itemsize // 8)
    return _spread(fixed, events) if events.payloads else fixed.reshape(-1)


def _spread(fixed: Words, events: Events) -> Words:
    """Lay each payload behind its event: what the events leave free is the payloads, one after the other."""
    payload = (events.rows["head"]["payload"].astype(np.int64) + 7) // 8
    ends = np.cumsum(payload + fixed.shape[1])
    places = (ends - payload - fixed.shape[1])[:, None] + np.arange(fixed.shape[1])
    words = np.empty(int(ends[-1]), np.uint64)
    free = np.ones(len(words), np.bool_)
    free[places] = False
    words[places] = fixed
    words[free] = np.frombuffer(b"".join(events.payloads), np.uint64)
    return words
