"""Configurations of ebpf_exporter: what they become, and that nothing is lost in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.btf.types import Array, Btf, Composite, Int, Member, Void
from tracerd.config import parse_probe
from tracerd.config.ebpf_exporter import Converted, convert, read_document, toml_of
from tracerd.elf.spec import MapSpec
from tracerd.errors import ConfigError
from tracerd.signals import AttributeSpec, MetricSpec
from tracerd.views.columns import MapColumns
from tracerd.views.signals import resolve

U8, U32, U64, S32, COMM, DISK, TWO, STACK, CALLER = range(1, 10)
BTF = Btf(
    (
        Void(),
        Int("unsigned char", 1, False, False, False),
        Int("unsigned int", 4, False, False, False),
        Int("unsigned long", 8, False, False, False),
        Int("int", 4, True, False, False),
        Array(U8, U32, 16),
        Composite(
            "disk", 16, (Member("dev", U32, 0, 0), Member("op", U8, 32, 0), Member("bucket", U64, 64, 0)), False
        ),
        Composite("two", 16, (Member("count", U64, 0, 0), Member("bytes", U64, 64, 0)), False),
        Array(U64, U32, 4),
        Composite(
            "caller", 56,
            (
                Member("error", S32, 0, 0), Member("uid", U32, 32, 0), Member("comm", COMM, 64, 0),
                Member("stack", STACK, 192, 0),
            ),
            False,
        ),
    )
)  # fmt: skip
MAPS = {
    each.name: each
    for each in (
        MapSpec("latency_seconds", 1, 16, 8, 64, key_type=DISK, value_type=U64),
        MapSpec("io", 1, 4, 16, 64, key_type=U32, value_type=TWO),
        MapSpec("calls_total", 5, 56, 8, 64, key_type=CALLER, value_type=U64),
        MapSpec("backlog", 1, 8, 8, 64, key_type=U64, value_type=U64),
    )
}
COLUMNS = {name: (MapColumns(spec, BTF), spec.key_size) for name, spec in MAPS.items()}

LATENCY = """
metrics:
  histograms:
    - name: latency_seconds
      help: How long it took
      bucket_type: exp2
      bucket_min: 0
      bucket_max: 3
      bucket_multiplier: 0.000001
      labels:
        - name: device
          size: 4
          decoders:
            - name: uint
        - name: operation
          size: 1
          padding: 3
          decoders:
            - name: uint
            - name: static_map
              static_map: { 0: read, 1: on }
        - name: bucket
          size: 8
          decoders:
            - name: uint
"""
CALLS = """
metrics:
  counters:
    - name: calls_total
      help: Calls
      labels:
        - { name: error, size: 4, decoders: [{ name: uint }, { name: errno }] }
        - { name: user, size: 4, decoders: [{ name: uint }] }
        - { name: command, size: 16, decoders: [{ name: string }, { name: regexp, regexps: [^sh$, "^a.c"] }] }
        - { name: stack, size: 32, decoders: [{ name: kstack }] }
"""
BACKLOG = """
metrics:
  histograms:
    - { name: backlog, bucket_type: TYPE, KEYS, labels: [{ name: bucket, size: 8, decoders: [{ name: uint }] }] }
