"""JSON lines: the changed rows of every table, every ledger, program, map and ring as objects (docs/exporters.md)."""

from __future__ import annotations

from itertools import compress
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, Field

from exporters.appending import AppendedFile
from exporters.lines import BEGINS, KINDS, Kind, TableLines, dated, other_lines, table_lines
from exporters.streaming import Stream
from exporters.unchanged import Marks, Unchanged, marks_of
from tracerd.config.strict import StrictTable, validate
from tracerd.config.units import seconds_from, size_from
from tracerd.snapshot import Moment


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
    rows: Literal["changed", "all"] = "changed"
    tables: tuple[str, ...] = ("*",)                                     # "PROBE/TABLE" or "PROBE", with wildcards


class _Target(Protocol):
    def open(self) -> bool:
        """Make ready, or raise ExportError. False if what was appended last is not in it, or no longer."""

    def make_room(self, more: int) -> bool:
        """True if the target had to be begun anew for that many bytes."""

    def append(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class JsonLines:
    """Writes one line a row, and before a table's rows how many there are. An export is all its lines or none."""

    def __init__(self, section: Section, target: _Target) -> None:
        self.interval = section.interval
        self.file = None if section.path == "-" else Path(section.path)      # `tracerd check` looks at it
        self._section = section
        self._target = target
        self._unchanged = Unchanged()

    @property
    def where(self) -> str:
        """The file."""
        return "standard output" if self.file is None else str(self.file)

    def ready(self) -> None:
        """Open the target.

        Raises:
            ExportError: it is refused.
        """
        if not self._target.open():
            self._unchanged.forget()

    def export(self, moment: Moment) -> None:
        """Write a moment: of its tables the rows that the target does not have as they are now, unless told otherwise.

        Raises:
            ExportError: the target cannot be written; nothing of the moment is in it then, and none of its rows counts
                as written.
        """
        self.ready()                     # again: a moment was taken since
        tables = table_lines(moment, self._section.tables) if "table" in self._section.kinds else []
        others = other_lines(moment, self._section.kinds)
        marks = self._marks(tables)
        data = dated(moment.taken_ns, [*self._chosen(tables, marks), *others])
        if self._target.make_room(len(data)):
            self._unchanged.forget()
            data = dated(moment.taken_ns, [*self._chosen(tables, marks), *others])
        if data:
            self._target.append(data)
        self._unchanged.keep(marks)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._target.close()

    def _marks(self, tables: list[TableLines]) -> dict[tuple[str, str], Marks]:
        if self._section.rows == "all":
            return {}
        return {(each.probe, each.table): marks_of(each.rows) for each in tables}

    def _chosen(self, tables: list[TableLines], marks: dict[tuple[str, str], Marks]) -> list[bytes]:
        """Return the objects of all tables: each one's summary, then those of its rows that are to be written."""
        chosen = []
        for each in tables:
            name = (each.probe, each.table)
            rows = each.rows
            if name in marks:
                rows = list(compress(rows, self._unchanged.lacks(name, marks[name]).tolist()))
            chosen += [each.summary(len(rows)), *rows]
        return chosen


def make(section: dict[str, Any], where: str) -> JsonLines:
    """Make the exporter that a section configures; nothing is opened yet.

    Raises:
        ConfigError: the section says something unknown or impossible.
    """
    settings = validate(Section, section, where)
    if settings.path == "-":
        return JsonLines(settings, Stream())
    path = Path(settings.path)
    return JsonLines(settings, AppendedFile(path, BEGINS, max_bytes=settings.max_bytes, keep=settings.keep))
