"""Requests on their way: none is lost without being counted, whatever the collector does."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.otlp.outcome import Accepted, Outcome, Refused, Retry
from exporters.otlp.request import SIGNALS, Request, Signal
from exporters.otlp.sender import Sender
from exporters.otlp.target import Target
from tests.exporters.otlp import requests
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
from tracerd.errors import ExportError


class Collector:
    """A collector without a network: what it says is a function of the request."""

    def __init__(self, answer: Callable[[bytes], Outcome] = lambda _: Accepted()) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.accepted: list[bytes] = []
        self.closed = 0

    def __call__(self, _: Target) -> Collector:
        return self

    def send(self, body: bytes) -> Outcome:
        self.bodies.append(body)
        outcome = self.answer(body)
        if isinstance(outcome, Accepted):
            self.accepted.append(body)
        return outcome

    def close(self) -> None:
        self.closed += 1


def to(collector: Collector, **section: Any) -> Sender:
    return Sender(settings(section), backoff=quick, transport=collector)


def one(made: Sender, signal: Signal = "metrics") -> Any:
    return made.statistics()[signal]


def small(number: int, signal: Signal = "metrics", size: int = 8) -> Request:
    return Request(signal, number.to_bytes(size, "big"), 2)


@pytest.fixture
def away() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def spool(tmp_path: Path) -> dict[str, Any]:
    return {"path": str(tmp_path / "spool")}


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """No thread of ours is left behind, except where a test lets a collector hang for a moment."""
    yield
    until(lambda: not [each for each in threading.enumerate() if each.name.startswith("otlp-")])


def numbers(received: list[bytes], signal: Signal = "metrics") -> list[int]:
    return [requests.number(signal, each) for each in received]


def test_nothing_runs_before_the_first_request(spool: dict[str, Any]) -> None:
    """A section can be checked at any time."""
    made = to(Collector(), spool=spool)
    assert not Path(spool["path"]).exists()
    assert threading.active_count() == len([each for each in threading.enumerate() if "otlp" not in each.name])
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


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_was_away_gets_all_once_in_order_with_a_spool(
    away: int, spool: dict[str, Any], protocol: str
) -> None:
    """What waits does so on disk."""
    with sender(f"http://localhost:{away}", protocol=protocol, spool=spool) as made:
        for number in range(20):
            made.put(request(number))
        until(lambda: one(made).spooled_items == 60 and one(made).failing > 1)
        assert accounted(one(made)) == 60
        collector: Any = HttpCollector() if protocol != "grpc" else GrpcCollector()
        with collector.running(away):
            made.put(request(20))
            assert made.flush(10)
        got = [each[1] if protocol == "grpc" else each.plain for each in collector.received]
        assert numbers(got) == list(range(21))
        found = one(made)
        assert (found.items_sent, found.spooled_items, found.items_dropped, found.failing) == (63, 0, {}, 0)
    assert list(Path(spool["path"]).iterdir()) == []


def test_without_a_spool_memory_holds_what_fits_and_the_rest_is_counted(away: int) -> None:
    """The oldest go, but not the one that is being tried; none is dropped twice."""
    with sender(f"http://localhost:{away}", queue_bytes="64KiB") as made:
        big = [Request("metrics", request(number).body + bytes(0), 2) for number in range(1)]
        made.put(big[0])
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


def test_a_close_with_a_spool_does_not_wait_for_a_dead_collector(away: int, spool: dict[str, Any]) -> None:
    """All is on disk at once, and the next process sends it."""
    with sender(f"http://localhost:{away}", spool=spool) as made:
        made.put(request(0))
        until(lambda: one(made).spooled_items == 3)
        for number in range(1, 10):
            made.put(request(number))
        begun = time.monotonic()
        made.close(60)
        assert time.monotonic() - begun < 20
        assert (one(made).spooled_items, one(made).items_dropped) == (30, {})
    with HttpCollector().running(away) as collector, sender(f"http://localhost:{away}", spool=spool) as made:
        made.start()
        until(lambda: one(made).items_sent == 30)
        assert one(made).items_found == 30
        assert numbers([each.plain for each in collector.received]) == list(range(10))


def test_a_disk_that_is_full_leaves_requests_in_memory(
    spool: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once; sent when the collector is back, on disk when there is room, lost and counted if neither comes."""
    from exporters.otlp import spool as module

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    collector = Collector(lambda _: Retry("away"))
    made = to(collector, spool=spool)
    with monkeypatch.context() as patched, caplog.at_level(logging.INFO, "tracerd.export"):
        patched.setattr(module.Spool, "_write", full)
        for number in range(3):
            made.put(small(number))
        until(lambda: one(made).spool_failures > 1)
        assert (one(made).queued_items, one(made).spooled_items, accounted(one(made))) == (6, 0, 6)
        assert len([each for each in caplog.records if "stay in memory" in each.message]) == 1
    until(lambda: one(made).spooled_items == 6)
    monkeypatch.setattr(module.Spool, "_write", full)
    made.put(small(3))
    made.close(0.05)
    assert one(made).items_dropped == {"spool_failed": 2}
    assert accounted(one(made)) == 8