"""


def converted(text: str, *, known: bool = True) -> Converted:
    """Convert with the maps of this module, and see that what is written is read as the same and is in the object."""
    made = convert(read_document(text, "x.yaml"), COLUMNS if known else None)
    probe = parse_probe(toml_of("x", "x.bpf.o", [("p", "begin")], made), Path(), "x")
    assert probe.signals.metrics == made.metrics
    assert probe.attach == (("p", "begin"),)
    if known:
        resolve(probe.signals, tuple(MAPS.values()), (), BTF)
    return made


def only(text: str, *, known: bool = True) -> tuple[MetricSpec, tuple[str, ...]]:
    """Convert a configuration of one metric."""
    made = converted(text, known=known)
    (metric,) = made.metrics
    return metric, made.left_out


def test_a_histogram_keeps_its_name_its_bounds_and_its_labels() -> None:
    """Fields come from the object: sizes with the padding apart, or in them."""
    expected = (
        AttributeSpec("key.dev", "device"),
        AttributeSpec("key.op", "operation", (), (("0", "read"), ("1", "on"))),
    )
    for text in (LATENCY, LATENCY.replace("size: 1\n          padding: 3", "size: 4")):
        metric, left_out = only(text)
        assert (metric.name, metric.unit, metric.kind) == ("ebpf_exporter_latency_seconds", "s", "histogram")
        assert (metric.map, metric.value, metric.multiplier) == ("latency_seconds", "value", 1e-6)
        assert metric.attributes == expected
        assert metric.buckets is not None
        assert (metric.buckets.slot, metric.buckets.bounds) == ("key.bucket", (1, 2, 4, 8))
        assert left_out == ()


@pytest.mark.parametrize(
    ("kind", "keys", "bounds", "values", "sum_slot"),
    [
        ("exp2", "bucket_max: 2", (1, 2, 4), (), 3),
        ("exp2", "bucket_min: 2, bucket_max: 4", (4, 8, 16), (2, 3, 4), 5),
        ("exp2zero", "bucket_max: 3", (0, 1, 2, 4), (), 4),
        ("linear", "bucket_max: 2", (0, 1, 2), (), 3),
        ("fixed", "bucket_keys: [1, 5, 25]", (1, 5, 25), (1, 5, 25), 26),
    ],
)
def test_every_bucket_type_has_its_bounds(
    kind: str, keys: str, bounds: tuple[float, ...], values: tuple[int, ...], sum_slot: int
) -> None:
    """Those that ebpf_exporter tells; the key behind the last has the sum."""
    metric, left_out = only(BACKLOG.replace("TYPE", kind).replace("KEYS", keys))
    assert metric.buckets is not None
    assert (metric.buckets.kind, metric.buckets.bounds, metric.buckets.slots) == ("explicit", bounds, len(bounds))
    assert (metric.buckets.slot, metric.buckets.slot_values, metric.buckets.sum_slot) == ("key", values, sum_slot)
    assert left_out == ()


@pytest.mark.parametrize(
    ("kind", "keys", "cause"),
    [
        ("exp2", "bucket_max: -1", "bucket_min 0 and bucket_max -1 are no range of keys"),
        ("exp2", "bucket_max: 1100", "are no range of keys"),
        ("linear", "bucket_max: 1000000000", "has more than 1024 buckets"),
        ("fixed", "bucket_keys: [0.5]", "bucket_keys must be whole numbers"),
        ("fixed", "bucket_keys: [2, 1]", "each larger than the one before"),
        ("fixed", "bucket_keys:", "bucket_keys must be whole numbers"),
    ],
)
def test_buckets_that_cannot_be_are_told(kind: str, keys: str, cause: str) -> None:
    """The metric is left out, in one sentence with its name."""
    made = converted(BACKLOG.replace("TYPE", kind).replace("KEYS", keys))
    assert made.metrics == ()
    (told,) = made.left_out
    assert told.startswith("histogram 'backlog' is left out: ")
    assert cause in told


def test_decoders_have_counterparts_or_are_told() -> None:
    """Signed numbers are made unsigned as before; what is no number and has no counterpart is left out."""
    metric, left_out = only(CALLS)
    assert metric.attributes == (
        AttributeSpec("key.error", "error", ("uint", "errno")),
        AttributeSpec("key.uid", "user"),
        AttributeSpec("key.comm", "command", ("string",), match="(?:^sh$)|(?:^a.c)"),
    )
    assert left_out == (
        "counter 'calls_total': label 'stack' is left out, and what differs only in it is added up: "
        "decoder 'kstack' has no counterpart here",
    )


@pytest.mark.parametrize(
    ("decoders", "made", "told"),
    [
        ("inet_ip", AttributeSpec("key.uid", "user", ("ipv4",)), ""),
        ("ifname", AttributeSpec("key.uid", "user", ("ifname",)), ""),
        ("ksym", AttributeSpec("key.uid", "user", ("ksym",)), ""),
        ("majorminor", AttributeSpec("key.uid", "user", ("major_minor",)), "gives 8:0, not the device's name"),
        ("hex", AttributeSpec("key.uid", "user", ("hex",)), "gives a number as 0x1f"),
        ("pci_vendor", AttributeSpec("key.uid", "user"), "'pci_vendor' has no counterpart here; the number stays"),
        ("uint }, { name: cgroup", AttributeSpec("key.uid", "user"), "'cgroup' has no counterpart here; the number"),
        ("sycall", AttributeSpec("key.uid", "user"), "unknown decoder 'sycall'; did you mean 'syscall'?"),
        ('regexp, regexps: ["("]', AttributeSpec("key.uid", "user"), "its regexps are left out"),
        ("static_map, static_map: { 1: a } }, { name: string", AttributeSpec("key.uid", "user", (), (("1", "a"),)),
         "decoder 'string' behind a static_map is left out"),
        ("static_map, static_map: { 0x1: a }, allow_unknown: true",
         AttributeSpec("key.uid", "user", (), (("0x1", "a"),), allow_unknown=True), ""),
    ],
)  # fmt: skip
def test_each_decoder_of_a_number(decoders: str, made: AttributeSpec, told: str) -> None:
    """A sentence names metric, label and decoder wherever something is not as before."""
    metric, left_out = only(CALLS.replace("user, size: 4, decoders: [{ name: uint }]",
                                          f"user, size: 4, decoders: [{{ name: {decoders} }}]"))  # fmt: skip
    assert made in metric.attributes
    sentences = [each for each in left_out if "label 'user'" in each]
    assert len(sentences) == bool(told)
    assert all(each.startswith("counter 'calls_total': ") and told in each for each in sentences)


def test_labels_that_are_no_field_are_told() -> None:
    """One over several fields, one that begins inside a field, and labels of another size than the key."""
    text = CALLS
    for label, size, wrong in (("error", 4, 8), ("user", 4, 2), ("command", 16, 14)):
        text = text.replace(f"name: {label}, size: {size}", f"name: {label}, size: {wrong}")
    metric, left_out = only(text)
    assert metric.attributes == ()
    assert "label 'error' is left out: its bytes 0 to 8 of the key are several fields: key.error, key" in left_out[0]
    assert "label 'user' is left out: no field of the key begins at byte 8 and ends by byte 10" in left_out[1]
    made = converted(CALLS.replace("size: 32", "size: 31"))
    assert made.metrics == ()
    assert "its labels have 55 bytes together, the map's key has 56" in made.left_out[-1]


def test_values_of_a_struct_are_metrics_of_their_own() -> None:
    """By their place; more than the struct has are told."""
    text = """
