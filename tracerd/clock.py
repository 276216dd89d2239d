"""FILETIME and unix time. A FILETIME counts 100 ns since 1601-01-01 UTC (MS-DTYP 2.3.3); unix time here is ns."""

from __future__ import annotations

FILETIME_OF_1970 = 116444736000000000

FARTHEST_NS = 1 << 62
"""Unix time that somebody may have meant ends here, in 2116; so does what one clock may be off from another."""


def filetime(unix_ns: int) -> int:
    """Return unix time in ns as a FILETIME, rounded down."""
    return unix_ns // 100 + FILETIME_OF_1970


def unix_ns(filetime: int) -> int:
    """Return a FILETIME as unix time in ns."""
    return (filetime - FILETIME_OF_1970) * 100
