"""/metrics against Prometheus: what it scraped is what is in the maps, and its own tool finds nothing to say of it."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from tests.e2e.contents import PARITIES, SIZE_BOUNDS, WEIGHT_BOUNDS, Contents, Histogram, slot_of
from tests.e2e.installed import need
from tests.e2e.scene import Scene, comes_to, scene
from tests.e2e.servers import Prometheus, free_port

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("e2e")]

CALLS = 30_000

EXPORTER = """
[exporters.prometheus]
listen = "{listen}"
"""


@pytest.fixture
def played(tmp_path: Path) -> Iterator[tuple[Scene, str]]:
    """A scene, and the address of its /metrics."""
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "daemon").mkdir()
    with scene(tmp_path / "daemon", EXPORTER.format(listen=address)) as made:
        yield made, address


def test_values_queried_back_equal_the_maps(played: tuple[Scene, str], tmp_path: Path) -> None:
    """Counter, gauge and histograms, exponential ones with classic buckets; twice, while it scrapes every second."""
    made, address = played
    with Prometheus(tmp_path, address) as database:
        for _ in range(2):
            made.run(CALLS)
            contents = made.still()
            comes_to(lambda: _contents(database), contents)
        ((_, failed),) = database.query('sum(up{job="tracerd"} == bool 0)')
        assert failed == 0


def test_promtool_finds_nothing_to_say(played: tuple[Scene, str]) -> None:
    """The text format is parsed, and names and types follow Prometheus' conventions, tracerd's own ones too."""
    promtool, (made, address) = need("promtool"), played
    made.run(CALLS)
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = answer.read()
    assert b"\ne2e_calls_total{" in text
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=30)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def _number(database: Prometheus) -> float:
    ((_, value),) = database.query("e2e_number")
    return value


def _contents(database: Prometheus) -> Contents:
    calls = {labels["e2e_parity"]: int(value) for labels, value in database.query("e2e_calls_total")}
    return Contents(
        int(_number(database)),
        calls,
        {each: _histogram(database, "e2e_size_seconds", each, SIZE_BOUNDS, 1e6) for each in PARITIES},
        {each: _histogram(database, "e2e_weight_bytes", each, WEIGHT_BOUNDS, 1) for each in PARITIES},
    )


def _histogram(database: Prometheus, name: str, parity: str, bounds: tuple[float, ...], unit: float) -> Histogram:
    """Put a histogram together; `unit` is how many of the program's make one of the metric's."""
    def series(end: str) -> list[tuple[dict[str, str], float]]:
        return database.query(f'{name}_{end}{{e2e_parity="{parity}"}}')

    found = {float(labels["le"]): value for labels, value in series("bucket")}
    below = [0.0] * len(bounds)
    for bound in {*found} - {inf} | {bounds[-1]}:
        below[slot_of(bound, bounds)] = found[bound]
    ((_, count),), ((_, total),) = series("count"), series("sum")
    assert count == found[inf] == below[-1]
    slots = tuple(int(upper - lower) for lower, upper in zip([0.0, *below], below, strict=False))
    return Histogram(slots, round(total * unit))
