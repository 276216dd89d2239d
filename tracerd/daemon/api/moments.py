"""A moment on the wire: as one document of binary columns, or as one JSON event for who has only curl."""

from __future__ import annotations

import threading
from dataclasses import asdict, replace
from typing import Any

import msgspec

from tracerd.daemon import columns
from tracerd.daemon.api.route import COLUMNS
from tracerd.snapshot import Moment


def binary(moment: Moment) -> bytes:
    """Return the moment with its tables as columns; maps and ring records stay behind (they have their own routes)."""
    blocks = [
        columns.Block(table.name, table.columns, probe.name, table.meanings)
        for probe in moment.probes.values()
        for table in probe.tables.values()
    ]
    return columns.encode(_about(moment), blocks)


def event(moment: Moment) -> bytes:
    """Return the moment as a server-sent event."""
    tables = {
        probe.name: {table.name: table.rows() for table in probe.tables.values()} for probe in moment.probes.values()
    }
    data = msgspec.json.encode({**_about(moment), "tables": tables}, enc_hook=columns.plain)
    return b"event: moment\ndata: " + data + b"\n\n"


def _about(moment: Moment) -> dict[str, Any]:
    return {
        "taken_ns": moment.taken_ns,
        "uptime_ns": moment.uptime_ns,
        "clock_offset_ns": moment.clock_offset_ns,
        "probes": list(moment.probes),
        "rings": [
            {"probe": probe.name, "name": ring.name, "records": ring.records, "dropped": ring.dropped}
            for probe in moment.probes.values()
            for ring in probe.rings.values()
        ],
        "programs": [asdict(program) for program in moment.programs],
        "ledger": {event: asdict(ledger) for event, ledger in moment.ledger.items()},
        "own": dict(moment.own),
        "exporters": [asdict(replace(each, counts=dict(each.counts))) for each in moment.exporters],
    }


class Encoded:
    """The latest moment in both forms, made once for all who get it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moment: Moment | None = None
        self._made: dict[str, bytes] = {}

    def of(self, moment: Moment, media: str) -> bytes:
        """Return a moment's bytes in a media type."""
        with self._lock:
            if self._moment is not moment:
                self._moment, self._made = moment, {}
            if media not in self._made:
                self._made[media] = binary(moment) if media == COLUMNS else event(moment)
            return self._made[media]
