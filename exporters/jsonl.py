"""JSON lines: every row of every table, every ledger, program, map and ring as one object (docs/exporters.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec
import numpy as np
from pydantic import AfterValidator, Field

from exporters.appending import AppendedFile
from exporters.streaming import Stream
from tracerd.config.strict import StrictTable, validate
from tracerd.config.units import seconds_from, size_from
from tracerd.snapshot import Ledger, Moment, ProgramStatistics

Kind = Literal["table", "ledger", "program", "map", "ring", "own"]
KINDS: tuple[Kind, ...] = ("table", "ledger", "program", "map", "ring", "own")
_BEGINS = b'{"time":"'


def _target_path(path: str) -> str:
    if path != "-" and (not Path(path).is_absolute() or "\0" in path or path.endswith("/")):
        raise ValueError(f"{path!r} must be an absolute path of a file, or '-' for standard output")
    return path


class Section(StrictTable):
    """[exporters.jsonl]"""

    path: Annotated[str, AfterValidator(_target_path)]
    interval: Annotated[float, seconds_from("100ms", "1d")] = 10.0
    max_bytes: Annotated[int, size_from("0", "1024GiB")] = 64 << 20      # 0: never rotated by us
    keep: Annotated[int, Field(strict=True, ge=0, le=1000)] = 4          # FILE.1 … FILE.4
    kinds: tuple[Kind, ...] = KINDS
    tables: tuple[str, ...] = ("*",)                                     # "PROBE/TABLE" or "PROBE", with wildcards


class _Target(Protocol):
    def append(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class JsonLines:
    """Writes one line a row. An export is all its lines or none."""

    def __init__(self, section: Section, target: _Target) -> None:
        self.interval = section.interval
        self.file = None if section.path == "-" else Path(section.path)      # `tracerd check` looks at it
        self._section = section
        self._target = target

    def export(self, moment: Moment) -> None:
        """Write a moment.

        Raises:
            ExportError: the target cannot be written; nothing of the moment is in it then.
        """
        if data := encode(moment, self._section.kinds, self._section.tables):
            self._target.append(data)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._target.close()


def make(section: dict[str, Any], where: str) -> JsonLines:
    """Make the exporter that a section configures; nothing is opened yet.

    Raises:
        ConfigError: the section says something unknown or impossible.
    """
    settings = validate(Section, section, where)
    if settings.path == "-":
        return JsonLines(settings, Stream())
    path = Path(settings.path)
    return JsonLines(settings, AppendedFile(path, _BEGINS, max_bytes=settings.max_bytes, keep=settings.keep))


def encode(moment: Moment, kinds: tuple[Kind, ...] = KINDS, tables: tuple[str, ...] = ("*",)) -> bytes:
    """Return a moment as lines. Each begins with its time, its kind and what it is about; the rest is in `row`."""
    head = {"time": rfc3339(moment.taken_ns), "unix_ns": moment.taken_ns}
    encoder = msgspec.json.Encoder(enc_hook=_plain)
    lines = []
    for line in _lines(moment, frozenset(kinds), tables):
        try:
            lines.append(encoder.encode(head | line))
        except (UnicodeEncodeError, OverflowError):      # raw bytes in a name, a number of more than 64 bits
            lines.append(encoder.encode(head | _mended(line)))
    return _OBEYED.sub(_escaped, b"".join(line + b"\n" for line in lines))


_OBEYED = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
"""What JSON leaves as it is, and a terminal obeys or a reader takes for the end of a line. Only strings have it."""


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def _lines(moment: Moment, kinds: frozenset[Kind], tables: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name, probe in moment.probes.items() if kinds & {"table", "map", "ring"} else ():
        for table in probe.tables.values() if "table" in kinds else ():
            if any(fnmatchcase(f"{name}/{table.name}", glob) or fnmatchcase(name, glob) for glob in tables):
                for row in table.rows():
                    yield {"kind": "table", "probe": name, "table": table.name, "row": row}
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


def _plain(value: object) -> object:
    """What msgspec does not know: numpy's own numbers and arrays."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)


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
