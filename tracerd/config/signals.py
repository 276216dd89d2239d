"""The part of a probe.toml that says what is exported: [[metric]], [[log]] and [[span]].

Fields may be written without "key." or "value." where that is not ambiguous; `tracerd.views.signals` finds them out,
since only the object knows.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tracerd.config.patterns import pattern
from tracerd.config.strict import StrictTable
from tracerd.config.units import seconds
from tracerd.signals import AttributeSpec, BucketSpec, LogSpec, MetricSpec, RecordSpec, Scalar, SpanSpec

MOST_SERIES = 1_000_000

SEVERITIES = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
"""OpenTelemetry's SeverityNumber (Logs Data Model, SeverityNumber)."""

SPAN_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}

_INSTRUMENT = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)/(s|m|h)")
_PER_SECOND = {"s": 1.0, "m": 60.0, "h": 3600.0}
_DECODER_NAMES = 8


def _instrument(name: str) -> str:
    if not _INSTRUMENT.fullmatch(name):
        raise ValueError(f"{name!r} is no metric name: a letter, then letters, digits and _ . - / (255 at most)")
    return name


def _unit(unit: str) -> str:
    if len(unit) > 63 or not unit.isascii() or not unit.isprintable():
        raise ValueError(f"{unit!r} is no unit: at most 63 printable ASCII letters, such as 's', 'By' or '{{call}}'")
    return unit


def _rate(value: object) -> float:
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        raise ValueError(f"{value!r} is not a rate, such as '200/s' or '10/m'")
    return float(found[1]) / _PER_SECOND[found[2]]


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _plain(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise ValueError("must be text, a number, or true or false")
    return value


def _texts(value: object) -> object:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table: values = { 0 = \"read\", 1 = \"write\" }")
    return {str(key): each for key, each in value.items()}


def _attribute(value: object) -> object:
    """`pid = "process.pid"` is short for `pid = { as = "process.pid" }`; a list makes several of one field."""
    many = value if isinstance(value, list) else [value]
    return [{"as": each} if isinstance(each, str) else each for each in many]


Text = Annotated[str, Field(min_length=1, max_length=255)]
Constants = dict[Text, Annotated[Scalar, BeforeValidator(_plain)]]


class AttributeSection(StrictTable):
    """What becomes of one field."""

    name: Text = Field(alias="as")
    decode: Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(max_length=_DECODER_NAMES)] = ()
    values: Annotated[dict[str, str], BeforeValidator(_texts)] = Field(default_factory=dict)
    allow_unknown: bool = False
    match: Annotated[str, AfterValidator(pattern)] = ""

    def spec(self, source: str) -> AttributeSpec:
        """Return it for a field."""
        values = tuple(self.values.items())
        return AttributeSpec(source, self.name, self.decode, values, self.allow_unknown, self.match)


Attributes = dict[str, Annotated[tuple[AttributeSection, ...], BeforeValidator(_attribute)]]


def _attributes(given: Attributes) -> tuple[AttributeSpec, ...]:
    return tuple(each.spec(field) for field, many in given.items() for each in many)


