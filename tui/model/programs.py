"""Programs as rows, and one program in words."""

from __future__ import annotations

from collections.abc import Iterator

from tracerd.daemon.feed import LinkInfo, ProgramInfo
from tracerd.views.format import count, duration
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen
from tui.model.sheet import Sheet

FIELDS = (
    Field("id", key=True), Field("name", key=True), Field("probe"), Field("engine"),
    Field("events/s", "count", rate=True), Field("avg_ns", "ns", title="avg"), Field("p99_ns", "ns", title="p99"),
    Field("cpu_permille", "permille", title="cpu"), Field("aborted", "count", alert=True), Field("runs", "count"),
    Field("type"), Field("why"),
)  # fmt: skip


def programs(seen: Seen) -> Sheet:
    """Return all programs. Times are of the runs since the last moment that were timed, else of all."""
    return sheet_of_rows("programs", FIELDS, _rows(seen))


def _rows(seen: Seen) -> Iterator[tuple[object, ...]]:
    counted = {(each.probe, each.name): each for each in seen.moment.programs} if seen.moment is not None else {}
    for info in seen.look.programs if seen.look is not None else ():
        ran, now = seen.runtime(info.probe, info.name), counted.get((info.probe, info.name))
        yield (
            info.id,
            info.name,
            info.probe,
            now.engine if now is not None else info.engine,
            round(ran.rate) if ran is not None else 0,
            ran.mean_ns if ran is not None else info.mean_ns,
            ran.p99_ns if ran is not None else 0,
            ran.share * 1000 if ran is not None else 0.0,
            now.aborted if now is not None else info.aborted,
            now.runs if now is not None else info.runs,
            info.type,
            now.reason if now is not None else info.reason,
        )


def program(seen: Seen, program_id: int) -> ProgramInfo | None:
    """Return the program of an id, if it is there now."""
    found = seen.look.programs if seen.look is not None else ()
    return next((each for each in found if each.id == program_id), None)


def same_program(seen: Seen, info: ProgramInfo) -> ProgramInfo | None:
    """Return what a program is now: by its names, since its number may be another's after a reload or a restart."""
    found = seen.look.programs if seen.look is not None else ()
    named = [each for each in found if (each.probe, each.name) == (info.probe, info.name)]
    return next((each for each in named if each.id == info.id), next(iter(named), None))


def links_of(seen: Seen, program_id: int) -> list[LinkInfo]:
    """Return a program's links."""
    return [each for each in (seen.look.links if seen.look is not None else ()) if each.program == program_id]


def facts(seen: Seen, info: ProgramInfo) -> list[tuple[str, str]]:
    """Return one program in words: what, and what is known of it."""
    ran = seen.runtime(info.probe, info.name)
    proved = f"{duration(info.verify_seconds * 1e9)}" if info.verify_seconds else "an earlier start, kept in the cache"
    ends = "it always ends" if info.terminates else "its loops have no proved bound and run on fuel"
    told = [
        ("probe", info.probe),
        ("type", info.type),
        ("engine", f"{info.engine}: {info.reason}"),
        ("proof", f"{count(info.instructions)} instructions, in {proved}; {ends}"),
        ("tag", info.tag),
        ("runs", f"{count(info.runs)}, {count(info.aborted)} aborted"),
    ]
    if ran is not None and ran.timed:
        times = f"{duration(ran.mean_ns)} on average, p50 {duration(ran.p50_ns)}, p99 {duration(ran.p99_ns)}"
        told.append(("a run", f"{times} ({count(ran.timed)} timed)"))
        told.append(("costs", f"{ran.share:.2%} of one CPU at {count(ran.rate)} runs/s"))
    for link in links_of(seen, info.id):
        failed = f", ! {count(link.failed)} failed" if link.failed else ""
        told.append(("runs on", f"{link.source}: {count(link.delivered)} events{failed}"))
    if not links_of(seen, info.id):
        told.append(("runs on", "nothing: it is attached to no event"))
    return told
