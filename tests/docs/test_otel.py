"""docs/otel.md says what the models, decoders, variables and metrics are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from exporters.measures import MEASURES
from exporters.otlp.settings import Section as OtlpSection
from exporters.otlp.settings import resolve
from exporters.otlp.statistics import CAUSES
from exporters.prometheus.settings import Section as PrometheusSection
from tests.docs.blocks import blocks_of
from tests.docs.exported import own_metrics, probe_metrics, samples
from tracerd.config.daemon import parse_config
from tracerd.config.probe import ProbeFile
from tracerd.config.signals import AttributeSection, LogSection, MetricSection, SpanSection
from tracerd.config.strict import validate
from tracerd.runtime.locate import shipped_probes
from tracerd.signals import MACHINE_DECODERS
from tracerd.snapshot import LEDGER_COUNTS
from tracerd.views.decoders import DECODERS

PAGE = Path(__file__).parents[2] / "docs" / "otel.md"
TEXT = PAGE.read_text()
SECTIONS: dict[str, type[BaseModel]] = {"otlp": OtlpSection, "prometheus": PrometheusSection}
GIVEN = {
    "map": "m", "name": "n", "kind": "counter", "ringbuf": "r", "event_name": "e", "start": "s", "as": "a",
}  # fmt: skip
"""What a model needs before it can say its defaults."""


def table(head: str, after: str = "") -> list[list[str]]:
    """The rows of the first table with this head behind a heading."""
    text = TEXT.partition(f"\n{after}\n")[2] if after else TEXT
    rows = text.partition(f"{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert rows, head
    return [[cell.strip() for cell in re.split(r" \|(?= )", row.removesuffix(" |").removeprefix("|"))] for row in rows]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(
    ("after", "model"),
    [
        ("## In a probe.toml: [[metric]]", MetricSection),
        ("An attribute is a name, a table, or a list of both: one field may become several attributes.",
         AttributeSection),
        ("## [[log]]", LogSection),
        ("## [[span]]", SpanSection),
        ("## [exporters.otlp]", OtlpSection),
        ("## [exporters.prometheus]", PrometheusSection),
    ],
)  # fmt: skip
def test_every_key_is_documented_with_its_default(after: str, model: type[BaseModel]) -> None:
    """`needed` where there is none, `none` where TOML has no word for it."""
    rows = {names(row[0])[0]: row[1] for row in table("| key | default | meaning |", after)}
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(rows) == set(fields)
    assert {key for key, default in rows.items() if default == "needed"} == {
        key for key, field in fields.items() if field.is_required()
    }
    needed = {key: value for key, value in GIVEN.items() if key in fields and fields[key].is_required()}
    needed |= {"duration": "d"} if model is SpanSection else {}          # a span needs that or `end`
    plain = model.model_validate(needed)
    said = {key: tomllib.loads(f"x = {names(default)[0]}")["x"] for key, default in rows.items() if "`" in default}
    assert model.model_validate(needed | {key: value for key, value in said.items() if key not in needed}) == plain
    for key, default in rows.items():
        if default == "none":
            name = next(name for name, field in model.model_fields.items() if (field.alias or name) == key)
            assert not getattr(plain, name)


def test_every_decoder_is_documented() -> None:
    """Those that need no one, in the code's order, then those that ask this machine."""
    told = [names(row[0])[0] for row in table("| decoder | makes of |")]
    assert told[: len(DECODERS)] == list(DECODERS)
    assert set(told[len(DECODERS) :]) == set(MACHINE_DECODERS)


class Asked(Mapping[str, str]):
    """An environment that is empty and notes what it is asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_every_variable_that_is_read_is_documented() -> None:
    """And no other: SIGNAL stands for the three."""
    asked = Asked()
    for protocol in ("http/protobuf", "grpc"):
        resolve(OtlpSection.model_validate({"protocol": protocol}), asked, "x")
    read = {name for name in asked.names if name.startswith("OTEL_")}
    told = {name for row in table("| variable | what it says |") for name in names(row[0])}
    signals = ("METRICS", "LOGS", "TRACES")
    assert {each.replace("SIGNAL", signal) for each in told for signal in signals} == read


def test_every_cause_of_a_loss_is_documented() -> None:
    """Under the name that the statistics have."""
    told = {name for row in table("| what happens | without a spool | with a spool | counted as |")
            for name in names(row[3])}  # fmt: skip
    assert set(CAUSES) <= told


def test_tracerds_own_metrics_are_documented() -> None:
    """Name, kind, unit, attributes and meaning, in the code's order."""
    found = {metric.name: metric for metric in own_metrics().metrics}
    told = table("| metric | kind | unit | attributes | meaning |")
    assert len(told) == len(MEASURES)
    for row, each in zip(told, MEASURES, strict=True):
        assert [names(row[0])[0], row[1], names(row[2])[0]] == [each.name, each.kind, each.unit]
        assert row[4] == each.description
        keys = [key for part in found[each.name].parts for key, _ in part.attributes.rows[0]]
        assert names(row[3]) == list(dict.fromkeys(keys))
    outcomes = TEXT.partition("`outcome` of events is what the ledger has: ")[2].partition(".")[0]
    assert tuple(names(outcomes)) == LEDGER_COUNTS[1:]


def test_the_metrics_of_shipped_probes_are_documented() -> None:
    """Of every probe, in the order of its probe.toml."""
    made = [
        [probe, metric.name, metric.kind, metric.unit]
        for probe in sorted(shipped_probes())
        for metric in probe_metrics(probe).metrics
    ]
    rows = table("| probe | metric | kind | unit | attributes |")
    assert [[names(row[0])[0], names(row[1])[0], row[2], names(row[3])[0]] for row in rows] == made
    for row in rows:
        metrics = {each.name: each for each in probe_metrics(names(row[0])[0]).metrics}
        keys = {key for part in metrics[names(row[1])[0]].parts for key, _ in part.attributes.rows[0]}
        assert set(names(row[4])) == keys


def test_the_names_that_prometheus_has_are_those_of_a_scrape() -> None:
    """As the table translates them."""
    scraped: dict[str, Any] = {}
    for probe in shipped_probes():
        scraped |= samples(probe_metrics(probe))
    for left, right in table("| OpenTelemetry | Prometheus |"):
        first, *rest = names(right)
        if left.startswith("`tracerd."):
            base = first.removesuffix("_bucket")
            assert {first, *(base + end for end in rest)} <= set(scraped)


def test_the_configurations_shown_are_valid() -> None:
    """A daemon's with their exporters' sections, a probe's as sections of a probe.toml."""
    shown = [block for block in blocks_of(PAGE) if block.language == "toml"]
    assert len(shown) == 6
    head = '[probe]\nname = "x"\nobject = "x.bpf.o"\n'
    for block in shown:
        where = f"{PAGE}:{block.line}"
        if block.file:
            validate(ProbeFile, tomllib.loads(head + block.text), where).signals()
            continue
        for name, section in parse_config(block.text, where).exporters.items():
            SECTIONS[name].model_validate(section)
