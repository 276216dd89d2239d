"""Documents of both formats: what the official parsers read is what was collected, whatever that is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.mapping.series import Metric, ProbeMetrics, Row
from exporters.prometheus.lines import Format
from exporters.prometheus.numbers import go_float
from exporters.prometheus.render import Renderer
from tests.exporters.prometheus.metrics import (
    exponential,
    histogram,
    lines,
    metric,
    numbers,
    parsed,
    probe,
    samples,
)
from tracerd.signals import Kind

FORMS: tuple[Format, ...] = ("text", "openmetrics")
U64, I64 = 2**64 - 1, -(2**63)

both = pytest.mark.parametrize("form", FORMS)


def body(form: Format, *probes: ProbeMetrics, resource: Row = ()) -> bytes:
    return Renderer(resource).render(probes, form).body


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_a_text_document_reads_so() -> None:
    """Counters are named with "_total", resources are a gauge, units are in names only."""
    calls = metric("probe.calls", "counter", numbers(np.array([3], np.uint64)), description='Calls "made"')
    latency = metric("latency", "histogram", histogram([0.5, 1e6], [[1, 2, 3]], [7.25]), unit="s")
    assert lines(body("text", probe(calls, latency), resource=(("service.name", "tracerd"),))) == [
        "# HELP target_info Target metadata",
        "# TYPE target_info gauge",
        'target_info{service_name="tracerd"} 1',
        '# HELP probe_calls_total Calls "made"',
        "# TYPE probe_calls_total counter",
        'probe_calls_total{otel_scope_name="tracerd.p",i="0"} 3',
        "# TYPE latency_seconds histogram",
        'latency_seconds_bucket{otel_scope_name="tracerd.p",i="0",le="0.5"} 1',
        'latency_seconds_bucket{otel_scope_name="tracerd.p",i="0",le="1e+06"} 3',
        'latency_seconds_bucket{otel_scope_name="tracerd.p",i="0",le="+Inf"} 6',
        'latency_seconds_sum{otel_scope_name="tracerd.p",i="0"} 7.25',
        'latency_seconds_count{otel_scope_name="tracerd.p",i="0"} 6',
    ]


def test_an_openmetrics_document_reads_so() -> None:
    """Families have no "_total", resources are an info, units are told, whole bounds have ".0", and it ends."""
    calls = metric("probe.calls", "counter", numbers(np.array([3], np.uint64)), description='Calls "made"')
    sizes = metric("size", "histogram", histogram([2.0], [[1, 2]], None), unit="By")
    assert lines(body("openmetrics", probe(calls, sizes), resource=(("service.name", "tracerd"),))) == [
        "# HELP target Target metadata",
        "# TYPE target info",
        'target_info{service_name="tracerd"} 1',
        r"# HELP probe_calls Calls \"made\"",
        "# TYPE probe_calls counter",
        'probe_calls_total{otel_scope_name="tracerd.p",i="0"} 3',
        "# TYPE size_bytes histogram",
        "# UNIT size_bytes bytes",
        'size_bytes_bucket{otel_scope_name="tracerd.p",i="0",le="2.0"} 1',
        'size_bytes_bucket{otel_scope_name="tracerd.p",i="0",le="+Inf"} 3',
        "# EOF",
    ]


@both
def test_nothing_is_a_valid_document(form: Format) -> None:
    """No probes, a probe without metrics, a metric without points, a column without series."""
    empty = probe(metric("a", "gauge"), metric("b", "histogram", histogram([1.0], np.zeros((0, 2)), None)))
    for probes in ((), (probe(),), (empty,)):
        assert samples(body(form, *probes), form) == {}


@both
@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (np.array([U64, 0], np.uint64), ["18446744073709551615", "0"]),
        (np.array([I64, 2**63 - 1]), ["-9223372036854775808", "9223372036854775807"]),
        (np.array([np.nan, np.inf, -np.inf, -0.0]), ["NaN", "+Inf", "-Inf", "-0.0"]),
        (np.array([0.1, 5e-324, 1.7976931348623157e308]), ["0.1", "5e-324", "1.7976931348623157e+308"]),
    ],
)
def test_numbers_are_exact(form: Format, values: Any, texts: list[str]) -> None:
    """Whole numbers have all digits; others are the shortest text that is no other number."""
    document = body(form, probe(metric("m", "gauge", numbers(values))))
    assert [line.rsplit(" ")[-1] for line in lines(document) if line.startswith("m{")] == texts
    np.testing.assert_array_equal(list(samples(document, form).values()), values.astype(float))


@both
def test_label_values_are_exact(form: Format) -> None:
    """Quotes, backslashes, ends of lines, NUL, other controls, unicode, percents and nothing at all."""
    odd = ["", '"', "\\", "\n", "\\n", "\x00", "\r", "\u2028", "a,b=c}", "𝔘ñ", "%s%%d", " # {", "\x1b[0m"]
    rows: list[Row] = [(("v", each), ("k", place)) for place, each in enumerate(odd)]
    gauge = metric("g", "gauge", numbers(np.arange(len(odd)), *rows))
    buckets = metric("h", "histogram", histogram([1.0], [[1, 1]] * len(odd), None, *rows))
    found = samples(body(form, probe(gauge, buckets, name='%d"\n')), form)
    for place, each in enumerate(odd):
        own = labels(otel_scope_name='tracerd.%d"\n', v=each, k=str(place))
        assert found["g", own] == place
        assert found["h_bucket", own | labels(le="+Inf")] == 2


@both
def test_a_counter_below_zero_or_nan_is_left_out(form: Format) -> None:
    """Neither format lets a counter be so; the others of its column are told."""
    document = Renderer().render([probe(metric("c", "counter", numbers([-1.0, np.nan, np.inf, 2.0])))], form)
    assert list(samples(document.body, form).values()) == [np.inf, 2.0]
    assert (document.samples, document.unfit) == (2, 2)


@both
@pytest.mark.parametrize("sums", [None, [np.nan], [-1.0]])
def test_a_sum_that_may_fall_is_not_told(form: Format, sums: list[float] | None) -> None:
    """The text format has the count nevertheless; OpenMetrics has it only beside a sum."""
    found = samples(body(form, probe(metric("h", "histogram", histogram([1.0], [[1, 2]], sums)))), form)
    assert {name for name, _ in found} == {"h_bucket"} | ({"h_count"} if form == "text" else set())


@both
def test_a_histogram_with_negative_bounds_has_no_sum(form: Format) -> None:
    """Its sum is no total."""
    document = body(form, probe(metric("h", "histogram", histogram([-1.0, 1.0], [[1, 2, 3]], [4.0]))))
    assert "h_sum" not in {name for name, _ in samples(document, form)}


@both
def test_bucket_counts_beyond_64_bits_are_exact(form: Format) -> None:
    """Cumulative counts never wrap: they would fall."""
    document = body(form, probe(metric("h", "histogram", histogram([1.0], [[U64, 7]], [1.0]))))
    assert lines(document)[2].endswith(f'le="+Inf"}} {U64 + 7}')


@both
def test_bounds_that_are_one_are_one_bucket(form: Format) -> None:
    """Equal bounds, and a last one of +Inf, do not make a label twice."""
    document = body(form, probe(metric("h", "histogram", histogram([1.0, 1.0, np.inf], [[1, 2, 3, 4]], None))))
    found = {dict(own)["le"]: value for (name, own), value in samples(document, form).items() if name == "h_bucket"}
    assert list(found.values()) == [3, 10]


@both
@pytest.mark.parametrize(
    ("scale", "offset", "bounds"),
    [
        (0, -2, [0.5, 1.0, 2.0]),
        (1, -1, [1.0, 2**0.5, 2.0]),
        (-1, 0, [4.0, 16.0, 64.0]),
        (20, 0, [2 ** (1 / 2**20), 2 ** (2 / 2**20), 2 ** (3 / 2**20)]),
        (0, 1022, [2.0**1023]),                  # what follows is more than any number
        (0, -1100, [0.0]),                       # what follows is less than any number, and one bucket
    ],
)
def test_exponential_buckets_are_told_as_classic_ones(
    form: Format, scale: int, offset: int, bounds: list[float]
) -> None:
    """A bucket's bound is base**(offset + j + 1); the count of all of them is at +Inf."""
    document = body(form, probe(metric("h", "histogram", exponential(scale, offset, [[1, 2, 3]]))))
    buckets = {own: value for (name, own), value in samples(document, form).items() if name == "h_bucket"}
    found = {float(dict(own)["le"]): value for own, value in buckets.items()}
    assert list(found) == [pytest.approx(bound, rel=1e-15) for bound in bounds] + [np.inf]
    assert found[np.inf] == 6


