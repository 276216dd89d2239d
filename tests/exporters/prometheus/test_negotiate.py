"""Which format and encoding a client gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.prometheus.lines import Format
from exporters.prometheus.negotiate import choose_format, takes_gzip

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "text"),
        ("*/*", "text"),
        ("text/*", "text"),
        ("text/plain", "text"),
        ("application/*", "openmetrics"),
        ("application/openmetrics-text", "openmetrics"),
        ("Application/OpenMetrics-Text; Version=1.0.0", "openmetrics"),
        ('application/openmetrics-text; version="1.0.0"', "openmetrics"),
        ("application/openmetrics-text;version=0.0.1", "openmetrics"),
        ("application/openmetrics-text;version=2.0.0", None),
        ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", "text"),
        ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text;q=0.4", "text"),
        ("text/plain;q=0.4, application/openmetrics-text;q=0.5", "openmetrics"),
        ("text/plain, application/openmetrics-text", "text"),
        ("application/openmetrics-text, */*", "openmetrics"),
        ("text/plain;q=0, */*", "openmetrics"),
        ("text/plain;q=0, application/openmetrics-text;q=0", None),
        ("application/json", None),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", None),
        ("text/plain;q=high", None),
        (",;q=1,,", None),
        (PROMETHEUS_2, "openmetrics"),
        (PROMETHEUS_3, "openmetrics"),
        (BROWSER, "text"),
    ],
)
def test_the_format_is_what_the_client_likes_best(accept: str, form: Format | None) -> None:
    """By quality, then by what it names, then the text format; what is excluded or unknown is not sent."""
    assert choose_format(accept) == form


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("", False), ("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("*", True),
        ("gzip;q=0, *", False), ("identity", False), ("x-gzip", True), ("br, zstd", False), ("*;q=0", False),
    ],
)  # fmt: skip
def test_gzip_is_sent_to_who_asks_for_it(header: str, taken: bool) -> None:
    """By name, or with a star that does not exclude it."""
    assert takes_gzip(header) == taken


@given(st.text(alphabet='*/,;=q.01 "texplain\x00', max_size=40))
def test_any_header_is_an_answer(header: str) -> None:
    """Nothing that a client sends is an error of ours."""
    assert choose_format(header) in ("text", "openmetrics", None)
    assert takes_gzip(header) in (True, False)
