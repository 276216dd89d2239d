"""What is wrong, and what to do about it: from the daemon's own reasons and from what moments count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tracerd.views.format import count
from tui.model.seen import Seen, bad, totals
from tui.model.sources import since_lost

SCREENS = {"map": "maps", "probe": "programs", "source": "sources", "exporter": "exports"}
"""Where a reason is looked into, by the word it begins with."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One sentence. `screen` is where to look, "" where there is nothing more to see; `bad` or only worth knowing."""

    text: str
    screen: str = ""
    bad: bool = True


def alerts(seen: Seen) -> list[Alert]:
    """Return everything that is wrong now, the worst first."""
    return [*_away(seen), *_losses(seen), *_reasons(seen), *_aborted(seen), *_rings(seen), *_maps(seen), *_notes(seen)]


def _away(seen: Seen) -> Iterator[Alert]:
    if seen.state == "away":
        yield Alert(f"no daemon answers ({seen.reason}); what is shown is old, and it is tried again every second")
    elif seen.state == "starting" and seen.reason:
        yield Alert(seen.reason)


def _losses(seen: Seen) -> Iterator[Alert]:
    if seen.moment is None:
        return
    now, produced = bad(totals(seen.moment)), totals(seen.moment).produced
    if now:
        before = bad(totals(seen.before)) if seen.before is not None and seen.seconds > 0 else now
        still = f", {count((now - before) / seen.seconds)} a second now" if now > before else f", {_quiet(seen)}"
        share = now / max(produced, 1)
        yield Alert(
            f"{count(now)} of {count(produced)} events ({share:.2%}) never ran a program to its end{still}",
            "sources",
            bad=now > before,
        )


def _quiet(seen: Seen) -> str:
    """Return since when nothing was lost."""
    lost = [event for event in seen.moment.ledger if event in seen.lost_at] if seen.moment is not None else []
    return since_lost(seen, max(lost, key=lambda event: seen.lost_at[event], default="")) or "none just now"


def _reasons(seen: Seen) -> Iterator[Alert]:
    for reason in seen.look.reasons if seen.look is not None else ():
        yield Alert(reason, SCREENS.get(reason.partition(" ")[0], ""))


def _aborted(seen: Seen) -> Iterator[Alert]:
    for each in seen.moment.programs if seen.moment is not None else ():
        if each.aborted:
            ran = seen.runtime(each.probe, each.name)
            yield Alert(
                f"program {each.probe}/{each.name}: {count(each.aborted)} of {count(each.runs)} runs were aborted: "
                "a loop without a proved bound ran out of fuel",
                "programs",
                bad=ran is not None and ran.aborted_rate > 0,
            )


def _rings(seen: Seen) -> Iterator[Alert]:
    for probe in seen.moment.probes.values() if seen.moment is not None else ():
        for ring in probe.rings.values():
            if ring.dropped:
                yield Alert(
                    f"ring buffer {probe.name}/{ring.name}: {count(ring.dropped)} records found no room; raise its "
                    "max_entries, or send fewer",
                    "events",
                )


def _maps(seen: Seen) -> Iterator[Alert]:
    """Yield maps that were full before: what they refused is missing in what they count."""
    for info in seen.look.maps if seen.look is not None else ():
        if info.refused and info.kind != "ringbuf" and info.entries < info.max_entries:
            name = f"{info.probe}/{info.name}"
            text = f"map {name} was full before: {count(info.refused)} updates are missing in its counts"
            yield Alert(text, "maps", bad=False)


def _notes(seen: Seen) -> Iterator[Alert]:
    for note in seen.look.notes if seen.look is not None else ():
        yield Alert(note, bad=False)
