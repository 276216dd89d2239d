"""Requests that wait on disk for a collector that is away: all of them arrive, in order, or are counted."""

from __future__ import annotations

import logging
import random
import time
from pathlib import Path
from typing import Any

import pytest

from exporters.otlp.outcome import Accepted, Outcome, Refused, Retry
from exporters.otlp.request import SIGNALS, Signal
from exporters.otlp.sender import Sender
from tests.exporters.otlp.collectors import (
    GrpcCollector,
    HttpCollector,
    accounted,
    quick,
    request,
    sender,
    settings,
    until,
)
from tests.exporters.otlp.pretend import Collector, numbers, one, small, to
from tracerd.errors import ExportError

pytestmark = pytest.mark.usefixtures("threads_end")


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
