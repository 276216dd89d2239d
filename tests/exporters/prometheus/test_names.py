"""Names, labels and texts: the tables of OpenTelemetry's Prometheus compatibility specification."""

from __future__ import annotations

import pytest

from exporters.mapping.series import Row
from exporters.prometheus.names import Labels, escape, escape_help, family_name, label_name, text_of
from exporters.prometheus.units import unit_words
from tracerd.signals import Kind, Scalar


@pytest.mark.parametrize(
    ("name", "unit", "kind", "family", "words"),
    [
        # invalid characters, several underscores, a digit in front
        ("tracerd.syscalls.calls", "{call}", "counter", "tracerd_syscalls_calls", ""),
        ("a--b.._c", "", "gauge", "a_b_c", ""),
        ("(lambda).function.executions(#)", "", "gauge", "_lambda_function_executions_", ""),
        ("2xx", "", "gauge", "_2xx", ""),
        ("über:größe", "", "gauge", "_ber:gr_e", ""),
        ("", "", "gauge", "_", ""),
        # units
        ("http.server.duration", "s", "histogram", "http_server_duration_seconds", "seconds"),
        ("latency", "ms", "histogram", "latency_milliseconds", "milliseconds"),
        ("disk.io", "By", "counter", "disk_io_bytes", "bytes"),
        ("memory.utilization", "1", "gauge", "memory_utilization_ratio", "ratio"),
        ("restarts", "1", "counter", "restarts", ""),
        ("depth", "1", "histogram", "depth", ""),
        ("throughput", "By/s", "gauge", "throughput_bytes_per_second", "bytes_per_second"),
        ("requests", "1/s", "gauge", "requests_per_second", "per_second"),
        ("requests", "{request}/s", "gauge", "requests_per_second", "per_second"),
        ("size", "By/{packet}", "gauge", "size_bytes", "bytes"),
        ("size", "By{payload}", "gauge", "size_bytes", "bytes"),
        ("speed", "m/s", "gauge", "speed_meters_per_second", "meters_per_second"),
        ("share", "%", "gauge", "share_percent", "percent"),
        ("heat", "Cel", "gauge", "heat_celsius", "celsius"),
        ("odd", "unit@with#special/chars", "gauge", "odd_unit_with_special_per_chars", "unit_with_special_per_chars"),
        ("odd", "@#$", "gauge", "odd", ""),
        # nothing twice
        ("cpu_seconds_total", "s", "counter", "cpu_seconds", "seconds"),
        ("cpu_total", "s", "counter", "cpu_seconds", "seconds"),
        ("response_time_seconds", "s", "gauge", "response_time_seconds", "seconds"),
        ("usage_ratio", "1", "gauge", "usage_ratio", "ratio"),
        ("throughput.bytes", "By/s", "gauge", "throughput_bytes_per_second", "bytes_per_second"),
        ("seconds_before_birthday", "s", "gauge", "seconds_before_birthday_seconds", "seconds"),
        ("milliseconds", "s", "gauge", "milliseconds_seconds", "seconds"),
        ("size_", "By", "gauge", "size_bytes", "bytes"),
        # a name that is its unit has no suffix of it, so the unit is not told
        ("seconds", "s", "gauge", "seconds", ""),
        # a total that is no counter's
        ("events_total", "", "gauge", "events_total", ""),
        ("_total", "", "counter", "_", ""),
    ],
)
def test_metric_names(name: str, unit: str, kind: Kind, family: str, words: str) -> None:
    """The family's name is OpenMetrics': a counter's "_total" comes with its sample."""
    named = family_name(name, unit, kind)
    assert (named.name, named.unit) == (family, words)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("d", "days"), ("h", "hours"), ("min", "minutes"), ("us", "microseconds"), ("ns", "nanoseconds"),
        ("KiBy", "kibibytes"), ("TiBy", "tebibytes"), ("kBy", "kilobytes"), ("Hz", "hertz"), ("V", "volts"),
        (" By / s ", "bytes_per_second"), ("s/{a}/{b}", "seconds"), ("{open", ""), ("/s", "per_second"),
        ("By/", "bytes"), ("unit__twice", "unit_twice"), ("permille", "permille"), ("{a}{b}", ""),
        ("By/min", "bytes_per_minute"),
    ],
)  # fmt: skip
def test_units(unit: str, words: str) -> None:
    """UCUM's become words, annotations are dropped, the rest stays."""
    assert unit_words(unit, "gauge") == words


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("process.pid", "process_pid"), ("le", "le"), ("1st", "_1st"), ("a::b", "a_b"), ("a..b", "a_b"), ("", "_"),
        ("__reserved", "_reserved"), ("größe", "gr_e"), ("a\x00b", "a_b"), ("१", "_"),
    ],
)  # fmt: skip
def test_label_names(name: str, label: str) -> None:
    """What Prometheus does not take in a name is one underscore."""
    assert label_name(name) == label


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((), ""),
        ((("b", "2"), ("a", "1")), 'a="1",b="2"'),
        ((("pid", 7), ("ok", True), ("share", 0.5)), 'ok="true",pid="7",share="0.5"'),
        ((("path", 'C:\\x "y"\n%s'),), r'path="C:\\x \"y\"\n%s"'),
        ((("raw", "\udcff\x00ü"),), r'raw="\\udcff' + '\x00ü"'),
        ((("a_b", "3"), ("a.b", "1"), ("a-b", "0")), 'a_b="0;1;3"'),
    ],
)
def test_label_texts(row: Row, text: str) -> None:
    """Labels are sorted; attributes that become one are joined in the order of their own names."""
    assert Labels().text(row) == text


def test_an_attribute_never_takes_a_label_of_ours() -> None:
    """It is renamed as Prometheus does it when a scraped label is in its way."""
    labels = Labels((("otel_scope_name", "100%"),), reserved=("le",))
    row = (("le", "x"), ("otel.scope.name", "y"), ("exported_le", "z"))
    assert labels.text(row) == 'otel_scope_name="100%",exported_le="z;x",exported_otel_scope_name="y"'
    assert labels.text(()) == 'otel_scope_name="100%"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (-(2**63), "-9223372036854775808"), (1e300, "1e+300"), (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"), (float("inf"), "Infinity"), ("true", "true"),
    ],
)  # fmt: skip
def test_values_that_are_no_text(value: Scalar, text: str) -> None:
    """They are JSON's, and OpenTelemetry's where JSON has none."""
    assert text_of(value) == text


def test_quotes_in_help_are_escaped_in_openmetrics_only() -> None:
    """Backslashes and ends of lines are in both."""
    text = 'a "b" \\" \\n\n'
    assert escape(text) == r"a \"b\" \\\" \\n\n"
    assert escape_help(text) == r'a "b" \\" \\n\n'
