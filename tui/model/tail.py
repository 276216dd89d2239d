"""What came out of rings and printk as lines: the last so many are kept, some of them shown, and each reads as text.

A line is made for every record, so it is no more than three values; its text is made only while it can be seen.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tracerd.snapshot import Column
from tracerd.text import printable
from tracerd.views.format import duration
from tui.model.sheet import Sheet, SheetColumn

KEPT = 10_000
"""Lines that are kept; the oldest give way."""

_DAY_NS = 86_400 * 10**9
_LONGEST_LIST = 16


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the reader says itself, in place of a record."""

    text: str


class Line(NamedTuple):
    """One record. `value` is a dict of BTF fields, a text (a printed line, hex of bytes without a type), or a Note."""

    at_ns: int                   # unix time, when it was read
    stream: str
    value: object


Wanted = Callable[[Line], bool]


class Lines:
    """The last lines, and which are shown. Lines have running numbers; a view goes by places among those shown."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._all: list[Line] = []
        self._first = 0                          # number of _all[0]
        self._shown: list[int] | None = None     # numbers of the lines that are wanted; None: all are
        self._wanted: Wanted | None = None
        self._last: dict[str, Line] = {}         # of each stream, however many of others have come since
        self.gone = 0                            # lines that gave way to newer ones

    def __len__(self) -> int:
        """Return how many are shown."""
        return len(self._all) if self._shown is None else len(self._shown)

    def __getitem__(self, place: int) -> Line:
        return self._all[self.number(place) - self._first]

    def number(self, place: int) -> int:
        """Return the running number of the line that is shown at a place; it stays the same."""
        return self._first + place if self._shown is None else self._shown[place]

    @property
    def total(self) -> int:
        """How many are kept, shown or not."""
        return len(self._all)

    def samples(self, most: int, only: str = "") -> list[Line]:
        """Return the newest so many lines, shown or not, and each stream's last; of one stream if `only` names it."""
        return [line for line in (*self._last.values(), *self._all[-most:]) if line.stream == only or not only]

    def add(self, new: Sequence[Line]) -> int:
        """Take lines, oldest first. Returns how many of those that were shown have given way: places moved by that."""
        new = new[-self._kept :] if len(new) > self._kept else new
        begin = self._first + len(self._all)
        self._all.extend(new)
        self._last.update((line.stream, line) for line in new)
        if self._shown is not None and self._wanted is not None:
            wanted = self._wanted
            self._shown.extend(number for number, line in enumerate(new, begin) if wanted(line))
        excess = len(self._all) - self._kept
        if excess <= 0:
            return 0
        del self._all[:excess]
        self._first += excess
        self.gone += excess
        if self._shown is None:
            return excess
        moved = bisect_left(self._shown, self._first)
        del self._shown[:moved]
        return moved

    def show(self, wanted: Wanted | None) -> None:
        """Show only these from now on; None: all."""
        self._wanted = wanted
        self._shown = None
        if wanted is not None:
            self._shown = [number for number, line in enumerate(self._all, self._first) if wanted(line)]

    def clear(self) -> None:
        """Forget all lines."""
        self._first += len(self._all)
        self._all.clear()
        self.gone = 0
        if self._shown is not None:
            self._shown.clear()


def fields(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield a record's fields by BTF path; one without names has the path ""."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from fields(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def clock(at_ns: int) -> str:
    """Print a unix time as local time of day. Lines are read as they come, so the day is known."""
    return time.strftime("%H:%M:%S", time.localtime(at_ns // 10**9)) + f".{at_ns // 10**6 % 1000:03}"


def title(path: str, value: object) -> str:
    """Return what a field is called beside its value: a unit that the value has itself is left out."""
    return path.removesuffix("_ns") if isinstance(value, int | float) and not isinstance(value, bool) else path


def shown(path: str, value: object, line: Line, offset_ns: int) -> str:
    """Print a field's value. Numbers are plain, but for those whose name says that they are durations or times in ns.

    `offset_ns` is unix time minus the clock of the events.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        name = path.rpartition(".")[2]
        if is_time(name) and abs(value + offset_ns - line.at_ns) < _DAY_NS:
            return clock(int(value) + offset_ns)
        if is_duration(name):
            return duration(value)
        return str(value) if isinstance(value, int) else f"{value:g}"
    if isinstance(value, str):
        text = printable(value)
        return f'"{text}"' if path and (not text or " " in text) else text
    if isinstance(value, list | tuple):
        rest = ",…" if len(value) > _LONGEST_LIST else ""
        return "[" + ",".join(shown("", each, line, offset_ns) for each in value[:_LONGEST_LIST]) + rest + "]"
    return printable(json.dumps(value, default=str))


def expanded(line: Line, offset_ns: int) -> dict[str, str]:
    """Return everything that is known of a line, name by name."""
    told = {"read at": clock(line.at_ns), "from": line.stream}
    if isinstance(line.value, Note):
        return told | {"note": line.value.text}
    for path, value in fields(line.value):
        text = shown(path, value, line, offset_ns)
        plain = isinstance(value, int | float) and not isinstance(value, bool) and text != str(value)
        name = path or "text"
        told[f"{name}." if name in told else name] = f"{text}  ({value})" if plain else text
    return told


def sheet_of_lines(lines: Lines) -> Sheet:
    """Return what is shown as a table for export: a column for every field that any line has."""
    chosen = [lines[place] for place in range(len(lines))]
    rows = [dict(fields(line.value)) if not isinstance(line.value, Note) else {"": line.value.text} for line in chosen]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [
        SheetColumn("time_ns", "time", np.array([line.at_ns for line in chosen], dtype=np.int64), "unix_ns"),
        SheetColumn("from", "from", _objects([line.stream for line in chosen])),
    ]
    columns += [SheetColumn(name or "text", name or "text", _column([row.get(name) for row in rows])) for name in names]
    return Sheet("events", tuple(columns))


def _column(values: list[object]) -> Column:
    if values and all(type(each) is int and -(2**63) <= each < 2**63 for each in values):
        return np.array(values, dtype=np.int64)
    if values and all(type(each) is int and 0 <= each < 2**64 for each in values):
        return np.array(values, dtype=np.uint64)
    plain = (str, int, float)
    return _objects([each if isinstance(each, plain) else "" if each is None else str(each) for each in values])


def _objects(values: Sequence[object]) -> Column:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


_MOMENTS = ("begin", "start", "end", "opened", "closed")


def is_time(name: str) -> bool:
    """True for the name of a field that has a time of the events' clock: when something was, began or ended."""
    words = name.removesuffix("_ns").split("_")
    return words[-1] in ("time", "timestamp", "ktime", "ts") or (name.endswith("_ns") and words[-1] in _MOMENTS)


def is_duration(name: str) -> bool:
    """True for the name of a field that has nanoseconds."""
    return name.endswith(("_ns", "latency", "duration")) or name == "ns"
