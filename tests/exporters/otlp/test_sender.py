"""Requests on their way: none is lost without being counted, whatever the collector does."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporters.otlp.outcome import Accepted, Outcome, Refused, Retry
from exporters.otlp.request import SIGNALS, Request
from exporters.otlp.sender import Sender
from tests.exporters.otlp.collectors import (
    Answer,
    GrpcCollector,
    HttpCollector,
    accounted,
    partial,
    quick,
    request,
    sender,
    settings,
    until,
)
from tests.exporters.otlp.pretend import Collector, numbers, one, small, to

pytestmark = pytest.mark.usefixtures("threads_end")


def test_nothing_runs_before_the_first_request(spool: dict[str, Any]) -> None:
    """A section can be checked at any time."""
    made = to(Collector(), spool=spool)
    assert not Path(spool["path"]).exists()
    assert not [each for each in threading.enumerate() if each.name.startswith("otlp-")]
    assert one(made).queued_items == 0
    made.close(1)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_all_signals_arrive_in_order(http: HttpCollector, grpcs: GrpcCollector, protocol: str) -> None:
    """Over both protocols, and partial success is counted for each."""
    http.answer = lambda got: Answer(body=partial(got.path.rpartition("/")[2], 1, "no").SerializeToString())  # type: ignore[arg-type]
    grpcs.answer = lambda signal, _: partial(signal, 1, "no")
    with sender(grpcs.address if protocol == "grpc" else http.url, protocol=protocol) as made:
        for number in range(5):
            for signal in SIGNALS:
                made.put(request(number, signal))
        assert made.flush(10)
        for signal in SIGNALS:
            found = one(made, signal)
            assert (found.requests_sent, found.items_sent, found.items_rejected) == (5, 10, 5)
            assert found.last_error.startswith(f"{signal} to ")
            assert found.last_error.endswith("1 of 3 items rejected: no")
            assert accounted(found) == 15
    for signal in SIGNALS:
        over_http = [each.plain for each in http.received if each.path.endswith(signal)]
        over_grpc = [body for where, body, _ in grpcs.received if where == signal]
        assert numbers(over_http + over_grpc, signal) == [0, 1, 2, 3, 4]


def test_without_a_spool_memory_holds_what_fits_and_the_rest_is_counted(away: int) -> None:
    """The oldest go, but not the one that is being tried; none is dropped twice."""
    with sender(f"http://localhost:{away}", queue_bytes="64KiB") as made:
        made.put(small(1))
        until(lambda: one(made).retries > 0)
        for _ in range(100):
            made.put(Request("metrics", bytes(1024), 2))
        found = one(made)
        assert found.items_dropped == {"queue_full": 2 * (101 - 1 - 63)}
        assert found.queued_bytes <= 64 << 10
        assert accounted(found) == 202
        with HttpCollector().running(away):
            assert made.flush(10)
        assert one(made).items_sent == 2 * 64
        assert accounted(one(made)) == 202


def test_a_request_that_is_too_old_is_dropped_without_a_spool(away: int) -> None:
    """And counted as expired; the next has its own time."""
    with sender(f"http://localhost:{away}", retry_seconds="30ms") as made:
        for number in range(3):
            made.put(request(number))
        until(lambda: one(made).queued_items == 0)
        assert one(made).items_dropped == {"expired": 9}


def test_what_is_refused_is_dropped_and_does_not_hold_the_next(spool: dict[str, Any]) -> None:
    """From memory as from disk."""
    collector = Collector(lambda _: Retry("later"))
    made = to(collector, spool=spool)
    for number in range(4):
        made.put(small(number))
    until(lambda: one(made).spooled_items == 8)
    collector.answer = lambda body: Refused("no") if body[-1] % 2 else Accepted()
    assert made.flush(10)
    assert [each[-1] for each in collector.accepted] == [0, 2]
    assert one(made).items_dropped == {"refused": 4}
    assert one(made).last_error.endswith("no; dropped")
    made.close(1)


def test_no_more_is_counted_as_rejected_than_was_sent() -> None:
    """Whatever the collector says."""
    made = to(Collector(lambda _: Accepted(99, "")))
    made.put(small(1))
    assert made.flush(10)
    assert (one(made).items_rejected, one(made).items_sent) == (2, 0)
    made.close(1)


def test_a_collector_that_asks_for_time_has_it_even_from_a_flush() -> None:
    """Only a pause of our own is cut short."""
    collector = Collector(lambda _: Retry("busy", 60))
    made = to(collector)
    made.put(small(1))
    until(lambda: one(made).retries == 1)
    assert not made.flush(0.05)
    assert len(collector.bodies) == 1
    made.close(0.05)
    assert one(made).items_dropped == {"shutdown": 2}


def test_one_signals_dead_collector_holds_no_other(http: HttpCollector) -> None:
    """Each has a thread of its own."""
    hanging = threading.Event()

    def hang(received: Any) -> Answer:
        if received.path.endswith("logs"):
            hanging.wait(10)
        return Answer()

    http.answer = hang
    with sender(http.url) as made:
        made.put(request(1, "logs"))
        made.put(request(1, "traces"))
        until(lambda: one(made, "traces").requests_sent == 1)
        assert one(made, "logs").queued_items == 3
        hanging.set()


@pytest.mark.parametrize("spooling", [False, True])
def test_a_close_is_over_in_time_though_the_collector_hangs(spool: dict[str, Any], spooling: bool) -> None:
    """What was on its way is on disk, or counted; the answer that comes later changes nothing. Put never waits."""
    hanging = threading.Event()

    def hang(_: bytes) -> Outcome:
        hanging.wait(10)
        return Accepted()

    collector = Collector(hang)
    made = to(collector, **({"spool": spool} if spooling else {}))
    begun = time.monotonic()
    for number in range(50):
        made.put(small(number))
    until(lambda: len(collector.bodies) == 1)
    made.close(0.05)
    made.close(0.05)
    made.put(small(51))
    assert time.monotonic() - begun < 5
    hanging.set()
    until(lambda: collector.closed)
    found = one(made)
    assert found.items_dropped == ({"shutdown": 2} if spooling else {"shutdown": 102})
    assert (found.queued_items, found.spooled_items, found.items_sent) == (0, 100 if spooling else 0, 0)


def test_a_close_sends_what_can_be_sent() -> None:
    """All of it, if the collector takes it in time."""
    collector = Collector()
    made = to(collector)
    for number in range(100):
        made.put(small(number))
    made.close(10)
    assert len(collector.accepted) == 100
    assert one(made).items_sent == 200


def test_a_request_of_a_signal_that_is_off_is_counted(spool: dict[str, Any]) -> None:
    """And what an earlier process left for it is shown."""
    made = to(Collector(lambda _: Retry("away")), spool=spool)
    made.put(small(1, "logs"))
    until(lambda: one(made, "logs").spooled_items == 2)
    made.close(1)
    other = to(Collector(), spool=spool, signals=["metrics"])
    other.put(small(1, "traces"))
    other.start()
    assert set(other.statistics()) == {"metrics", "logs", "traces"}
    assert one(other, "traces").items_dropped == {"off": 2}
    assert (one(other, "logs").items_found, one(other, "logs").spooled_items) == (2, 2)
    other.close(1)


def test_a_failure_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """With the endpoint, without what is secret."""
    collector = Collector(lambda _: Retry("away"))
    made = Sender(settings({"endpoint": "http://u:hunter2@h/?k=hunter2"}), backoff=quick, transport=collector)
    with caplog.at_level(logging.INFO, "tracerd.export"):
        made.put(small(1))
        until(lambda: one(made).failing > 5)
        assert one(made).last_error == "metrics to http://h/v1/metrics: away; tried again"
        collector.answer = lambda _: Accepted()
        assert made.flush(10)
        made.put(small(2))
        assert made.flush(10)
    said = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert said[0] == ("WARNING", "export: metrics to http://h/v1/metrics: away; tried again")
    assert said[1][0] == "INFO"
    assert said[1][1].startswith("works again: metrics to http://h/v1/metrics: ")
    assert len(said) == 2
    made.close(1)


def test_a_defect_of_a_transport_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the request is tried again."""
    defects = iter([True, False])

    def answer(_: bytes) -> Outcome:
        if next(defects):
            raise ZeroDivisionError
        return Accepted()

    made = to(Collector(answer))
    made.put(small(1))
    assert made.flush(10)
    assert one(made).items_sent == 2
    assert "Traceback" in caplog.text
    made.close(1)
