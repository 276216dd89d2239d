"""What stands below all tables: rings, full maps, what it cost, the ledger and how the events came."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from tracerd.cli.output import printable
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.snapshot import Ledger
from tracerd.views.format import count, counted, duration
from tracerd.views.losses import pages_for

SHOWN_BYTES = 32
"""Of a ring's last record."""


def footer(snapshot: SessionSnapshot, *, brief: bool = False, pages: int = 0) -> list[Text]:
    """Return the lines; `brief`, for a live screen, leaves out ways that miss nothing and those of helping events.

    `pages` are those of a live ring, 0 for a recording.
    """
    ledger = snapshot.ledger
    ways = {name: entry for name, entry in ledger.items() if not brief or _may_miss(name, entry)}
    lines = (
        *full_maps(snapshot), *ring_lines(snapshot), *verdict_lines(snapshot), cost_line(snapshot), ledger_line(ledger),
    )  # fmt: skip
    return [*lines, *advice_lines(ledger, pages), *via_lines(ways)]


def _may_miss(name: str, entry: Ledger) -> bool:
    return "polled" in entry.via and not name.endswith(":sample")


def full_maps(snapshot: SessionSnapshot) -> list[Text]:
    """Return a line for every map that had to refuse an update."""
    return [
        Text(f"map {each.name} is full at {count(each.max_entries)}: {count(each.refused)} inserts refused", "bold red")
        for maps in snapshot.maps.values()
        for each in maps.values()
        if each.refused
    ]


def ring_lines(snapshot: SessionSnapshot) -> list[Text]:
    """Return a line for every ring buffer: how many records came out, how many found no room, the last one."""
    lines = []
    for ring in snapshot.rings.values():
        line = Text(f"ring {ring.name}  {counted(ring.records, 'record')}")
        line.append(f", {count(ring.dropped)} dropped", style="bold red" if ring.dropped else "")
        if ring.latest:
            line.append(f"; last: {ring.latest[-1][:SHOWN_BYTES].hex(' ', 4)}", style="dim")
        lines.append(line)
    return lines


def verdict_lines(snapshot: SessionSnapshot) -> list[Text]:
    """Return a line for each link of a program for eBPF for Windows: what it decided, which has no effect."""
    lines = []
    for program in snapshot.programs:
        for hook in program.hooks:
            said = [f"{count(runs)} × {_verdict(value, meaning)}" for value, meaning, runs in hook.verdicts]
            said += [f"{count(hook.others)} × further values"] if hook.others else []
            found = ", ".join(said) or "none"
            line = Text(printable(f"verdicts  {program.name} on {hook.source}: {found}, not enforced"))
            if hook.passed:
                line.append(f"; {count(hook.passed)} events were none of its hook's", style="dim")
            if hook.unknown:
                line.append(f"; {count(hook.unknown)} could not be taken apart", style="bold red")
            lines.append(line)
    return lines


def _verdict(value: int, meaning: str) -> str:
    return f"{value:#x}" if not meaning and value > 0xFFFF else f"{value} ({meaning})" if meaning else str(value)


def cost_line(snapshot: SessionSnapshot) -> Text:
    """Return what tracing cost: programs, runs, mean ns of a run (one in 64 is timed), CPU of the pump threads."""
    runs = sum(program.runs for program in snapshot.programs)
    share = snapshot.pump_cpu_ns / (snapshot.seconds * 1e9) if snapshot.seconds else 0.0
    each = sum(program.mean_ns * program.runs for program in snapshot.programs) / runs if runs else 0.0
    engines = ", ".join(sorted({program.engine for program in snapshot.programs}))
    aborted = sum(program.aborted for program in snapshot.programs)
    text = Text(f"cost  {counted(len(snapshot.programs), 'verified program')} ({engines}), {counted(runs, 'run')}")
    if each:
        text.append(f" of {duration(each)}")
    text.append(f", pump {share:.1%} of one CPU")
    if aborted:
        text.append(f", {count(aborted)} runs aborted", style="bold red")
    return text


def ledger_line(ledger: Mapping[str, Ledger]) -> Text:
    """Return the balance over all events; a loss stands out."""
    entries = list(ledger.values())

    def total(name: str) -> int:
        return sum(getattr(entry, name) for entry in entries)

    text = Text(f"ledger  {count(total('produced'))} events = {count(total('delivered'))} delivered")
    for name, label in (
        ("filtered", "filtered"),
        ("lost", "lost"),
        ("dropped_in_ring", "dropped"),
        ("failed", "failed"),
    ):
        amount = total(name)
        if amount or name == "lost":
            text.append(f" + {count(amount)} {label}", style="bold red" if amount and name != "filtered" else "")
    missing = total("missing")
    if missing:
        text.append(f" + {count(missing)} under way", style="dim")
    return text


def advice_lines(ledger: Mapping[str, Ledger], pages: int) -> list[Text]:
    """Return a line with the option that takes more, where rings of so many pages were full."""
    wanted = pages_for(pages, ledger.values()) if pages else 0
    if not wanted:
        return []
    more = f"--pages {wanted} has room for more ({pages} now)" if wanted > pages else "attach to fewer events"
    return [Text(f"advice  events were lost because a ring was full: {more}", style="bold")]


def via_lines(ledger: Mapping[str, Ledger]) -> list[Text]:
    """Return a line for every way that events come which their names do not tell, with what it cannot see."""
    names: dict[str, list[str]] = {}
    for name, entry in ledger.items():
        if entry.via:
            names.setdefault(entry.via, []).append(name)
    return [Text(printable(f"via  {', '.join(events)}: {via}"), style="dim") for via, events in names.items()]
