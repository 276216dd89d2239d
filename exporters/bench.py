"""`tracerd bench export`: from a map's copy to bytes for a collector or a scrape, beside the SDK's own instruments.

Ten thousand series of a counter with three attributes, as system calls by process have them; medians of alternated
repetitions in one process. "first" makes everything anew, "repeat" has the same series with other values, "churn" has a
tenth of the series replaced by others.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from exporters.mapping.mapper import Mapper
from exporters.mapping.records import RecordMapper
from exporters.otlp import resource
from exporters.otlp.encode_metrics import MetricsEncoder
from exporters.otlp.encode_records import encode_logs
from exporters.prometheus.render import Renderer
from tracerd.signals import AttributeSpec, BucketSpec, LogSpec, MetricSpec, RecordSpec, Signals
from tracerd.snapshot import Bytes, Column, MapSnapshot, Moment, ProbeMoment, RecordBatch

SERIES, RECORDS, REPEATS = 10_000, 10_000, 15
HELP = "From a map's copy to an OTLP request and a Prometheus scrape, beside the SDK's instruments."

_ENTRY = np.dtype([("pid", "<u4"), ("call", "<u4"), ("count", "<u8"), ("comm", "S16"), ("slots", "<u8", (27,))])
_KEY_BYTES = 8
_RESOURCE = resource.encode(resource.attributes({}))
_ATTRIBUTES = (
    AttributeSpec("pid", "process.pid"),
    AttributeSpec("call", "syscall", ("syscall",)),
    AttributeSpec("comm", "process.executable.name"),
)
_COUNTER = MetricSpec("calls", "tracerd.syscall.count", "counter", "count", "{call}", attributes=_ATTRIBUTES,
                      max_series=SERIES)  # fmt: skip
_HISTOGRAM = replace(_COUNTER, name="tracerd.syscall.duration", kind="histogram", value="slots", unit="s",
                     multiplier=1e-9, buckets=BucketSpec("log2", slots=27))  # fmt: skip
_LOG = LogSpec(RecordSpec("slow", attributes=_ATTRIBUTES), "tracerd.syscall.slow", time="count")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what was made of how many series (or records), in milliseconds."""

    what: str
    series: int
    ms: float

    def to_json(self) -> dict[str, object]:
        """Return the row of `bench export --json`."""
        return {"what": self.what, "series": self.series, "ms": round(self.ms, 3),
                "per_s": round(self.series / self.ms * 1e3)}  # fmt: skip


class _Layout:
    """Reads what this module makes."""

    size = _ENTRY.itemsize

    def read(self, data: MapSnapshot | Bytes, path: str, merge: str = "") -> Column:  # noqa: ARG002  there is one CPU
        """Return a field of a map's entries, or of records."""
        if isinstance(data, MapSnapshot):
            data = np.concatenate([data.keys, data.values[:, 0]], axis=1)
        column = np.ascontiguousarray(data).view(_ENTRY)[:, 0][path]
        return np.char.decode(column).astype(object) if path == "comm" else column

    def raw(self, records: Bytes, path: str) -> Bytes:
        """Return a field's own bytes."""
        whole = np.ascontiguousarray(records).view(_ENTRY)[:, 0]
        return np.ascontiguousarray(whole[path]).view(np.uint8).reshape(len(records), -1)


class _Machine:
    """Ten thousand system calls by process, that go on being called."""

    def __init__(self, *metrics: MetricSpec) -> None:
        self.signals = Signals(metrics, (_LOG,))
        self.entries = np.zeros(SERIES, _ENTRY)
        chance = np.random.default_rng(1)
        self.entries["pid"] = np.arange(SERIES) // 25 + 1000
        self.entries["call"] = np.arange(SERIES) % 25
        self.entries["comm"] = [f"program-{pid % 300}" for pid in self.entries["pid"]]
        self.entries["slots"] = chance.integers(0, 1000, (SERIES, 27))
        self._next = SERIES

    def moment(self, replaced: int = 0) -> Moment:
        """Return what is there now, after a second of work; so many entries are others."""
        self.entries["count"] += np.arange(SERIES, dtype=np.uint64) % np.uint64(97) + np.uint64(1)
        for place in range(replaced):
            self._next += 1
            at = (self._next * 7) % SERIES
            self.entries[at]["pid"], self.entries[at]["count"] = self._next + 100_000, place
        whole = self.entries.copy().view(np.uint8).reshape(SERIES, -1)
        now = time.time_ns()
        copied = MapSnapshot("calls", now, whole[:, :_KEY_BYTES], whole[:, None, _KEY_BYTES:], SERIES, 0, now - 10**9)
        probe = ProbeMoment("syscalls", {"calls": copied}, {}, {}, self.signals, {"calls": _Layout()})
        return Moment(now, 10**9, 0, {"syscalls": probe}, (), {}, {})

    def batch(self) -> RecordBatch:
        """Return as many records."""
        records = tuple(each.tobytes() for each in self.entries[:RECORDS])
        return RecordBatch("syscalls", "slow", records, time.time_ns(), 0, self.signals, {"": _Layout()})