def test_a_spool_that_is_refused_is_told_at_the_start_and_does_not_stop_sending(spool: dict[str, Any]) -> None:
    """Another process has it."""
    first = to(Collector(), spool=spool)
    first.start()
    collector = Collector()
    second = to(collector, spool=spool)
    with pytest.raises(ExportError, match="another process uses it"):
        second.start()
    second.put(small(1))
    assert second.flush(10)
    assert (one(second).items_sent, len(collector.accepted)) == (2, 1)
    assert "another process uses it" in one(second).last_error
    first.close(1)
    second.close(1)


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


def test_what_was_left_for_any_signal_is_sent_from_the_first_request_on(spool: dict[str, Any]) -> None:
    """Though nothing new is put for it."""
    made = to(Collector(lambda _: Retry("away")), spool=spool)
    made.put(small(1, "logs"))
    until(lambda: one(made, "logs").spooled_items == 2)
    made.close(1)
    other = to(Collector(), spool=spool)
    other.put(small(2, "traces"))
    until(lambda: one(other, "logs").items_sent == 2)
    other.close(1)


def test_a_spool_that_is_full_drops_the_oldest(spool: dict[str, Any]) -> None:
    """Also the one that is tried again and again."""
    collector = Collector(lambda _: Retry("away"))
    made = to(collector, spool={**spool, "max_bytes": "64KiB"})
    made.put(small(0, size=16000))
    until(lambda: one(made).retries > 3)
    collector.answer = lambda _: Retry("busy", 60)
    until(lambda: "busy" in one(made).last_error)
    for number in range(1, 10):
        made.put(small(number, size=16000))
    until(lambda: one(made).spooled_items == 8 and one(made).queued_items == 0)
    assert one(made).items_dropped == {"spool_full": 12}
    assert sorted(int(each.name[:16]) for each in Path(spool["path"]).iterdir()) == [7, 8, 9, 10]
    made.close(1)


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


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("spooling", ["no spool", "spool", "small spool", "failing spool"])
def test_every_item_is_accounted_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, spooling: str) -> None:
    """Random outcomes, queues that overflow, disks that fail, restarts: the balance is exact, and order is kept."""
    from exporters.otlp import spool as module

    chance = random.Random(seed)
    write = module.Spool._write

    def flaky(self: module.Spool, name: str, content: bytes, sync: bool) -> None:
        if chance.random() < 0.4:
            raise OSError(28, "No space left on device")
        write(self, name, content, sync)

    def answer(_: bytes) -> Outcome:
        kinds = [Accepted(), Accepted(), Accepted(1, "x"), Refused("no"), Retry("later"), Retry("later", 0.002)]
        time.sleep(chance.choice([0, 0, 0.001]))
        return chance.choice(kinds)

    section: dict[str, Any] = {"queue_bytes": 64 << 10, "retry_seconds": chance.choice(["0s", "20ms", "5m"])}
    if spooling != "no spool":
        room = "64KiB" if spooling == "small spool" else "16MiB"
        section["spool"] = {"path": str(tmp_path / "spool"), "max_bytes": room}
    if spooling == "failing spool":
        monkeypatch.setattr(module.Spool, "_write", flaky)
    number = dict.fromkeys(SIGNALS, 0)
    left = dict.fromkeys(SIGNALS, 0)
    accepted: dict[Signal, list[bytes]] = {signal: [] for signal in SIGNALS}
    for _ in range(3):
        collectors = {signal: Collector(answer) for signal in SIGNALS}
        made = Sender(settings(section), backoff=quick, transport=lambda to, c=collectors: c[to.signal])  # type: ignore[misc]
        put = dict.fromkeys(SIGNALS, 0)
        for _ in range(chance.randrange(40)):
            signal = chance.choice(SIGNALS)
            number[signal] += 1
            made.put(small(number[signal], signal, size=chance.choice([8, 8000, 30000])))
            put[signal] += 2
            if chance.random() < 0.1:
                made.flush(0.005)
        made.close(chance.choice([0.0, 0.01, 0.1]))
        for signal, found in made.statistics().items():
            assert found.queued_items == 0
            if any(put.values()):
                assert found.items_found == left[signal]      # type: ignore[index]
            assert accounted(found) == put[signal] + found.items_found      # type: ignore[index]
            left[signal] = found.spooled_items if found.items_found or any(put.values()) else left[signal]  # type: ignore[index]
        for signal in SIGNALS:
            accepted[signal] += collectors[signal].accepted
    for signal in SIGNALS:
        order = [int.from_bytes(each, "big") for each in accepted[signal]]
        assert order == sorted(order)
