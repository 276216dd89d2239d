"""The one interface of every event source, and what a link to it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tracerd.snapshot import LEDGER_COUNTS, Ledger


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """Run a program on every event of that name.

    `program` is the native `struct tr_program *`; it outlives the source. `need` is the number of context bytes the
    program may read (its certificate's `context_bytes`).
    """

    event: str           # "tracepoint:sched:sched_process_exec", "etl:FILE:PROVIDER:EVENT" …
    program: Any
    need: int


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


def ledger(raw: Any, via: str = "") -> Ledger:
    """Return what a native `struct tr_ledger` says."""
    return Ledger(**{name: int(getattr(raw, name)) for name in LEDGER_COUNTS}, via=via)
