"""docs/grafana: the files are what `make.py` writes, and ask for nothing that our exporters do not give."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.exported import Samples, own_metrics, probe_metrics, samples
from tracerd.runtime.locate import shipped_probes

FOLDER = Path(__file__).parents[2] / "docs" / "grafana"
NAMES = [*sorted(shipped_probes()), "tracerd"]
ALWAYS = {"job", "instance"}
"""Labels that Prometheus gives every series."""

_STRING = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_WORD = re.compile(r"\b[a-zA-Z_]\w*\b(?!\s*\()")
_DURATION = re.compile(r"\[[^\]]*\]")
_GROWING = re.compile(r"\b(?:rate|increase)\(([a-zA-Z_:][\w:]*)")


def dashboard(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return made


def given(name: str) -> Samples:
    """What Prometheus has of a probe, or of tracerd itself."""
    return samples(own_metrics() if name == "tracerd" else probe_metrics(name))


def targets(name: str) -> list[tuple[str, str]]:
    """All queries of a dashboard, each with its legend."""
    return [(each["expr"], each["legendFormat"]) for panel in dashboard(name)["panels"] for each in panel["targets"]]


def metrics_in(query: str) -> set[str]:
    """The names in a query that are neither functions nor labels nor keywords."""
    bare = _DURATION.sub("", _BY.sub("", _SELECTOR.sub(r"\1", query)))
    return set(_WORD.findall(_STRING.sub("", bare))) - {"by", "and", "or", "unless", "bool"}


def test_there_is_a_dashboard_for_each_probe_and_nothing_else() -> None:
    """And one of tracerd itself."""
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(NAMES)


def test_the_files_are_what_the_script_writes(tmp_path: Path) -> None:
    """Byte for byte, whoever runs it."""
    command = [sys.executable, "-B", str(FOLDER / "make.py"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    for name in NAMES:
        assert (tmp_path / f"{name}.json").read_bytes() == (FOLDER / f"{name}.json").read_bytes(), "run make.py"


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_in_a_query_is_exported(name: str) -> None:
    """Under the name that Prometheus has for it; every query is about the job and instance that were chosen."""
    known = given(name)
    for query, _ in targets(name):
        asked = metrics_in(query)
        assert asked, query
        assert asked <= known.keys(), query
        selectors = _SELECTOR.findall(query)
        assert {metric for metric, _ in selectors} == asked
        assert all(each.startswith('job=~"$job",instance=~"$instance"') for _, each in selectors), query


@pytest.mark.parametrize("name", NAMES)
def test_every_label_in_a_query_is_one_of_its_metrics(name: str) -> None:
    """In selectors, in `by` and in legends."""
    known = given(name)
    for query, legend in targets(name):
        for metric, selector in _SELECTOR.findall(query):
            assert set(_LABEL.findall(_STRING.sub('""', selector))) <= known[metric].keys() | ALWAYS, query
        shared = set.intersection(*(set(known[metric]) for metric in metrics_in(query))) | ALWAYS
        grouped = [{label.strip() for label in each.split(",")} for each in _BY.findall(query)]
        assert all(each <= shared for each in grouped), query
        left = set.union(*grouped) if grouped else shared
        if re.match(r"\w+\(", query) and not grouped:
            left = set()                 # one number, without any labels
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= left, (query, legend)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_that_a_query_asks_for_is_one_that_there_is(name: str) -> None:
    """`outcome="lost"` would find nothing, for ever, and nobody would see why."""
    known = given(name)
    for query, _ in targets(name):
        for metric, selector in _SELECTOR.findall(query):
            for label, values in re.findall(r'(\w+)=~?"([^"]*)"', selector):
                if label not in ALWAYS:
                    assert set(values.split("|")) <= known[metric][label], query


@pytest.mark.parametrize("name", NAMES)
def test_only_what_grows_has_a_rate(name: str) -> None:
    """A gauge's would mean nothing."""
    for query, _ in targets(name):
        for metric in _GROWING.findall(query):
            assert metric.endswith(("_total", "_bucket", "_sum", "_count")), query


@pytest.mark.parametrize("name", sorted(shipped_probes()))
def test_everything_that_a_probe_exports_is_on_its_dashboard(name: str) -> None:
    """A metric that nobody can see is none."""
    seen = {re.sub("_(bucket|sum|count)$", "", each) for query, _ in targets(name) for each in metrics_in(query)}
    assert seen == {re.sub("_(bucket|sum|count)$", "", each) for each in given(name)}


@pytest.mark.parametrize("name", NAMES)
def test_panels_are_told_apart_and_do_not_overlap(name: str) -> None:
    """Ids are unique; each panel has room of its own in the grid's 24 columns, a title, a unit."""
    panels = dashboard(name)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        assert panel["title"]
        assert panel["type"] == "heatmap" or panel["fieldConfig"]["defaults"]["unit"]
        assert len({each["refId"] for each in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_works_with_any_prometheus(name: str) -> None:
    """Which one, and whose metrics, are variables; they are looked for in a metric that is exported."""
    made = dashboard(name)
    assert made["uid"] == f"tracerd-{name}"
    variables = {each["name"]: each for each in made["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    for panel in made["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for label in ("job", "instance"):
        query = variables[label]["query"]["query"]
        metric = re.match(r"label_values\((\w+)", query)
        assert metric is not None
        assert metric[1] in given(name)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('sum by (le, b) (rate(m_bucket{a=~"$job"}[$__rate_interval]))', {"m_bucket"}),
        ('topk(5, m{a="x y"}) > 0', {"m"}),
        ("m{a=\"1\"} / on (a) n{a=\"2\"}", {"m", "n"}),
    ],
)
def test_names_are_found_in_queries(query: str, names: set[str]) -> None:
    """The test above would be worth nothing if it overlooked some."""
    assert metrics_in(query) == names
