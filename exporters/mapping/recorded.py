"""What mapping makes of records: log records and spans of one kind, as columns of equal length. Times in unix ns."""

from __future__ import annotations

from dataclasses import dataclass

from exporters.mapping.series import Times
from tracerd.signals import Constants, Scalar

Ids = list[bytes]
Columns = tuple[tuple[str, list[Scalar]], ...]


@dataclass(frozen=True, slots=True, eq=False)
class LogRecords:
    """Log records of one kind. An id that is b"" is none."""

    probe: str
    event_name: str
    observed_ns: int
    times: Times
    severities: list[int]        # SeverityNumber; 0: not known
    bodies: list[str] | None
    attributes: Columns
    constants: Constants
    trace_ids: Ids | None
    span_ids: Ids | None

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Spans of one kind."""

    probe: str
    kind: int                    # SpanKind
    names: list[str]
    starts: Times
    ends: Times
    trace_ids: Ids
    span_ids: Ids
    parents: Ids | None          # b"": a root
    failed: list[bool] | None
    attributes: Columns
    constants: Constants

    def __len__(self) -> int:
        return len(self.starts)
