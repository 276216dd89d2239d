"""Exporters as rows, and one exporter in words."""

from __future__ import annotations

from collections.abc import Iterator

from tracerd.daemon.feed import ExporterInfo
from tracerd.views.format import count, duration, time_of_day
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen
from tui.model.sheet import Sheet

FIELDS = (
    Field("exporter", key=True), Field("state"), Field("every_s", title="every"), Field("exports", "count"),
    Field("failures", "count", alert=True), Field("skipped", "count"), Field("sent", "count"),
    Field("queue", "count"), Field("spool", "count"), Field("lost", "count", alert=True),
    Field("took_ns", "ns", title="took"), Field("last_ns", "unix_ns", title="last"), Field("where"), Field("problem"),
)  # fmt: skip


def exports(seen: Seen) -> Sheet:
    """Return all exporters."""
    return sheet_of_rows("exports", FIELDS, _rows(seen))


def _rows(seen: Seen) -> Iterator[tuple[object, ...]]:
    for info in seen.look.exporters if seen.look is not None else ():
        yield (
            info.name,
            state(info),
            f"{info.interval:g} s" if info.interval else "asked",
            info.exports,
            info.failures,
            info.skipped,
            _sum(info, ".sent"),
            _sum(info, ".queued"),
            _sum(info, ".spooled"),
            lost(info),
            round(info.last_seconds * 1e9),
            info.last_ns,
            info.where,
            info.problem or (info.last_error if info.failing else ""),
        )


def state(info: ExporterInfo) -> str:
    """Return how an exporter does, in a word or two."""
    if info.abandoned:
        return "! left behind"
    if info.failing or info.problem:
        return "! fails"
    if info.busy_seconds > max(info.interval, 1.0):
        return "! slow"
    return "works" if info.exports else "not yet"


def lost(info: ExporterInfo) -> int:
    """Return how many things it was given and will never send: records without room, items dropped or rejected."""
    dropped = sum(number for name, number in info.counts.items() if ".dropped." in name or name.endswith(".rejected"))
    return info.records_lost + info.records_failed + dropped


def facts(info: ExporterInfo) -> list[tuple[str, str]]:
    """Return one exporter in words, with all counts of its own."""
    told = [("state", state(info))]
    if info.where:
        told.append(("goes to", info.where))
    if info.problem:
        told.append(("fails now", info.problem))
    if info.last_error:
        told.append(("last error", info.last_error + ("" if info.failing else " (it has worked since)")))
    told.append(("interval", f"{info.interval:g} s" if info.interval else "whoever scrapes it decides"))
    if info.last_ns:
        told.append(("last export", f"{time_of_day(info.last_ns)}, took {duration(info.last_seconds * 1e9)}"))
    if info.busy_seconds:
        told.append(("under way", f"for {duration(info.busy_seconds * 1e9)}"))
    told.append(("records", f"{count(info.records)} given, {count(info.records_lost)} found no room, "
                            f"{count(info.records_failed)} failed"))  # fmt: skip
    told += [(name, count(number)) for name, number in sorted(info.counts.items())]
    return told


def _sum(info: ExporterInfo, end: str) -> int:
    return sum(number for name, number in info.counts.items() if name.endswith(end))
