"""OTLP/HTTP against VictoriaMetrics: what it answers to queries is what is in the maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.contents import PARITIES, SIZE_BOUNDS, WEIGHT_BOUNDS, Contents, Histogram, slot_of
from tests.e2e.scene import Scene, comes_to, scene
from tests.e2e.servers import VictoriaMetrics

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("e2e")]

CALLS = 30_000

EXPORTER = """
[exporters.otlp]
endpoint = "{endpoint}"
signals = ["metrics"]
interval = "500ms"
compression = "{compression}"
"""


@pytest.fixture(params=["gzip", "none"])
def played(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Scene, VictoriaMetrics]]:
    folder = tmp_path / "backend"
    folder.mkdir()
    (tmp_path / "daemon").mkdir()
    with VictoriaMetrics(folder) as database:
        exporter = EXPORTER.format(endpoint=database.otlp, compression=request.param)
        with scene(tmp_path / "daemon", exporter) as made:
            yield made, database


def test_values_queried_back_equal_the_maps(played: tuple[Scene, VictoriaMetrics]) -> None:
    """Counter, gauge, explicit and exponential histogram, twice: the totals go on from where they were."""
    made, database = played
    for _ in range(2):
        made.run(CALLS)
        contents = made.still()
        comes_to(lambda: _contents(database), contents)


def _number(database: VictoriaMetrics) -> float:
    ((_, value),) = database.query('{__name__="e2e.number"}')
    return value


def _contents(database: VictoriaMetrics) -> Contents:
    calls = {labels["e2e.parity"]: int(value) for labels, value in database.query('{__name__="e2e.calls"}')}
    return Contents(
        int(_number(database)),
        calls,
        {each: _explicit(database, each) for each in PARITIES},
        {each: _exponential(database, each) for each in PARITIES},
    )


def _explicit(database: VictoriaMetrics, parity: str) -> Histogram:
    """Classic buckets: each counts all that is at most its bound."""
    below = [0.0] * len(SIZE_BOUNDS)
    for labels, value in _series(database, "e2e.size_bucket", parity):
        below[slot_of(float(labels["le"]), SIZE_BOUNDS)] = value
    slots = tuple(int(upper - lower) for lower, upper in zip([0.0, *below], below, strict=False))
    assert sum(slots) == _one(database, "e2e.size_count", parity)
    return Histogram(slots, round(_one(database, "e2e.size_sum", parity) * 1e6))


def _exponential(database: VictoriaMetrics, parity: str) -> Histogram:
    """Its own buckets, "LOWER...UPPER" with four digits, without those that are empty."""
    slots = [0] * len(WEIGHT_BOUNDS)
    for labels, value in _series(database, "e2e.weight_bucket", parity):
        slots[slot_of(float(labels["vmrange"].partition("...")[2]), WEIGHT_BOUNDS, tolerance=1e-3)] += int(value)
    assert sum(slots) == _one(database, "e2e.weight_count", parity)
    return Histogram(tuple(slots), round(_one(database, "e2e.weight_sum", parity)))


def _series(database: VictoriaMetrics, name: str, parity: str) -> list[tuple[dict[str, str], float]]:
    return database.query(f'{{__name__="{name}","e2e.parity"="{parity}"}}')


def _one(database: VictoriaMetrics, name: str, parity: str) -> float:
    ((_, value),) = _series(database, name, parity)
    return value
