"""Numbers as people read them: three figures and a unit, thousands apart, a time of day."""

from __future__ import annotations

import time
from collections.abc import Callable

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


def duration(ns: float) -> str:
    """Print nanoseconds with three figures and a unit people read: 870ns, 1.21µs, 15.3ms, 2.50s."""
    divisor, unit = next((row for row in _UNITS if ns >= row[0]), _UNITS[-1])
    value = ns / divisor
    digits = 0 if unit == "ns" or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}{unit}"


def time_of_day(unix_ns: int) -> str:
    """Print a unix time as local time of day, with the date where that is not today's; what is no time as a number."""
    try:
        then = time.localtime(unix_ns // 10**9)
    except (OverflowError, OSError, ValueError):       # no calendar has that year, and any program can say such a thing
        return f"{unix_ns:.3g}ns"
    date = "" if then[:3] == today() else time.strftime("%Y-%m-%d ", then)
    return date + time.strftime("%H:%M:%S", then) + f".{unix_ns // 10**6 % 1000:03}"


def today() -> tuple[int, int, int]:
    """Return the local year, month and day."""
    return time.localtime()[:3]


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


def share(part: float) -> str:
    """Print a part of one as a percentage."""
    return f"{part:.1%}"


FORMATS: dict[str, Callable[[int], str]] = {
    "count": count,
    "ns": duration,
    "unix_ns": time_of_day,
    "bytes": size,
    "permille": percent,
}
"""How a column's `unit` is printed; zero is a dash. `boot_ns` is a time of day once its clock's offset is added."""
