"""What a `[[view]]` of a probe.toml declares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a table.

    `source` is a BTF path: "key", "value", "key.pid", "value.latency". `decode` names a decoder of `views.decoders`.
    `percentile` (0–100) turns an array of log2 slots into that percentile, in the unit of what was measured, right
    within a factor of two; with `sum`, the path of what all measured values add up to, it is never above that.
    `merge` says how a per-CPU map's values become one. `rate` asks for a per-second column in live tables. `unit` says
    how tables for people print a number: "count" (thousands apart), "ns" (a duration), "unix_ns" and "boot_ns" (a
    time of day; the latter from this machine's CLOCK_MONOTONIC), "bytes", "permille" (as a percentage), or "" as it is.
    JSON has plain numbers.
    """

    name: str
    source: str
    decode: str | None = None
    percentile: float | None = None
    sum: str | None = None
    merge: str = "auto"          # auto | sum | first | max | min: auto sums numbers and takes the first non-empty text
    unit: str = ""
    rate: bool = False


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """One table over one map. Without columns: all BTF fields of key and value.

    `rows` is how many rows a screen that shows several tables should give this one; 0: what the others leave.
    """

    name: str
    map: str
    columns: tuple[ColumnSpec, ...] = ()
    sort: str = ""               # column names with commas between, "-" before one for descending
    rows: int = 0
