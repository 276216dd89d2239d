"""Events as rows with their balances, and what to do about each kind of loss."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from tracerd.daemon.feed import LinkInfo, Look, SourceInfo
from tracerd.snapshot import Ledger
from tracerd.text import printable
from tracerd.views.format import count, counted, size
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen, bad
from tui.model.sheet import Sheet

FIELDS = (
    Field("event", key=True), Field("source"), Field("events/s", "count", rate=True),
    Field("lost/s", "count", alert=True), Field("lost", "count", alert=True), Field("dropped", "count", alert=True),
    Field("failed", "count", alert=True), Field("delivered", "count"), Field("filtered", "count"),
    Field("produced", "count"), Field("programs"), Field("via"),
)  # fmt: skip

DETACHED = "none now"
"""Who runs on an event whose last link was detached: what it counted stays in the balance."""

PAGE_BYTES = 4096
DEFAULT_PAGES, MOST_PAGES = 2048, 1 << 14
"""Of a ring: what a daemon takes unless it is told, and the most that is advised, 64 MiB a CPU."""

RECENT_NS = 10 * 10**9
"""A loss that is older is told as one of before."""


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
            ", ".join(f"{link.probe}/{link.name}" for link in links_on(look, event)) or DETACHED,
            now.via,
        )


def source_of(look: Look | None, event: str) -> SourceInfo | None:
    """Return the source that an event comes from."""
    return next((each for each in (look.sources if look is not None else ()) if event in each.events), None)


def links_on(look: Look | None, event: str) -> list[LinkInfo]:
    """Return the links on an event."""
    return [each for each in (look.links if look is not None else ()) if each.source == event]


def since_lost(seen: Seen, event: str) -> str:
    """Return in words how long ago an event lost something last; "" while it goes on."""
    if seen.moment is None:
        return ""
    at = seen.lost_at.get(event)
    if at is None:
        return "none since this dashboard began"
    quiet = seen.moment.taken_ns - at
    return f"none for {_roughly(quiet)}" if quiet >= RECENT_NS else ""


def _roughly(ns: int) -> str:
    seconds = ns // 10**9
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"


def advice(look: Look | None, event: str, ledger: Ledger) -> list[tuple[str, str]]:
    """Return each kind of loss of an event: how much and why, and the way out."""
    source = source_of(look, event)
    told = []
    if ledger.lost_in_kernel:
        way_out = _larger_rings(look, source, ledger)
        told.append((f"{count(ledger.lost_in_kernel)} lost in the kernel: a ring was full", way_out))
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


def pages_for(pages: int, ledger: Ledger) -> int:
    """Return how many pages a ring should have that lost so much with `pages`: a power of two.

    Twice as many at least, and no fewer than a daemon takes by itself. A ring that kept only a part of what came while
    it was not read needs to be larger by as much: a tenth kept, ten times.
    """
    kept = max(1 - ledger.lost_in_kernel / max(ledger.produced, 1), 1 / MOST_PAGES)
    wanted = max(DEFAULT_PAGES, 2 * pages, ceil(pages / kept))
    return min(1 << (wanted - 1).bit_length(), MOST_PAGES)


def _larger_rings(look: Look | None, source: SourceInfo | None, ledger: Ledger) -> str:
    pages = source.buffer_bytes // PAGE_BYTES if source is not None else 0
    wanted = pages_for(pages, ledger)
    if not pages or wanted <= pages:
        return "attach to fewer events, or to narrower ones (d detaches)"
    if look is None or not look.config:
        how = "let a daemon do it, which has 2,048 unless it is told (tracerd serve), or tracerd run --pages {}"
    else:
        how = f"write sources.perf.pages = {{}} into {printable(look.config)} and restart the daemon"
    now = f"a ring has {counted(pages, 'page')} ({size(pages * PAGE_BYTES)} a CPU) now"
    return f"{now}: {how.format(wanted)}; or attach to fewer events (d detaches)"


def _rate(change: int, seconds: float) -> int:
    return round(max(change, 0) / seconds) if seconds > 0 else 0