@both
def test_an_exponential_histogram_without_buckets_counts_nothing(form: Format) -> None:
    document = body(form, probe(metric("h", "histogram", exponential(0, 0, np.zeros((1, 0))))))
    assert set(samples(document, form).values()) == {0.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (100000.0, "100000"), (1e6, "1e+06"), (1234567.0, "1.234567e+06"),
        (0.0001, "0.0001"), (0.00001, "1e-05"), (5e-324, "5e-324"), (1e100, "1e+100"), (-1e-9, "-1e-09"),
    ],
)  # fmt: skip
def test_bounds_are_written_as_go_does(value: float, text: str) -> None:
    """Prometheus compares `le` as text."""
    assert go_float(value) == text


@both
def test_one_family_has_the_points_of_all_probes(form: Format) -> None:
    """Same name, type and unit: described once, and each probe's points have its name."""
    one = probe(metric("io", "counter", numbers([1], (("k", "v"),)), unit="By", description="First"), name="one")
    two = probe(metric("io_bytes", "counter", numbers([2], (("k", "v"),)), unit="By", description="Second"), name="two")
    document = Renderer().render([one, two], form)
    assert document.conflicting == ()
    (family,) = parsed(document.body, form).values()
    assert family.documentation == "First"
    told = [(each.labels["otel_scope_name"], each.value) for each in family.samples]
    assert told == [("tracerd.one", 1), ("tracerd.two", 2)]


