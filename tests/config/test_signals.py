"""What a probe.toml says of metrics, log records and spans: what it means, and how a mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracerd.config import parse_probe
from tracerd.errors import ConfigError
from tracerd.signals import AttributeSpec, LogSpec, MetricSpec, Signals, SpanSpec

PROBE = '[probe]\nname = "p"\nobject = "p.bpf.o"\n'


def signals(text: str) -> Signals:
    return parse_probe(PROBE + text, Path("/probes"), "p.toml").signals


def metric(text: str) -> MetricSpec:
    (found,) = signals(f'[[metric]]\nmap = "m"\nname = "a.b"\nkind = "counter"\n{text}').metrics
    return found


def test_attributes_may_be_written_short_or_long_or_many_of_one_field() -> None:
    """A text is the attribute's name; a table says more; a list makes several."""
    found = metric(
        'attributes = { pid = "process.pid", "key.op" = { as = "op", values = { 0 = "read" }, allow_unknown = true }, '
        'comm = ["name", { as = "kind", decode = ["string", "hex"], match = "^a" }] }'
    )
    assert found.attributes == (
        AttributeSpec("pid", "process.pid"),
        AttributeSpec("key.op", "op", values=(("0", "read"),), allow_unknown=True),
        AttributeSpec("comm", "name"),
        AttributeSpec("comm", "kind", decode=("string", "hex"), match="^a"),
    )


def test_an_expiry_is_of_processes_or_a_time() -> None:
    """The process is the field that becomes process.pid, unless another is named."""
    assert metric('expire = "5m"').expire_seconds == 300
    named = 'expire = "process-exit"\nattributes = { "key.tgid" = "process.pid" }'
    assert metric(named).expire_pid == "key.tgid"
    assert metric(f'pid = "owner"\n{named}').expire_pid == "owner"


def test_logs_and_spans_have_their_numbers() -> None:
    """Severities and kinds by name, rates by the second."""
    found = signals(
        '[[log]]\nringbuf = "r"\nevent_name = "e"\nseverity = "warn"\nrate_limit = "90/m"\nwhere = { kind = 2 }\n'
        '[[span]]\nringbuf = "r"\nname = "s {op}"\nstart = "t0"\nend = "t1"\nkind = "client"\ntrace_id = "trace"\n'
    )
    (log,), (span,) = found.logs, found.spans
    assert isinstance(log, LogSpec)
    assert isinstance(span, SpanSpec)
    assert (log.severity, log.record.rate_limit, log.record.where) == (13, 1.5, (("kind", 2),))
    assert (span.kind, span.name, span.record.trace_id) == (3, "s {op}", "trace")
    assert found.rings == {"r"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "histogram"', "a histogram needs buckets"),
        ('buckets = "log2"', "a histogram needs buckets, and nothing else has them"),
        ('name = "1x"', "'1x' is no metric name"),
        ('unit = "sé"', "is no unit"),
        ("multiplier = 0", "greater than 0"),
        ('expire = "process-exit"', "needs pid"),
        ('expire = "soon"', "'soon' is not a length of time"),
        ('attributes = { pid = { decod = "x" } }', "unknown key 'decod'; did you mean 'decode'?"),
        ('attributes = { pid = { as = "x", match = "(" } }', "is no regular expression"),
        ('atributes = { pid = "x" }', "did you mean 'attributes'?"),
        ("constants = { a = [1] }", "must be text, a number, or true or false"),
        ("max_series = 0", "at least 1"),
    ],
)
def test_a_mistake_in_a_metric_is_told(text: str, said: str) -> None:
    """One sentence with the place; the nearest name where a key is unknown."""
    base = {"map": '"m"', "name": '"a.b"', "kind": '"counter"'}
    key, _, value = text.partition(" = ")
    lines = "\n".join(f"{name} = {each}" for name, each in (base | {key: value}).items())
    with pytest.raises(ConfigError) as caught:
        signals(f"[[metric]]\n{lines}")
    assert str(caught.value).startswith("p.toml: metric.0")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "histogram"\nbuckets = "explicit"', "bounds must be numbers, each larger"),
        ('kind = "histogram"\nbuckets = "explicit"\nbounds = [2, 1]', "bounds must be numbers, each larger"),
        ('kind = "histogram"\nbuckets = "log2"\nslot = "key.slot"', "slot needs slots"),
    ],
)
def test_buckets_must_be_whole(text: str, said: str) -> None:
    """What a histogram needs is told where it is missing."""
    with pytest.raises(ConfigError, match=said):
        signals(f'[[metric]]\nmap = "m"\nname = "h"\n{text}')


@pytest.mark.parametrize("ends", ["", 'end = "t1"\nduration = "d"'])
def test_a_span_has_an_end_or_a_duration(ends: str) -> None:
    """Not none, and not both."""
    with pytest.raises(ConfigError, match="a span needs either end or duration"):
        signals(f'[[span]]\nringbuf = "r"\nname = "s"\nstart = "t0"\n{ends}')


@pytest.mark.parametrize("rate", ["200", "0/s", "x/s", "5/d"])
def test_a_rate_has_a_unit(rate: str) -> None:
    """A number alone says nothing."""
    with pytest.raises(ConfigError, match="is not a rate"):
        signals(f'[[log]]\nringbuf = "r"\nevent_name = "e"\nrate_limit = "{rate}"')