metrics:
  counters:
    - name: io
      labels: [{ name: cpu_id, size: 4, decoders: [{ name: uint }] }]
      values: [{ name: io_total, help: a }, { name: io_bytes_total, help: b }, { name: more }]
"""
    made = converted(text)
    assert [(each.map, each.name, each.value, each.unit, each.description) for each in made.metrics] == [
        ("io", "ebpf_exporter_io_total", "value.count", "", "a"),
        ("io", "ebpf_exporter_io_bytes_total", "value.bytes", "By", "b"),
    ]
    assert made.left_out == ("counter 'io' is left out: its value has no number at byte 16",)
    without = converted(text, known=False)
    assert without.metrics == ()
    assert "give it with --object" in without.left_out[0]


def test_the_label_cpu_of_a_per_cpu_map_is_left_out() -> None:
    """It is no part of the key; where it is, it stays."""
    cpu = "- { name: cpu, size: 2, decoders: [{ name: uint }] }"
    metric, left_out = only(CALLS + f"        {cpu}\n")
    assert "cpu" not in {each.name for each in metric.attributes}
    assert "counter 'calls_total': label 'cpu' is left out: values of all CPUs are added up" in left_out


def test_without_an_object_labels_stand_for_fields() -> None:
    """A key of one label is the key itself."""
    metric, _ = only(LATENCY, known=False)
    assert [each.source for each in metric.attributes] == ["device", "operation"]
    assert metric.value == ""
    metric, _ = only(BACKLOG.replace("TYPE", "linear").replace("KEYS", "bucket_max: 3"), known=False)
    assert metric.buckets is not None
    assert metric.buckets.slot == "key"


def test_what_is_not_here_is_told() -> None:
    """Perf event arrays, tracing, addresses, cgroups, maps that the object has not, and keys nobody knows."""
    made = converted("""