@both
@pytest.mark.parametrize(
    "later",
    [
        metric("a.b", "gauge", numbers([2])),                            # another type
        metric("a_b", "histogram", histogram([1.0], [[1, 2]], None)),
        metric("a_b_total", "gauge", numbers([2])),                      # the name of a sample of it
        metric("a_b_created", "gauge", numbers([2])),
        metric("target", "gauge", numbers([2])),                         # the resource's
        metric("target_info", "gauge", numbers([2])),
    ],
)
def test_a_metric_whose_name_is_taken_is_left_out(form: Format, later: Metric) -> None:
    """The first keeps it; the document stays valid."""
    first = probe(metric("a.b", "counter", numbers([1])), name="one")
    document = Renderer((("k", "v"),)).render([first, probe(later, name="two")], form)
    assert document.conflicting == (f"tracerd.two: {later.name}",)
    assert {name for name, _ in samples(document.body, form)} == {"a_b_total", "target_info"}


@both
def test_another_unit_under_the_same_name_is_left_out(form: Format) -> None:
    """Nobody could tell which numbers are seconds."""
    metrics = probe(metric("a", "gauge", numbers([1]), unit="s"), metric("a_seconds", "gauge", numbers([2])))
    assert Renderer().render([metrics], form).conflicting == ("tracerd.p: a_seconds",)


@both
def test_a_histogram_takes_the_names_of_its_samples(form: Format) -> None:
    """And gets none that is taken."""
    count, whole = metric("h.count", "gauge", numbers([1])), metric("h", "histogram", histogram([], [[1]], None))
    assert Renderer().render([probe(count, whole)], form).conflicting == ("tracerd.p: h",)
    assert Renderer().render([probe(whole, count)], form).conflicting == ("tracerd.p: h.count",)


@both
def test_series_that_become_one_are_told_once(form: Format) -> None:
    """1 and "1" are one label, in whichever order; the first is kept."""
    twice = metric(
        "g", "gauge", numbers([1, 2, 3], (("a", 1), ("b", 0)), (("b", "0"), ("a", "1")), (("a", 2), ("b", 0)))
    )
    more = metric("g", "gauge", numbers([4], (("a", "2"), ("b", "0"))))
    document = Renderer().render([probe(twice, more)], form)
    assert list(samples(document.body, form).values()) == [1, 3]
    assert document.unfit == 2


def test_what_is_kept_follows_the_values() -> None:
    """The same series with other numbers, in both formats, then other series."""
    renderer, points = Renderer(), numbers([1, 2])
    for values in ([1, 2], [3, 4]):
        changed = type(points)(points.attributes, points.starts, np.array(values))
        for form in FORMS:
            found = samples(renderer.render([probe(metric("m", "gauge", changed))], form).body, form)
            assert list(found.values()) == values
    found = samples(renderer.render([probe(metric("m", "gauge", numbers([5], (("z", 1),))))], "text").body, "text")
    assert found == {("m", labels(otel_scope_name="tracerd.p", z="1")): 5}


def test_series_that_are_gone_are_forgotten() -> None:
    """Nothing is kept of what the last document did not have."""
    renderer, points = Renderer(), numbers([1])
    before = sys.getrefcount(points.attributes)
    renderer.render([probe(metric("m", "counter", points))], "text")
    kept = sys.getrefcount(points.attributes)
    renderer.render([], "text")
    after = sys.getrefcount(points.attributes)
    assert (kept, after) == (before + 1, before)


TEXT = st.text(max_size=8)
ROW = st.dictionaries(TEXT, TEXT | st.integers() | st.floats() | st.booleans(), max_size=3).map(
    lambda found: tuple(found.items())
)
UNITS = st.sampled_from(["", "s", "By", "1", "By/s", "{call}"]) | TEXT
COUNTS = st.integers(0, U64)


