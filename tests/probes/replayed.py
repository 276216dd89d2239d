"""Run a shipped probe over a recording: its tables, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import tracerd
from tracerd.runtime.locate import locate
from tracerd.runtime.session import Session, Settings

Engine = Literal["interpreter", "jit"]
Tables = dict[str, list[dict[str, Any]]]


def tables_of(probe: str, recording: Path, engine: Engine = "interpreter") -> Tables:
    """Return the rows of every view, by its name; the ledger balances."""
    with Session(Settings(recording=recording, engine=engine)) as session:
        session.add(locate(probe))
        session.start()
        assert session.wait(60)
        snapshot = session.stop()
        assert {row.missing for row in snapshot.ledger.values()} == {0}
        assert {row.failed for row in snapshot.ledger.values()} == {0}
        return {view.name: table.rows() for view, table in session.tables(snapshot)}


def records_of(
    probe: str, recording: Path, ring: str, kind: str, engine: Engine = "interpreter"
) -> list[dict[str, Any]]:
    """Return the records of a ring buffer, as their struct has them."""
    with tracerd.Session(Settings(recording=recording, engine=engine)) as session:
        opened = tracerd.Object.open(probe)
        session.load(opened)
        session.start()
        assert session.wait(60)
        session.stop()
        return [record for record in opened.maps[ring].records(type=kind) if isinstance(record, dict)]
