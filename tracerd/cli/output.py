"""What every command prints with: JSON in one shape, text through one console."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
import numpy as np
from rich.console import Console

from tracerd.snapshot import Ledger
from tracerd.text import printable as printable  # with the rest of what commands print with

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(command: Function) -> Function:
    """Give a command its --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def text_console() -> Console:
    """Return the console for tables: as wide as the terminal, and wide enough for any table where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 140)


def print_json(document: object) -> None:
    """Print one JSON document, indented when a person looks."""
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(document, indent=indent, default=_plain, ensure_ascii=False)
    click.echo(_UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON leaves as it is, and a terminal obeys or no encoding has. Only strings have it: an escape says the same."""


def ledger_json(ledger: Mapping[str, Ledger]) -> dict[str, object]:
    """Return a ledger by event, in the shape that all commands print (DESIGN §11)."""
    return {
        event: {
            "produced": entry.produced,
            "delivered": entry.delivered,
            "lost": entry.lost,
            "dropped": entry.dropped_in_ring,
            "filtered": entry.filtered,
            "failed": entry.failed,
            **({"via": entry.via} if entry.via else {}),
        }
        for event, entry in ledger.items()
    }


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


def duration(ns: float) -> str:
    """Print nanoseconds with three figures and a unit people read: 870ns, 1.21µs, 15.3ms, 2.50s."""
    divisor, unit = next((row for row in _UNITS if ns >= row[0]), _UNITS[-1])
    value = ns / divisor
    digits = 0 if unit == "ns" or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}{unit}"


def time_of_day(unix_ns: int) -> str:
    """Print a unix time as local time of day, with the date where that is not today's."""
    then = time.localtime(unix_ns // 10**9)
    date = "" if then[:3] == time.localtime()[:3] else time.strftime("%Y-%m-%d ", then)
    return date + time.strftime("%H:%M:%S", then) + f".{unix_ns // 10**6 % 1000:03}"


def count(number: float) -> str:
    """Print a number with thousands separators."""
    return f"{number:,.0f}"


def counted(number: int, thing: str) -> str:
    """Print how many there are of a thing."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(number: float) -> str:
    """Print bytes in binary units."""
    for unit, divisor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= divisor:
            return f"{number / divisor:.1f} {unit}"
    return f"{number:.0f} B"


def percent(permille: float) -> str:
    """Print thousandths as a percentage."""
    return f"{permille / 10:.1f}%"


FORMATS: dict[str, Callable[[int], str]] = {
    "count": count,
    "ns": duration,
    "unix_ns": time_of_day,
    "bytes": size,
    "permille": percent,
}
"""How a column's `unit` is printed; zero is a dash. `boot_ns` needs the offset of the events' clock: `live` has it."""
