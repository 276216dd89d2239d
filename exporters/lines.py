"""What a moment's JSON lines are (docs/exporters.md): here they are made, where they go is decided elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec
import numpy as np

from tracerd.snapshot import Ledger, Moment, ProgramStatistics

Kind = Literal["table", "ledger", "program", "map", "ring", "own"]
KINDS: tuple[Kind, ...] = ("table", "ledger", "program", "map", "ring", "own")
BEGINS = b'{"time":"'
"""What every line begins with."""


@dataclass(frozen=True, slots=True)
class TableLines:
    """One table's rows as objects without their time, so that equal rows are equal bytes."""

    probe: str
    table: str
    rows: list[bytes]

    def summary(self, written: int) -> bytes:
        """Return the object that comes before the rows: how many there are, and how many of them follow."""
        return _object(
            {"kind": "tables", "probe": self.probe, "table": self.table, "rows": len(self.rows), "written": written}
        )


def table_lines(moment: Moment, tables: tuple[str, ...]) -> list[TableLines]:
    """Return the tables that one of the globs names, as PROBE/TABLE or PROBE."""
    found = []
    for name, probe in moment.probes.items():
        for table in probe.tables.values():
            if any(fnmatchcase(f"{name}/{table.name}", glob) or fnmatchcase(name, glob) for glob in tables):
                about = {"kind": "table", "probe": name, "table": table.name}
                found.append(TableLines(name, table.name, [_object(about | {"row": row}) for row in table.rows()]))
    return found


def other_lines(moment: Moment, kinds: tuple[Kind, ...]) -> list[bytes]:
    """Return everything but tables. Each object says its kind and what it is about; the rest is in `row`."""
    return [_object(line) for line in _others(moment, frozenset(kinds))]


def encode(moment: Moment, kinds: tuple[Kind, ...] = KINDS, tables: tuple[str, ...] = ("*",)) -> bytes:
    """Return all of a moment as lines."""
    found = table_lines(moment, tables) if "table" in kinds else []
    rows = [line for table in found for line in (table.summary(len(table.rows)), *table.rows)]
    return dated(moment.taken_ns, [*rows, *other_lines(moment, kinds)])


def dated(taken_ns: int, objects: Iterable[bytes]) -> bytes:
    """Return objects as lines that begin with their time, safe for terminals."""
    head = _ENCODER.encode({"time": rfc3339(taken_ns), "unix_ns": taken_ns})[:-1] + b","
    return _OBEYED.sub(_escaped, b"".join(head + each[1:] + b"\n" for each in objects))


_OBEYED = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
"""What JSON leaves as it is, and a terminal obeys or a reader takes for the end of a line. Only strings have it."""


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def _others(moment: Moment, kinds: frozenset[Kind]) -> Iterator[dict[str, Any]]:
    for name, probe in moment.probes.items():
        for copy in probe.maps.values() if "map" in kinds else ():
            counts = {"entries": len(copy.keys), "max_entries": copy.max_entries, "refused": copy.refused}
            yield {"kind": "map", "probe": name, "map": copy.name, "row": counts}
        for ring in probe.rings.values() if "ring" in kinds else ():
            yield {"kind": "ring", "probe": name, "ring": ring.name,
                   "row": {"records": ring.records, "dropped": ring.dropped}}  # fmt: skip
    for event, ledger in moment.ledger.items() if "ledger" in kinds else ():
        yield {"kind": "ledger", "event": event, "row": _balance(ledger)}
    for program in moment.programs if "program" in kinds else ():
        yield {"kind": "program", "program": program.name, "row": _counts(program)}
    if "own" in kinds:
        yield {"kind": "own", "row": dict(moment.own) | {"uptime_ns": moment.uptime_ns}}


def _balance(ledger: Ledger) -> dict[str, Any]:
    """The keys of `run --json` (DESIGN §11), and what is missing."""
    return {
        "produced": ledger.produced,
        "delivered": ledger.delivered,
        "lost": ledger.lost,
        "dropped": ledger.dropped_in_ring,
        "filtered": ledger.filtered,
        "failed": ledger.failed,
        "missing": ledger.missing,
        "via": ledger.via,
    }


def _counts(program: ProgramStatistics) -> dict[str, Any]:
    return {
        "engine": program.engine,
        "runs": program.runs,
        "aborted": program.aborted,
        "mean_ns": program.mean_ns,
        "instructions": program.instructions,
    }


def _object(value: dict[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(value)
    except (UnicodeEncodeError, OverflowError):          # raw bytes in a name, a number of more than 64 bits
        return _ENCODER.encode(_mended(value))


def _plain(value: object) -> object:
    """What msgspec does not know: numpy's own numbers and arrays."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def _mended(value: Any) -> Any:
    """Return the same with text that UTF-8 has and numbers that JSON's readers have."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_mended(key): _mended(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(each) for each in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return float(value) if abs(value) < 1 << 1000 else None
    return value


def rfc3339(unix_ns: int) -> str:
    """Return unix time in ns as RFC 3339 in UTC, with all nine digits."""
    seconds, ns = divmod(unix_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09}Z"
