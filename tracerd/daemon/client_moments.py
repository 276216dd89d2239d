"""From a stream of column documents to moments."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any

from tracerd.daemon import columns
from tracerd.daemon.client_rows import row, rows
from tracerd.errors import RunError
from tracerd.snapshot import (
    ExporterStatistics,
    Ledger,
    Moment,
    ProbeMoment,
    ProgramStatistics,
    RingSnapshot,
    Table,
)


def moments(stream: HTTPResponse) -> Iterator[Moment]:
    """Yield the moments of a stream until the daemon ends it.

    Raises:
        RunError: the stream is damaged, or the daemon went away within a moment.
    """
    try:
        for document in columns.documents(stream.read):
            yield _moment(*columns.decode(document))
    except (OSError, HTTPException) as error:
        raise RunError("stream", f"the daemon went away: {error}") from error


def _moment(header: dict[str, Any], blocks: list[columns.Block]) -> Moment:
    try:
        return Moment(
            taken_ns=header["taken_ns"],
            uptime_ns=header["uptime_ns"],
            clock_offset_ns=header["clock_offset_ns"],
            probes={name: _probe(name, header, blocks) for name in header["probes"]},
            programs=tuple(rows(ProgramStatistics, header["programs"])),
            ledger={event: row(Ledger, balance) for event, balance in header["ledger"].items()},
            own=header["own"],
            exporters=tuple(rows(ExporterStatistics, header.get("exporters", ()))),    # an older daemon tells of none
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError("stream", f"is of another version: {error}") from error


def _probe(name: str, header: dict[str, Any], blocks: list[columns.Block]) -> ProbeMoment:
    tables = {block.name: Table(block.name, block.columns, block.meanings) for block in blocks if block.probe == name}
    rings = {
        ring["name"]: RingSnapshot(ring["name"], ring["records"], ring["dropped"], ())
        for ring in header["rings"]
        if ring["probe"] == name
    }
    return ProbeMoment(name, {}, tables, rings)
