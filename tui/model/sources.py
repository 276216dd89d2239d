"""Events as rows with their balances, and what to do about each kind of loss."""

from __future__ import annotations

from collections.abc import Iterator

from tracerd.daemon.feed import LinkInfo, Look, SourceInfo
from tracerd.snapshot import Ledger
from tracerd.views.format import count, size
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen, bad
from tui.model.sheet import Sheet

FIELDS = (
    Field("event", key=True), Field("source"), Field("events/s", "count", rate=True),
    Field("lost/s", "count", alert=True), Field("lost", "count", alert=True), Field("dropped", "count", alert=True),
    Field("failed", "count", alert=True), Field("delivered", "count"), Field("filtered", "count"),
    Field("produced", "count"), Field("programs"), Field("via"),
)  # fmt: skip

PAGE_BYTES = 4096


def sources(seen: Seen) -> Sheet:
    """Return all events with their balances."""
    return sheet_of_rows("sources", FIELDS, _rows(seen))


def _rows(seen: Seen) -> Iterator[tuple[object, ...]]:
    moment, look = seen.moment, seen.look
    before = seen.before.ledger if seen.before is not None else {}
    for event, now in moment.ledger.items() if moment is not None else ():
        then = before.get(event, now)
        source = source_of(look, event)
        yield (
            event,
            source.name if source is not None else "",
            _rate(now.produced - then.produced, seen.seconds),
            _rate(bad(now) - bad(then), seen.seconds),
            now.lost,
            now.dropped_in_ring,
            now.failed,
            now.delivered,
            now.filtered,
            now.produced,
            ", ".join(f"{link.probe}/{link.name}" for link in links_on(look, event)),
            now.via,
        )


def source_of(look: Look | None, event: str) -> SourceInfo | None:
    """Return the source that an event comes from."""
    return next((each for each in (look.sources if look is not None else ()) if event in each.events), None)


def links_on(look: Look | None, event: str) -> list[LinkInfo]:
    """Return the links on an event."""
    return [each for each in (look.links if look is not None else ()) if each.source == event]


def advice(look: Look | None, event: str, ledger: Ledger) -> list[tuple[str, str]]:
    """Return each kind of loss of an event: how much and why, and the way out."""
    source = source_of(look, event)
    told = []
    if ledger.lost_in_kernel:
        told.append((f"{count(ledger.lost_in_kernel)} lost in the kernel: a ring was full", _larger_rings(source)))
    if ledger.lost_in_session:
        told.append(
            (
                f"{count(ledger.lost_in_session)} lost in the session: it says so itself",
                "give the session more or larger buffers, or enable fewer keywords; a recording has them not",
            )
        )
    if ledger.dropped_in_ring:
        told.append(
            (
                f"{count(ledger.dropped_in_ring)} dropped: their records were damaged or of no known form",
                "tracerd doctor tells whether this kernel's event formats can be read; please report it if it says yes",
            )
        )
    if ledger.failed:
        told.append(
            (
                f"{count(ledger.failed)} failed: a program was aborted, or the record is shorter than its context",
                "2 Programs shows which is aborted; a loop without a proved bound needs a smaller bound",
            )
        )
    if source is not None and source.failure:
        told.append((f"the source is closed: {source.failure}", "it is opened again every ten seconds"))
    return told


def buffers(source: SourceInfo) -> str:
    """Return in words how a source is read."""
    if not source.buffers:
        return f"{source.name}: no ring between it and us; nothing can be lost there"
    return f"{source.name}: {source.buffers} rings of {size(source.buffer_bytes)}, one for each CPU"


def _larger_rings(source: SourceInfo | None) -> str:
    if source is None or not source.buffer_bytes:
        return "attach to fewer events, or to narrower ones"
    pages = source.buffer_bytes // PAGE_BYTES
    return (
        f"a ring holds {size(source.buffer_bytes)} now: in tracerd.toml write [sources.perf] pages = {pages * 2} "
        "and restart the daemon; or attach to fewer events (d detaches)"
    )


def _rate(change: int, seconds: float) -> int:
    return round(max(change, 0) / seconds) if seconds > 0 else 0
