"""OTLP against rotel: all signals over gRPC and HTTP, compressed and not, come out of it as the program told them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import tracerd
from tests.daemon.running import until
from tests.e2e.arrived import SCOPE, Arrivals, attributes, latest, points_of
from tests.e2e.contents import LOG_EVERY, PARITIES, SPAN_EVERY, Contents, size_of, submitted
from tests.e2e.scene import PATIENCE, Scene, scene
from tests.e2e.servers import Rotel
from tests.exporters.otlp.collectors import HttpCollector

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("e2e")]

CALLS = 30_000
WAYS = ("grpc-gzip", "grpc-none", "http-gzip", "http-none")
SIGNALS = ("metrics", "logs", "traces")

EXPORTER = """
[exporters.{way}]
kind = "otlp"
endpoint = "{endpoint}"
protocol = "{protocol}"
compression = "{compression}"
interval = "500ms"
[exporters.{way}.resource]
"e2e.way" = "{way}"
"e2e.number" = 5
"""

every_way = pytest.mark.parametrize("way", WAYS)


@dataclass
class Outcome:
    """What a daemon counted and told, and what came of it."""

    scene: Scene
    arrivals: Arrivals
    contents: Contents
    began: int                       # unix ns
    ended: int


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One daemon with four exporters, and one rotel that takes from all of them."""
    folder, began = tmp_path_factory.mktemp("rotel"), time.time_ns()
    with (
        HttpCollector().running() as receiver,
        Rotel(folder, receiver.url) as rotel,
        scene(tmp_path_factory.mktemp("daemon"), "".join(_exporter(way, rotel) for way in WAYS)) as played,
    ):
        played.run(CALLS)
        made = Outcome(played, Arrivals(receiver), played.still(), began, time.time_ns())
        until(lambda: all(_complete(made, way) for way in WAYS), PATIENCE, "that everything has arrived")
        yield made


def _exporter(way: str, rotel: Rotel) -> str:
    protocol, compression = way.split("-")
    endpoint = rotel.grpc if protocol == "grpc" else rotel.http
    long = {"grpc": "grpc", "http": "http/protobuf"}[protocol]
    return EXPORTER.format(way=way, endpoint=endpoint, protocol=long, compression=compression)


def _complete(made: Outcome, way: str) -> bool:
    """True when nothing more can come but what has come before. What is wrong then is for the tests to say."""
    arrivals, told = made.arrivals, submitted(made.scene.client)
    found = latest(arrivals.items("metrics", way))
    return (
        found is not None
        and found.number == made.contents.number
        and len(arrivals.items("logs", way)) >= told.logs
        and len(arrivals.items("traces", way)) >= told.spans
    )


@every_way
def test_metrics_equal_the_maps(outcome: Outcome, way: str) -> None:
    """Counter, gauge, explicit and exponential histogram: every number is the map's."""
    assert outcome.contents.number == CALLS
    assert latest(outcome.arrivals.items("metrics", way)) == outcome.contents


@every_way
def test_metrics_say_what_they_are(outcome: Outcome, way: str) -> None:
    """Names, units, kinds, temporality, and the attributes of their points, numbers as numbers."""
    by_name = {each.name: each for each in outcome.arrivals.items("metrics", way)}
    kinds = {name: (each.WhichOneof("data"), each.unit) for name, each in by_name.items()}
    assert kinds == {
        "e2e.calls": ("sum", "{call}"), "e2e.number": ("gauge", ""), "e2e.size": ("histogram", "s"),
        "e2e.weight": ("exponential_histogram", "By"),
    }  # fmt: skip
    calls = by_name["e2e.calls"]
    assert calls.description == "Calls of getppid by one process"
    assert (calls.sum.is_monotonic, calls.sum.aggregation_temporality) == (True, 2)
    assert by_name["e2e.size"].histogram.aggregation_temporality == 2
    assert by_name["e2e.weight"].exponential_histogram.aggregation_temporality == 2
    pid = outcome.scene.caller.pid
    told = [attributes(point.attributes) for point in points_of(calls)]
    assert sorted(told, key=str) == [{"process.pid": pid, "e2e.parity": each} for each in PARITIES]
    for point in points_of(calls):
        assert outcome.began < point.start_time_unix_nano < point.time_unix_nano < time.time_ns()


