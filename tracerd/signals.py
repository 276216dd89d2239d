"""What a probe says of itself to the outside: the metrics, log records and spans of its probe.toml. Data, no logic.

Paths are those of views: "key.pid", "value.latency"; of a record "pid", "file.name". Multipliers turn what a program
counted into the metric's unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Buckets = Literal["log2", "linear", "explicit", "exponential"]
Scalar = str | int | float | bool
Constants = tuple[tuple[str, Scalar], ...]

MACHINE_DECODERS = ("user", "process.name", "process.command_line", "ifname", "dns", "ksym")
"""Decoders that ask this machine, so only exporters have them; `tracerd.views.decoders` has those that need no one."""


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """One attribute: a field, what it is called outside, and how it is made readable.

    `decode` names decoders, each given what the one before made. `values` then maps texts to other texts: what is not
    among them becomes "unknown:TEXT", or stays with `allow_unknown`. `match` is a regular expression: what it does not
    find is left out of the metric, record and all.
    """

    source: str
    name: str
    decode: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    allow_unknown: bool = False
    match: str = ""


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """What a histogram's slots count, in the program's own unit.

    log2: slot i counts whole numbers in [2**i, 2**(i+1)), slot 0 also 0. linear: slot i counts whole numbers in
    [start + i * width, start + (i + 1) * width), slot 0 also what is smaller. explicit: slot i counts what is at most
    `bounds[i]` and more than the bound before. exponential: slot i counts real numbers in
    (base**(offset + i), base**(offset + i + 1)] with base = 2**(2**-scale). In all of them but the last kind, the last
    slot also counts what is larger. `slot` is the key's field that has a slot's number, where each slot is an entry of
    its own; there are `slots` of them. `slot_values` are the numbers of slots 0, 1, … in that field where they are not
    0, 1, …; an entry with another number then counts for none. Entries whose number is `sum_slot` have the sum of all
    values instead of a count.
    """

    kind: Buckets
    bounds: tuple[float, ...] = ()
    start: float = 0.0
    width: float = 1.0
    scale: int = 0
    offset: int = 0
    slot: str = ""
    slots: int = 0
    slot_values: tuple[int, ...] = ()
    sum_slot: int | None = None
    sum: str = ""                # field with the sum of all values, in the program's unit; "": there is none


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric over one map."""

    map: str
    name: str
    kind: Kind
    value: str                   # field; of a histogram its slots
    unit: str = ""
    description: str = ""
    multiplier: float = 1.0
    merge: str = "auto"
    buckets: BucketSpec | None = None
    attributes: tuple[AttributeSpec, ...] = ()
    constants: Constants = ()
    max_series: int = 2000
    expire_seconds: float = 0.0  # a series whose value has not changed for so long ends; 0: never
    expire_pid: str = ""         # field with the process whose exit ends a series; "": none


@dataclass(frozen=True, slots=True)
class RecordSpec:
    """What log records and spans have in common: which records of which ring buffer, at most how many a second."""

    ringbuf: str
    type: str = ""               # BTF type of the records; "": what the ring buffer declares as its value
    where: tuple[tuple[str, int], ...] = ()
    attributes: tuple[AttributeSpec, ...] = ()
    constants: Constants = ()
    rate_limit: float = 0.0      # records a second; 0: all
    trace_id: str = ""           # fields; "": none
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class LogSpec:
    """One kind of log record. Times in ns of the events' clock (bpf_ktime_get_ns)."""

    record: RecordSpec
    event_name: str
    severity: int = 9            # SeverityNumber, 1-24
    severity_from: str = ""      # field that has it
    body: str = ""               # text with {field}s
    time: str = ""               # field; "": when the record was taken


@dataclass(frozen=True, slots=True)
class SpanSpec:
    """One kind of span."""

    record: RecordSpec
    name: str                    # text with {field}s
    start: str
    end: str                     # field; "" where there is a duration
    duration: str = ""           # field, in ns
    parent_span_id: str = ""
    kind: int = 1                # SpanKind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer
    error: str = ""              # field that is not zero if the span failed


@dataclass(frozen=True, slots=True)
class Signals:
    """All that a probe exports."""

    metrics: tuple[MetricSpec, ...] = ()
    logs: tuple[LogSpec, ...] = ()
    spans: tuple[SpanSpec, ...] = ()

    @property
    def rings(self) -> frozenset[str]:
        """The ring buffers whose records become log records or spans."""
        records = [*(each.record for each in self.logs), *(each.record for each in self.spans)]
        return frozenset(each.ringbuf for each in records)


NO_SIGNALS = Signals()
