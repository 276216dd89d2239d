"""Events as rows with their balances, and what to do about each kind of loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from mmap import PAGESIZE

from tracerd.daemon.feed import LinkInfo, Look, SourceInfo
from tracerd.snapshot import HELPING, Ledger
from tracerd.views.format import count, counted, size
from tracerd.views.losses import pages_for
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen, bad
from tui.model.sheet import Sheet

FIELDS = (
    Field("event", key=True), Field("source"), Field("events/s", "count", rate=True),
    Field("lost/s", "count", alert=True), Field("lost", "count", alert=True), Field("dropped", "count", alert=True),
    Field("failed", "count", alert=True), Field("delivered", "count"), Field("filtered", "count"),
    Field("produced", "count"), Field("programs"), Field("via"),
)  # fmt: skip

CALM = tuple(replace(each, alert=False) for each in FIELDS)
"""The same while nothing is lost: what was lost before is no news."""

DETACHED = "none now"
"""Who runs on an event whose last link was detached: what it counted stays in the balance."""

RECENT_NS = 10 * 10**9
"""A loss that is older is told as one of before."""


def sources(seen: Seen) -> Sheet:
    """Return all events with their balances."""
    events = seen.moment.ledger if seen.moment is not None else {}
    fields = FIELDS if any(since_lost(seen, event) == "" for event in events) else CALM
    return sheet_of_rows("sources", fields, _rows(seen))


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
            ", ".join(f"{link.probe}/{link.name}" for link in links_on(look, event)) or _nobody(seen, event, now),
            now.via,
        )


def source_of(look: Look | None, event: str) -> SourceInfo | None:
    """Return the source that an event comes from."""
    return next((each for each in (look.sources if look is not None else ()) if event in each.events), None)


def links_on(look: Look | None, event: str) -> list[LinkInfo]:
    """Return the links on an event."""
    return [each for each in (look.links if look is not None else ()) if each.source == event]


def detached_from(seen: Seen, event: str) -> list[tuple[str, str]]:
    """Return the programs that ran on an event and were detached while this dashboard looked, and how long ago."""
    now = seen.moment.taken_ns if seen.moment is not None else 0
    return [(name, f"{_roughly(now - at)} ago") for (on, name), at in seen.detached.items() if on == event]


def helps(ledger: Ledger) -> bool:
    """True for events that no program asked for: others are told from them, as `via` says."""
    return ledger.via == HELPING


def _nobody(seen: Seen, event: str, ledger: Ledger) -> str:
    gone = detached_from(seen, event)
    return "" if helps(ledger) else f"{DETACHED}, detached {gone[-1][1]}" if gone else DETACHED


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
    """Return each kind of loss of an event: how much and why, and the way out, which may have several lines."""
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


def _larger_rings(look: Look | None, source: SourceInfo | None, ledger: Ledger) -> str:
    """Return what to write, alone on a line so that it can be copied, and below it where."""
    pages = source.buffer_bytes // PAGESIZE if source is not None else 0
    wanted = pages_for(pages, [ledger]) if pages else 0
    if wanted <= pages:
        return "attach to fewer events, or to narrower ones (d detaches)"
    key = f"pages = {wanted}  # under [sources.perf]"
    if look is not None and look.config:
        how = f"{key}\nin {look.config} (take out another pages there), then restart the daemon"
    else:
        how = f"tracerd run --pages {wanted}\nor sources.perf.pages in a daemon's tracerd.toml (tracerd serve)"
    now = f"a ring has {counted(pages, 'page')} now, {size(pages * PAGESIZE)} a CPU"
    return f"{how}; {now}. Or attach to fewer events (d detaches)"


def _rate(change: int, seconds: float) -> int:
    return round(max(change, 0) / seconds) if seconds > 0 else 0
