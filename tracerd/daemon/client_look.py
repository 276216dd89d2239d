"""From the status, as a daemon sends it or as it is made in this process, to a `Look`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracerd.daemon.client_rows import rows
from tracerd.daemon.feed import ExporterInfo, LinkInfo, Look, MapInfo, ProbeInfo, ProgramInfo, SourceInfo
from tracerd.errors import RunError


def look_of(status: Mapping[str, Any]) -> Look:
    """Return what a daemon says of itself: `health.status`, with the "host" it runs on and the "role" of who asks.

    Raises:
        RunError: it lacks what every daemon of this version says.
    """
    try:
        return Look(
            version=status["version"],
            pid=status["pid"],
            host=status["host"],
            role="admin" if status["role"] == "admin" else "read",
            ready=status["ready"],
            reasons=tuple(status["reasons"]),
            notes=tuple(status["notes"]),
            probes=tuple(rows(ProbeInfo, status["probes"])),
            programs=tuple(rows(ProgramInfo, status["programs"])),
            maps=tuple(rows(MapInfo, status["maps"])),
            links=tuple(rows(LinkInfo, status["links"])),
            sources=tuple(rows(SourceInfo, status["pumps"])),
            exporters=tuple(rows(ExporterInfo, status["exporters"])),
            config=status.get("config", "its tracerd.toml"),             # an older daemon says neither
            state_dir=status.get("state_dir", ""),
        )
    except KeyError as error:
        raise RunError("daemon", f"is of another version: its status has no {error}") from error