metrics:
  counters:
    - { name: oom_kills, perf_event_array: true, flush_interval: 10s, labels: [] }
    - { name: nope, help: x, lables: [] }
  histogram: []
tracing: { spans: [{ name: exec, ringbuf: spans }] }
kaddrs: [jiffies]
cgroup_id_map: { name: a, type: hash }
""")
    assert made.metrics == ()
    told = "\n".join(made.left_out)
    for sentence in (
        "metrics: unknown key 'histogram'; did you mean 'histograms'?",
        "metrics: counter 'nope': unknown key 'lables'; did you mean 'labels'?",
        "counter 'oom_kills' is left out: there are no perf event arrays here",
        "counter 'nope' is left out: the object has no map 'nope' with entries, only latency_seconds, io",
        "tracing is left out", "kaddrs is left out", "cgroup_id_map is left out",
    ):  # fmt: skip
        assert sentence in told


def test_names_that_cannot_be_are_told() -> None:
    """A name of two metrics, and one that no metric may have."""
    made = converted("metrics: { counters: [{ name: a }, { name: a }, { name: 'a:b' }] }", known=False)
    assert [each.name for each in made.metrics] == ["ebpf_exporter_a"]
    assert "there is a metric 'a' already" in made.left_out[0]
    assert "'a:b' is no metric name" in made.left_out[1]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("hello", "must have metrics: or tracing:"),
        ("programs: []", "is of ebpf_exporter 1"),
        ("metrics: { counters: [{ help: x }] }", "metrics.counters.0.name: is missing"),
        ("metrics: { counters: [{ name: x, labels: [{ name: y }] }] }", "labels.0.size: is missing"),
        ("metrics: { counters: [{ name: x, labels: [{ name: y, size: 0 }] }] }", "must be at least 1"),
        ("metrics: { histograms: [{ name: x, bucket_type: log10, labels: [] }] }", "'exp2', 'exp2zero', 'linear' or"),
        ("# " + "x" * (1 << 20), "no configuration of ebpf_exporter"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, cause: str) -> None:
    """In one sentence, with the file and the key."""
    with pytest.raises(ConfigError, match=re.escape(cause)) as caught:
        read_document(text, "x.yaml")
    assert str(caught.value).startswith("x.yaml: ")
    assert "\n" not in str(caught.value)


@given(text=st.text(min_size=1), help_=st.text())
def test_any_text_is_written_as_toml(text: str, help_: str) -> None:
    """Names of labels, values and comments come from a file that others wrote."""
    made = converted_text(text, help_)
    (metric,) = made.metrics
    probe = parse_probe(toml_of("x", "x.o", (), made), Path(), "x")
    assert probe.signals.metrics == (metric,)


def converted_text(text: str, help_: str) -> Converted:
    """Make a metric with a text wherever one may be."""
    attribute = AttributeSpec(text, text[:255], ("uint",), ((text, text),))
    metric = MetricSpec("m", "n", "counter", text, description=help_, attributes=(attribute,))
    return Converted((metric,), (text, help_))


def test_long_static_maps_are_tables_of_their_own() -> None:
    """As is what comes behind them; all are read back in their order."""
    names = ", ".join(f"{number}: REASON_{number}" for number in range(80))
    decoders = f"[{{ name: uint }}, {{ name: static_map, static_map: {{ {names} }} }}]"
    text = CALLS.replace("user, size: 4, decoders: [{ name: uint }]", f"user, size: 4, decoders: {decoders}")
    made = converted(text)
    written = toml_of("x", "x.o", (), made)
    assert '[metric.attributes."key.uid".values]\n0 = "REASON_0"\n' in written
    assert max(len(line) for line in written.splitlines()) < 160
