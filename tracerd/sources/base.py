"""The one interface of every event source, and what a link to it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tracerd.snapshot import LEDGER_COUNTS, Ledger


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """Run a program on every event of that name.

    `program` is the native `struct tr_program *`; it outlives the source. `need` is the number of context bytes the
    program may read (its certificate's `context_bytes`). `fields` says that it asks for fields of ETW events, which
    needs their schemas.
    """

    event: str           # "tracepoint:sched:sched_process_exec", "etl:FILE:PROVIDER:EVENT" …
    program: Any
    need: int
    fields: bool = False


@dataclass(frozen=True, slots=True)
class Buffers:
    """The rings between the kernel and a source: how many, and of how many bytes each. None: it reads by itself."""

    count: int = 0
    bytes: int = 0


Pause = Callable[[Callable[[], None]], None]
"""Calls a function between two turns of a source's pump, and returns when it is done. What it raises, this raises."""


class EventSource(Protocol):
    """Opened once, pumped by one thread, counted always."""

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links and start the events.

        Raises:
            NotPermitted: the operating system refuses; nothing stays open.
            SourceError: an event is unknown or too small for its program; nothing stays open.
        """

    def pump(self, timeout_ms: int) -> int:
        """Deliver what is there, waiting up to `timeout_ms` for it, inside one native call without the GIL.

        Returns the number of events taken (delivered, filtered or failed), or -1 when the source has come to its end.
        """

    def stop(self) -> None:
        """Stop the events and deliver what is already in the buffers, so that the ledger balances."""

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines. From the pumping thread, between pumps."""

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the ledger of each event, by its full name."""

    def close(self) -> None:
        """Release everything. May be called twice."""


class Relink(Protocol):
    """Another set of links for a live source, prepared: all that can fail has been done and nothing has changed yet."""

    def make(self, pause: Pause) -> None:
        """Exchange the links between two turns of the pump. Links that stay lose no event and keep their counts."""

    def finish(self, pause: Pause) -> None:
        """Deliver what was let in for links that are gone, and close what only they needed."""

    def abandon(self) -> None:
        """Leave everything as it was, instead of `make`."""


class LiveSource(EventSource, Protocol):
    """A source of this machine's events, whose links may change while it is pumped."""

    def relink(self, links: Sequence[LinkRequest], pause: Pause) -> Relink:
        """Prepare all the links that the source is to have. From the thread that controls it, beside the pump.

        Raises:
            ConfigError, NotPermitted, NotSupported, SourceError: one of them cannot be made; nothing has changed.
        """

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return how many events a link's program has taken, and how many failed; zeros for a link it does not have."""

    def buffers(self) -> Buffers:
        """Return its rings. From any thread while it is open, as the next one."""

    def unprinted(self) -> int:
        """Return how many lines of bpf_trace_printk have found no room until `printed` was called, so far."""

    def wake(self) -> None:
        """Make a pump in another thread return soon."""


def count_of(links: Any, count: int, link: LinkRequest, event: int) -> tuple[int, int]:
    """Find a link's counts among native `struct tr_link`s."""
    for at in range(count):
        if links[at].program == link.program and links[at].event == event:
            return int(links[at].delivered), int(links[at].failed)
    return 0, 0


def ledger(raw: Any, via: str = "") -> Ledger:
    """Return what a native `struct tr_ledger` says."""
    return Ledger(**{name: int(getattr(raw, name)) for name in LEDGER_COUNTS}, via=via)