@every_way
def test_log_records_are_the_programs(outcome: Outcome, way: str) -> None:
    """Each record once, and everything in it as the program made it."""
    records = outcome.arrivals.items("logs", way)
    assert outcome.arrivals.numbers("logs", way) == list(range(0, CALLS, LOG_EVERY))
    for each in records:
        told = attributes(each.attributes)
        number, size = told["e2e.number"], size_of(told["e2e.number"])
        assert told == {
            "e2e.number": number, "e2e.size": size, "process.pid": outcome.scene.caller.pid,
            "process.name": told["process.name"], "e2e.constant": "the same",
        }  # fmt: skip
        assert told["process.name"].startswith("python")
        assert (each.event_name, each.severity_number, each.severity_text) == ("e2e.call", 13, "WARN")
        assert each.body.string_value == f"call {number} of {size}"
        assert each.trace_id == _trace_id(number)
        assert each.span_id == (_id(number + 1) if number & SPAN_EVERY else b"")
        assert outcome.began < each.time_unix_nano <= each.observed_time_unix_nano < outcome.ended


@every_way
def test_spans_are_the_programs(outcome: Outcome, way: str) -> None:
    """Each span once, with its times, its ids, its parent and its status."""
    assert outcome.arrivals.numbers("traces", way) == list(range(0, CALLS, SPAN_EVERY))
    for each in outcome.arrivals.items("traces", way):
        number = attributes(each.attributes)["e2e.number"]
        turn = number // SPAN_EVERY
        assert (each.name, each.kind) == (f"call {number}", 3)
        assert (each.trace_id, each.span_id) == (_trace_id(number), _id(number + 1))
        assert each.parent_span_id == (_id(number + 2) if turn & 2 else b"")
        assert each.status.code == (2 if turn & 1 else 0)
        assert each.end_time_unix_nano - each.start_time_unix_nano == size_of(number) * 1000
        assert outcome.began < each.end_time_unix_nano < outcome.ended


@every_way
@pytest.mark.parametrize("signal", SIGNALS)
def test_resource_and_scope(outcome: Outcome, way: str, signal: str) -> None:
    """Everything says which machine, which daemon and which probe it is of."""
    arrived = outcome.arrivals.of(signal, way)
    assert {each.scope for each in arrived} == {(SCOPE, tracerd.__version__)}
    first = arrived[0].resource
    assert all(each.resource == first for each in arrived)
    assert first["service.instance.id"]
    assert first.items() >= {
        "e2e.way": way, "e2e.number": 5, "service.name": "tracerd", "service.version": tracerd.__version__,
        "host.name": socket.gethostname(), "os.type": "linux", "os.version": os.uname().release,
        "process.pid": outcome.scene.daemon.pid, "telemetry.sdk.language": "python",
    }.items()  # fmt: skip


@every_way
def test_the_exporter_counts_what_arrived(outcome: Outcome, way: str) -> None:
    """Sent is what came, and nothing was dropped, refused or sent twice."""
    counts = outcome.scene.exporter(way)["counts"]
    told = submitted(outcome.scene.client)
    assert (counts["logs.sent"], counts["traces.sent"]) == (told.logs, told.spans)
    assert told.refused == 0
    assert not [name for name, many in counts.items() if ("dropped" in name or "rejected" in name) and many]


def _trace_id(number: int) -> bytes:
    return bytes.fromhex("1122334455667788") + _id(number + 1)


def _id(number: int) -> bytes:
    return number.to_bytes(8, "big")
