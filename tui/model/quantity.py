"""Numbers as people write them in a filter: 1,234, 0x1f, 1.5k, 2ms, 10MiB, 12%."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_NUMBER = re.compile(r"([-+]?(?:0x[0-9a-f_]+|(?:\d[\d_,]*)?\.?\d+(?:e[-+]?\d+)?|\d[\d_,]*\.?))\s*([a-zµμ%]*)", re.I)

_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_TIMES = {"": 1, "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
          "min": 60 * 10**9, "h": 3600 * 10**9}  # fmt: skip
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30,
          "t": 1 << 40, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}  # fmt: skip
_SHARES = {"": 10, "%": 10, "‰": 1}

_UNITS: Mapping[str, Mapping[str, int]] = {"ns": _TIMES, "bytes": _BYTES, "permille": _SHARES}
"""What may be written behind a number, by a column's unit. A percentage is written as it is shown."""


def quantity(text: str, unit: str = "") -> float | None:
    """Return a number in a column's unit; None if it is none, or of another unit. Whole numbers are exact."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    factor = _UNITS.get(unit, _COUNTS).get(found[2].lower())
    number = _number(found[1].replace(",", "").replace("_", "").lower())
    return None if factor is None or number is None else _whole(number * factor)


def units(unit: str) -> str:
    """Return an example of a number in a column's unit, for messages."""
    return {"ns": "1.5ms", "bytes": "10MiB", "permille": "12%"}.get(unit, "1500")


def _number(text: str) -> float | None:
    try:
        return int(text, 16) if "0x" in text else int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        return None


def _whole(number: float) -> float | None:
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) else number
