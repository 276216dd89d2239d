"""Records on their way to exporters: each has its own, from a probe's first to its last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.exporters.mapping.maps import Ring
from tracerd.errors import NotFound
from tracerd.runtime import feeds
from tracerd.runtime.feeds import RecordFeeds
from tracerd.runtime.loaded import Loaded
from tracerd.runtime.rings import RingReader
from tracerd.signals import LogSpec, RecordSpec, Signals
from tracerd.views.signals import resolve
from tracerd.vm.maps import Map

RING = Ring({"n": "u64"})
EXPORTS = resolve(Signals((), (LogSpec(RecordSpec("r"), "e"),)), [RING.spec], ["r"], RING.btf)


class FakeRing:
    """A ring buffer that a test fills."""

    name = "r"
    statistics = SimpleNamespace(refused=0)

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def read(self) -> list[bytes]:
        taken, self.waiting = self.waiting, []
        return taken


class Probe:
    """A loaded probe with one ring buffer."""

    def __init__(self, name: str = "p") -> None:
        self.name = name
        self.ring = FakeRing()
        self.reader = RingReader(cast(Map, self.ring))
        self.gone = False

    @contextmanager
    def used(self) -> Iterator[Any]:
        if self.gone:
            raise NotFound(self.name)
        yield SimpleNamespace(exports=EXPORTS, rings=[self.reader])

    def say(self, *records: bytes) -> None:
        self.ring.waiting += records
        self.reader.empty()

    @property
    def loaded(self) -> Loaded:
        return cast(Loaded, self)


def test_a_feed_has_the_records_of_probes_there_and_of_probes_to_come() -> None:
    """In order, each batch with what is needed to read it; nothing twice."""
    there, later = Probe("there"), Probe("later")
    all_feeds = RecordFeeds(lambda: [there.loaded])
    feed = all_feeds.open()
    all_feeds.add(later.loaded)
    there.say(b"1", b"2")
    there.say(b"3")
    later.say(b"4")
    batches = feed.take()
    assert [(each.probe, each.ring, each.records) for each in batches] == [
        ("there", "r", (b"1", b"2", b"3")),
        ("later", "r", (b"4",)),
    ]
    assert batches[0].signals is EXPORTS.signals
    assert batches[0].layouts[""].size == RING.record.size
    assert feed.take() == []


def test_each_feed_has_all_records_and_loses_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes in time has every record; who does not loses the oldest, counted."""
    monkeypatch.setattr(feeds, "QUEUE_BYTES", 700)
    probe = Probe()
    all_feeds = RecordFeeds(lambda: [probe.loaded])
    fast, slow = all_feeds.open(), all_feeds.open()
    taken = []
    for number in range(20):
        probe.say(bytes([number]) * 6)
        taken += [record for batch in fast.take() for record in batch.records]
    assert len(taken) == 20
    assert fast.lost == 0
    late = [record for batch in slow.take() for record in batch.records]
    assert len(late) + slow.lost == 20
    assert late == taken[-len(late) :]
    assert slow.lost > 0


def test_the_last_records_of_an_unloaded_probe_are_handed_over() -> None:
    """Its ring is gone, what it said is not; what was lost stays counted."""
    probe = Probe()
    feed = RecordFeeds(lambda: [probe.loaded]).open()
    probe.say(b"last")
    probe.reader.end()
    assert [batch.records for batch in feed.take()] == [(b"last",)]
    assert feed.take() == []
    assert feed._followed == []


def test_a_probe_is_followed_once_however_often_it_is_told() -> None:
    """It is told when it is loaded and when it runs: who comes in between misses nothing, nobody has records twice."""
    probe = Probe()
    there: list[Loaded] = []
    all_feeds = RecordFeeds(lambda: there)
    first = all_feeds.open()
    all_feeds.add(probe.loaded)
    between = all_feeds.open()                   # loaded, and not yet among those that are
    there.append(probe.loaded)
    all_feeds.add(probe.loaded)
    probe.say(b"x")
    assert [[batch.records for batch in feed.take()] for feed in (first, between)] == [[(b"x",)], [(b"x",)]]


def test_what_waits_at_the_close_can_be_taken() -> None:
    """The last hand-over is made of it."""
    probe = Probe()
    feed = RecordFeeds(lambda: [probe.loaded]).open()
    probe.say(b"x")
    feed.close()
    assert [batch.records for batch in feed.take()] == [(b"x",)]
    assert feed.take() == []


def test_a_closed_feed_follows_nothing() -> None:
    """Rings forget it, and new probes are not its any more. Closing twice does no harm."""
    probe, later = Probe(), Probe()
    all_feeds = RecordFeeds(lambda: [probe.loaded])
    feed = all_feeds.open()
    feed.close()
    feed.close()
    all_feeds.add(later.loaded)
    probe.say(b"x")
    assert feed.take() == []
    assert probe.reader._followers == later.reader._followers == []


def test_a_probe_unloaded_in_this_moment_is_passed_over() -> None:
    """Nobody waits for it."""
    probe = Probe()
    probe.gone = True
    assert RecordFeeds(lambda: [probe.loaded]).open().take() == []
