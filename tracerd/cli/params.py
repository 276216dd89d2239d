"""What people write on a command line: lengths of time, sizes, speeds, moments. Each is a click type."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

from click import BadParameter, Context, FloatRange, NoSuchOption, Parameter

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SMALLEST_FILE = 256 << 10
"""A block of events and what a recording says of itself."""

_SLOWEST, _FASTEST = 0.001, 1e6


class FiniteRange(FloatRange):
    """A number from `min` on; "nan" and "inf" are none."""

    def convert(self, value: float, param: Parameter | None, ctx: Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


NEGATIVE = {"ignore_unknown_options": True}
"""Context settings of a command whose arguments may be negative numbers: -1 is no option."""


def no_option(ctx: Context, param: Parameter, value: str) -> str:  # noqa: ARG001  click's signature
    """Refuse a misspelt option where a command has `NEGATIVE`; a text that begins so is written as JSON, '"--x"'."""
    if value.startswith("--"):
        raise NoSuchOption(value, ctx=ctx)
    return value


def seconds(text: str) -> float:
    """Read a length of time: 30s, 500ms, 2m, 1h; a bare number is seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text)
    if found is None:
        raise BadParameter(f"{text!r} is not a length of time, such as 30s, 500ms or 2m")
    return float(found[1]) * _SECONDS[found[2]]


def size(text: str) -> int:
    """Read a number of bytes: 500M, 1G, 4096."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if found is None:
        raise BadParameter(f"{text!r} is not a size, such as 500M or 1G")
    wanted = int(float(found[1]) * _BYTES[found[2].upper()])
    if wanted < SMALLEST_FILE:
        raise BadParameter(f"{text!r} is too small for a recording: at least {SMALLEST_FILE >> 10}K")
    return wanted


def speed(text: str) -> float | None:
    """Read how fast a recording passes: a factor, or "max" (None)."""
    if text == "max":
        return None
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not _SLOWEST <= float(text) <= _FASTEST:
        raise BadParameter(f"{text!r} is neither max nor a number from {_SLOWEST} to {_FASTEST:.0f}")
    return float(text)


@dataclass(frozen=True, slots=True)
class When:
    """A moment of a recording: unix time, or counted from its first event."""

    unix_ns: int | None = None
    offset_ns: int = 0

    def on_clock(self, first_ns: int, clock_offset_ns: int) -> int:
        """Return it on the recording's clock, which has 64 bits."""
        ns = first_ns + self.offset_ns if self.unix_ns is None else self.unix_ns - clock_offset_ns
        return min(max(ns, 0), (1 << 64) - 1)


def moment(text: str) -> When:
    """Read a local time (2026-01-31T12:00:05.25) or an offset from the first event (90s)."""
    if re.fullmatch(r"\d+(\.\d+)?(ms|s|m|h)?", text):
        return When(offset_ns=round(seconds(text) * 1e9))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(f"{text!r} is neither an offset (90s) nor a time (2026-01-31T12:00:05)") from None
    whole = int(found.replace(microsecond=0).timestamp())
    return When(whole * 10**9 + found.microsecond * 1000)