@st.composite
def any_metric(draw: st.DrawFn) -> Metric:
    """A metric of one to three series with any names, labels and numbers."""
    kind = draw(st.sampled_from(["counter", "gauge", "histogram"]))
    rows = draw(st.lists(ROW, min_size=1, max_size=3))
    named = {"unit": draw(UNITS), "description": draw(TEXT)}
    name = draw(TEXT | st.sampled_from(["a", "a.b", "a_total", "a_count", "target"]))
    if kind != "histogram":
        values = draw(st.sampled_from([(np.uint64, COUNTS), (np.int64, st.integers(I64, -I64 - 1)),
                                       (np.float64, st.floats())]))  # fmt: skip
        made = np.array([draw(values[1]) for _ in rows], values[0])
        return metric(name, kind, numbers(made, *rows), **named)
    bounds = sorted(draw(st.lists(st.floats(allow_nan=False), max_size=3)))
    counts = [[draw(COUNTS) for _ in range(len(bounds) + 1)] for _ in rows]
    sums = draw(st.none() | st.just([draw(st.floats()) for _ in rows]))
    return metric(name, kind, histogram(bounds, counts, sums, *rows), **named)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.builds(lambda name, found: probe(*found, name=name), TEXT, st.lists(any_metric(), max_size=3)),
                max_size=3), ROW)  # fmt: skip
def test_any_metrics_are_a_document_that_the_official_parsers_take(probes: list[ProbeMetrics], resource: Row) -> None:
    """As many samples as were told, and no series twice; the formats have the same ones but for `_count`."""
    renderer = Renderer(resource)
    found = {}
    for form in FORMS:
        document = renderer.render(probes, form)
        read = samples(document.body, form)
        assert len(read) == document.samples
        found[form] = {name for name, _ in read}
    assert found["openmetrics"] <= found["text"]
    assert all(name.endswith("_count") for name in found["text"] - found["openmetrics"])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["counter", "gauge"]), st.lists(COUNTS, min_size=1) | st.lists(st.floats(), min_size=1))
def test_any_number_is_read_back_exactly(kind: Kind, values: list[int] | list[float]) -> None:
    """Also whole numbers that no float has."""
    whole = isinstance(values[0], int)
    told = values if whole or kind == "gauge" else [each for each in values if each >= 0]
    points = numbers(np.array(values, np.uint64 if whole else np.float64))
    for form in FORMS:
        document = body(form, probe(metric("m", kind, points)))
        texts = [line.rsplit(" ")[-1] for line in lines(document) if line.startswith("m")]
        np.testing.assert_array_equal([int(text) if whole else float(text) for text in texts], told)
        np.testing.assert_array_equal(list(samples(document, form).values()), np.array(told, np.float64))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.floats(0, 1e300), unique=True, max_size=5).map(sorted))
def test_any_histogram_is_read_back_exactly(data: st.DataObject, bounds: list[float]) -> None:
    """Bounds, cumulative counts and sums."""
    counts = data.draw(st.lists(st.lists(st.integers(0, 2**40), min_size=len(bounds) + 1, max_size=len(bounds) + 1),
                                min_size=1, max_size=3))  # fmt: skip
    sums = data.draw(st.lists(st.floats(0, 1e300), min_size=len(counts), max_size=len(counts)))
    expected = {}
    for place, row in enumerate(counts):
        own = labels(otel_scope_name="tracerd.p", i=str(place))
        for bound, total in zip([*bounds, np.inf], np.cumsum(row).tolist(), strict=True):
            expected["h_bucket", own, bound] = total
        expected |= {("h_sum", own, None): sums[place], ("h_count", own, None): sum(row)}
    for form in FORMS:
        found = samples(body(form, probe(metric("h", "histogram", histogram(bounds, counts, sums)))), form)
        read = {(name, frozenset(pair for pair in own if pair[0] != "le"), dict(own).get("le")): value
                for (name, own), value in found.items()}  # fmt: skip
        assert {(name, own, le and float(le)): value for (name, own, le), value in read.items()} == expected


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_has_nothing_to_say() -> None:
    """Prometheus' own checker takes a document as a daemon makes it, without a remark."""
    rows: list[Row] = [(("process.pid", pid), ("syscall.name", name)) for pid in (1, 2) for name in ("read", "openat")]
    syscalls = probe(
        metric("tracerd.syscalls.calls", "counter", numbers([1, 2, 3, U64], *rows), unit="{call}",
               description="Calls."),
        metric("tracerd.syscalls.latency", "histogram", histogram([1e-6, 1.0], [[1, 2, 3]] * 4, [0.5] * 4, *rows),
               unit="s", description="How long they took, \"all\" of them\\."),
        metric("tracerd.memory", "gauge", numbers([1.5], ()), unit="By", description="In use."),
        metric("tracerd.sizes", "histogram", exponential(1, -3, [[1, 2, 3]], np.array([4.0])), unit="By",
               description="Of writes."),
        name="syscalls",
    )  # fmt: skip
    document = body("text", syscalls, resource=(("service.name", "tracerd"), ("host.name", "h\"\\")))
    ran = subprocess.run(["promtool", "check", "metrics"], input=document, capture_output=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
