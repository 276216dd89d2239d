"""What the first screen says: is all well, what is wrong, and the table most people want to see first."""

from __future__ import annotations

from tracerd.snapshot import Table
from tracerd.views.format import counted
from tui.model.alerts import alerts
from tui.model.seen import Seen

NUMBERS = {"programs": 2, "maps": 3, "events": 4, "sources": 5, "verifier": 6, "exports": 7}
"""The key of each screen, for who reads that something is wrong there."""


def wrong(seen: Seen) -> list[tuple[str, str]]:
    """Return what is wrong as facts: what to press, and what it is; or that all is well."""
    if seen.look is None:
        return [("◌", seen.reason or "starting: programs are being proved and attached")]
    found = [
        (f"{'!' if each.bad else '·'} {NUMBERS[each.screen]} {each.screen.capitalize()}" if each.screen
         else "!" if each.bad else "·", each.text)
        for each in alerts(seen)
    ]  # fmt: skip
    return found or [("✓", f"all is well: {_what_runs(seen)}, nothing was lost, nothing fails")]


def _what_runs(seen: Seen) -> str:
    look = seen.look
    if look is None or not look.programs:
        return "nothing runs (tracerd prog load PROBE loads one)"
    return f"{counted(len(look.programs), 'proved program')} on {counted(len(look.links), 'event')}"


def first_table(seen: Seen) -> tuple[str, Table] | None:
    """Return the table to show first and its probe: the first that tells a rate, else the first that has rows."""
    if seen.moment is None:
        return None
    found = [(probe.name, table) for probe in seen.moment.probes.values() for table in probe.tables.values()]
    rated = [each for each in found if len(each[1]) and any(meaning.rate for meaning in each[1].meanings.values())]
    filled = [each for each in found if len(each[1])]
    return next(iter(rated or filled or found), None)