class MetricSection(StrictTable):
    """[[metric]]: series made of a map's entries."""

    map: str
    name: Annotated[str, AfterValidator(_instrument)]
    kind: Literal["counter", "gauge", "histogram"]
    value: str = ""
    unit: Annotated[str, AfterValidator(_unit)] = ""
    description: Annotated[str, Field(max_length=1024)] = ""
    multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    merge: Literal["auto", "sum", "first", "max", "min"] = "auto"
    attributes: Attributes = Field(default_factory=dict)
    constants: Constants = Field(default_factory=dict)
    max_series: Annotated[int, Field(strict=True, ge=1, le=MOST_SERIES)] = 2000
    expire: str = ""
    pid: str = ""                # whose exit ends a series; by default the field that becomes process.pid
    buckets: Literal["log2", "linear", "explicit", "exponential"] | None = None
    bounds: tuple[float, ...] = Field(default=(), max_length=1024)
    start: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    width: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    scale: Annotated[int, Field(strict=True, ge=-10, le=20)] = 0
    offset: Annotated[int, Field(strict=True, ge=-(1 << 24), le=1 << 24)] = 0
    slot: str = ""
    slots: Annotated[int, Field(strict=True, ge=0, le=1024)] = 0
    slot_values: tuple[Annotated[int, Field(strict=True, ge=-(1 << 63), lt=1 << 63)], ...] = Field((), max_length=1024)
    sum_slot: Annotated[int, Field(strict=True, ge=-(1 << 63), lt=1 << 63)] | None = None
    sum: str = ""

    @model_validator(mode="after")
    def _fits(self) -> MetricSection:
        if (self.buckets is None) == (self.kind == "histogram"):
            raise ValueError("a histogram needs buckets, and nothing else has them")
        if self.buckets == "explicit" and not _ascending(self.bounds):
            raise ValueError("bounds must be numbers, each larger than the one before")
        self._slots_fit()
        self._expiry()
        return self

    def spec(self) -> MetricSpec:
        """Return what `tracerd.signals` has."""
        seconds_, pid = self._expiry()
        return MetricSpec(
            self.map, self.name, self.kind, self.value, self.unit, self.description, self.multiplier, self.merge,
            self._buckets(), _attributes(self.attributes), tuple(self.constants.items()), self.max_series, seconds_,
            pid,
        )  # fmt: skip

    def _buckets(self) -> BucketSpec | None:
        if self.buckets is None:
            return None
        return BucketSpec(
            self.buckets, self.bounds, self.start, self.width, self.scale, self.offset, self.slot,
            self.slots or len(self.slot_values), self.slot_values, self.sum_slot, self.sum,
        )  # fmt: skip

    def _slots_fit(self) -> None:
        if not self.slot and (self.slot_values or self.sum_slot is not None):
            raise ValueError("slot_values and sum_slot need slot: the key's field that has a slot's number")
        if self.slot and not (self.slots or self.slot_values):
            raise ValueError("slot needs slots: how many there are")
        if self.slot_values and (self.slots not in (0, len(self.slot_values)) or _repeats(self.slot_values)):
            raise ValueError("slot_values must have as many numbers as there are slots, each once")
        if self.sum_slot is not None and (self.sum or self.sum_slot in (self.slot_values or range(self.slots))):
            raise ValueError("sum_slot must be no slot's number, and is instead of sum")

    def _expiry(self) -> tuple[float, str]:
        if self.expire != "process-exit":
            return (seconds(self.expire) if self.expire else 0.0), ""
        named = [each.source for each in _attributes(self.attributes) if each.name == "process.pid"]
        if not (self.pid or named):
            raise ValueError("expire = \"process-exit\" needs pid: the key's field that is the process")
        return 0.0, self.pid or named[0]


def _repeats(numbers: tuple[int, ...]) -> bool:
    return len(set(numbers)) < len(numbers)


def _ascending(bounds: tuple[float, ...]) -> bool:
    return bool(bounds) and all(low < high for low, high in itertools.pairwise(bounds))


class RecordSection(StrictTable):
    """What [[log]] and [[span]] have in common."""

    ringbuf: str
    type: str = ""
    where: dict[str, int] = Field(default_factory=dict)
    attributes: Attributes = Field(default_factory=dict)
    constants: Constants = Field(default_factory=dict)
    rate_limit: Annotated[float, BeforeValidator(_rate)] = 0.0
    trace_id: str = ""
    span_id: str = ""

    def record(self) -> RecordSpec:
        """Return what `tracerd.signals` has."""
        return RecordSpec(
            self.ringbuf, self.type, tuple(self.where.items()), _attributes(self.attributes),
            tuple(self.constants.items()), self.rate_limit, self.trace_id, self.span_id,
        )  # fmt: skip


class LogSection(RecordSection):
    """[[log]]: log records made of a ring buffer's records."""

    event_name: Text
    severity: Literal["trace", "debug", "info", "warn", "error", "fatal"] = "info"
    severity_from: str = ""
    body: str = ""
    time: str = ""

    def spec(self) -> LogSpec:
        """Return what `tracerd.signals` has."""
        severity = SEVERITIES[self.severity]
        return LogSpec(self.record(), self.event_name, severity, self.severity_from, self.body, self.time)


class SpanSection(RecordSection):
    """[[span]]: spans made of a ring buffer's records."""

    name: Text
    start: str
    end: str = ""
    duration: str = ""           # instead of `end`
    parent_span_id: str = ""
    kind: Literal["internal", "server", "client", "producer", "consumer"] = "internal"
    error: str = ""

    @model_validator(mode="after")
    def _ends(self) -> SpanSection:
        if bool(self.end) == bool(self.duration):
            raise ValueError("a span needs either end or duration: the field that has it")
        return self

    def spec(self) -> SpanSpec:
        """Return what `tracerd.signals` has."""
        return SpanSpec(
            self.record(), self.name, self.start, self.end, self.duration, self.parent_span_id, SPAN_KINDS[self.kind],
            self.error,
        )  # fmt: skip