def run(repeats: int = REPEATS) -> list[Row]:
    """Measure everything, the subjects in turns."""
    subjects = [(what, series, work) for what, series, work in _subjects()]
    taken: dict[str, list[float]] = {what: [] for what, _, _ in subjects}
    for _ in range(repeats):
        for what, _, work in subjects:
            taken[what].append(work())
    return [Row(what, series, statistics.median(taken[what])) for what, series, _ in subjects]


def render(rows: Sequence[Row]) -> str:
    """Return a table for people."""
    form = "{:<24}{:>8,}{:>10.2f} ms{:>14,.0f} /s".format
    return "\n".join(form(row.what, row.series, row.ms, row.series / row.ms * 1e3) for row in rows)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def _subjects() -> Iterator[tuple[str, int, Callable[[], float]]]:
    """Yield what to measure: a call makes its input, measures one run, and returns the milliseconds."""
    machine, slots = _Machine(_COUNTER), _Machine(_HISTOGRAM)
    mapper, encoder = Mapper(), MetricsEncoder(_RESOURCE)
    yield "otlp first", SERIES, lambda: _otlp(Mapper(), MetricsEncoder(_RESOURCE), machine.moment())
    yield "otlp repeat", SERIES, lambda: _otlp(mapper, encoder, machine.moment())
    churned, churning = Mapper(), MetricsEncoder(_RESOURCE)
    other = _Machine(_COUNTER)
    yield "otlp churn", SERIES, lambda: _otlp(churned, churning, other.moment(SERIES // 10))
    histograms, buckets = Mapper(), MetricsEncoder(_RESOURCE)
    yield "otlp histograms", SERIES, lambda: _otlp(histograms, buckets, slots.moment())
    scraped, renderer = Mapper(), Renderer()
    yield "prometheus first", SERIES, lambda: _scrape(Mapper(), Renderer(), machine.moment())
    yield "prometheus scrape", SERIES, lambda: _scrape(scraped, renderer, machine.moment())
    records, batch = RecordMapper(), machine.batch()
    yield "log records", RECORDS, lambda: _timed(lambda: encode_logs(_RESOURCE, records.map(batch)[0]))
    sdk = _Sdk(machine)
    yield "sdk instruments", sdk.series, sdk.milliseconds


def _otlp(mapper: Mapper, encoder: MetricsEncoder, moment: Moment) -> float:
    return _timed(lambda: encoder.encode(mapper.collect(moment)))


def _scrape(mapper: Mapper, renderer: Renderer, moment: Moment) -> float:
    return _timed(lambda: renderer.render(mapper.collect(moment), "text"))


class _Sdk:
    """The same counter through an instrument of the SDK that observes it, as its reader hands it to an exporter."""

    def __init__(self, machine: _Machine) -> None:
        self._machine = machine
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader], shutdown_on_exit=False).get_meter("bench")
        meter.create_observable_counter("tracerd.syscall.count", [self._observe])
        self.milliseconds()
        data = self._reader.get_metrics_data()
        points = [len(metric.data.data_points) for resource in (data.resource_metrics if data else ())
                  for scope in resource.scope_metrics for metric in scope.metrics]  # fmt: skip
        self.series = sum(points)

    def milliseconds(self) -> float:
        """Return how long it takes until the points are there; encoding them comes on top."""
        return _timed(self._reader.get_metrics_data)

    def _observe(self, _options: CallbackOptions) -> Iterator[Observation]:
        columns = [self._machine.entries[name].tolist() for name in ("pid", "call", "comm", "count")]
        for pid, call, comm, count in zip(*columns, strict=True):
            yield Observation(count, {"process.pid": pid, "syscall": call, "process.executable.name": comm})
