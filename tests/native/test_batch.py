"""The feed: programs run on the events of a batch as it says, and what makes no sense is not believed."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.witness import Witness, counts
from tracerd.native import ffi, lib

TASK = struct.pack("<QQ16s", 7 << 32 | 8, 1 << 32 | 2, b"worker")
PLAIN, PAYLOAD = 0, 1


def entry(event: int, context: bytes, payload: bytes = b"", *, now: int = 1, task: int = 0, cpu: int = 0) -> bytes:
    """Return one entry of a batch, padded."""
    whole = struct.pack("<QIHHII", now, task, event, cpu, len(context), len(payload)) + context + payload
    return whole + bytes(-len(whole) % 8)


def task(number: int = 0, body: bytes = TASK) -> bytes:
    return entry(lib.TR_BATCH_TASK, body, task=number)


class Feed:
    """A feed with two events: a plain record of at least 16 bytes, and a context of 24 with a payload."""

    def __init__(self, cpus: int = 2) -> None:
        self.native: Any = ffi.gc(lib.tr_feed_new(cpus), lib.tr_feed_free)
        self.run: Any = ffi.new("struct tr_run *")
        self.plain, self.payload = Witness(), Witness(payload=True)
        assert lib.tr_feed_add_event(self.native, 16, 0) == PLAIN
        assert lib.tr_feed_add_event(self.native, 24, 1) == PAYLOAD

    def link(self, *pairs: tuple[Witness, int]) -> None:
        links = ffi.new("struct tr_link[]", len(pairs))
        for row, (witness, event) in zip(links, pairs, strict=True):
            row.program, row.event, row.need = witness.program, event, 16
        assert lib.tr_feed_set_links(self.native, links, len(pairs)) == 0

    def feed(self, batch: bytes) -> int:
        words = ffi.new("uint64_t[]", len(batch) // 8 + 1)
        ffi.memmove(words, batch, len(batch))
        return int(lib.tr_feed_run(self.native, words, len(batch), self.run))

    def ledger(self, event: int) -> dict[str, int]:
        raw = ffi.new("struct tr_ledger *")
        lib.tr_feed_ledger(self.native, event, raw)
        return counts(raw)


@pytest.fixture
def feed() -> Feed:
    made = Feed()
    made.link((made.plain, PLAIN), (made.payload, PAYLOAD))
    return made


def test_programs_see_the_event_s_time_cpu_and_task(feed: Feed) -> None:
    """All that helpers answer comes from the batch."""
    batch = task() + entry(PLAIN, b"0123456789abcdef!", now=99, cpu=1)
    assert feed.feed(batch) == len(batch)
    (seen,) = feed.plain.seen
    assert (seen.now_ns, seen.cpu, seen.pid_tgid, seen.uid_gid) == (99, 1, 7 << 32 | 8, 1 << 32 | 2)
    assert (seen.comm, seen.context) == (b"worker".ljust(16, b"\0"), b"0123456789abcdef!")


def test_a_payload_is_bounded_by_the_context_s_pointers(feed: Feed) -> None:
    """data and data_end are put in, whatever the batch has there."""
    feed.feed(task() + entry(PAYLOAD, b"\xff" * 16 + b"12345678", b"the payload"))
    (seen,) = feed.payload.seen
    assert seen.payload == b"the payload"
    assert seen.context[16:] == b"12345678"


def test_every_event_is_in_the_balance() -> None:
    """Unasked for: filtered. Too short, of an unknown task, or of a CPU without a slot: dropped. Aborted: failed."""
    feed = Feed(cpus=1)
    feed.payload.abort = True
    feed.link((feed.payload, PAYLOAD))
    good = bytes(24)
    feed.feed(
        task()
        + entry(PLAIN, good)
        + entry(PAYLOAD, good)
        + entry(PAYLOAD, bytes(23))
        + entry(PAYLOAD, good, task=1)
        + entry(PAYLOAD, good, cpu=1)
        + entry(2, good)
    )
    assert feed.ledger(PLAIN) == {"produced": 1, "filtered": 1}
    assert feed.ledger(PAYLOAD) == {"produced": 4, "dropped_in_ring": 3, "failed": 1}
    assert lib.tr_feed_senseless(feed.native) == 1


def test_tasks_are_those_of_their_batch(feed: Feed) -> None:
    """A task of the batch before is not known in the next."""
    feed.feed(task() + entry(PLAIN, bytes(16)))
    feed.feed(entry(PLAIN, bytes(16)))
    assert feed.ledger(PLAIN) == {"produced": 2, "delivered": 1, "dropped_in_ring": 1}


@pytest.mark.parametrize(
    "bad",
    [
        b"\0" * 23,                                                                  # no whole header
        struct.pack("<QIHHII", 0, 0, PLAIN, 0, 64, 0),                               # context beyond the end
        struct.pack("<QIHHII", 0, 0, PLAIN, 0, 0xFFFFFFFF, 0xFFFFFFFF) + bytes(64),    # sizes that add up to little
        struct.pack("<QIHHII", 0, 0, PLAIN, 0, 16, 65536) + bytes(70000),            # a payload no proof allows
        task(1),                                                                     # a task's number left out
        task(0, TASK[:-1]),                                                          # a task of another size
    ],
)
def test_a_batch_is_run_up_to_where_it_makes_no_sense(feed: Feed, bad: bytes) -> None:
    """The sound entries before are delivered, nothing behind is."""
    sound = entry(PLAIN, bytes(16))
    start = b"" if bad[12:14] == b"\xff\xff" else task()
    done = feed.feed(start + (sound if start else b"") + bad + sound)
    assert done == len(start) + (len(sound) if start else 0)
    assert len(feed.plain.seen) == bool(start)


def test_links_that_read_past_the_context_are_refused() -> None:
    """What a certificate says is needed must be there in every event."""
    feed = Feed()
    link = ffi.new("struct tr_link *", {"program": feed.plain.program, "event": PLAIN, "need": 17})
    assert lib.tr_feed_set_links(feed.native, link, 1) == -1
    link.event, link.need = 2, 0
    assert lib.tr_feed_set_links(feed.native, link, 1) == -1


def test_intervals_follow_the_events_clock(feed: Feed) -> None:
    """A tick that is due runs before the event that brought its time."""
    every = Witness()
    ticks = ffi.gc(lib.tr_ticks_new(0, 0, 10), lib.tr_ticks_free)
    assert lib.tr_ticks_add(ticks, every.program, lib.TR_TICK_INTERVAL, 100, 40, 0) == 0
    lib.tr_feed_set_ticks(feed.native, ticks)
    feed.feed(task() + b"".join(entry(PLAIN, bytes(16), now=now) for now in (1000, 1050, 1200, 1199, 1450)))
    assert [seen.now_ns for seen in every.seen] == [1100, 1200, 1300, 1400]
    assert [seen.now_ns for seen in feed.plain.seen] == [1000, 1050, 1200, 1199, 1450]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_harm_the_feed(noise: bytes, place: int, value: int) -> None:
    """Random bytes, and a sound batch with one byte changed, end in an answer within the batch."""
    feed = Feed()
    feed.link((feed.plain, PLAIN), (feed.payload, PAYLOAD))
    sound = bytearray(task() + entry(PLAIN, bytes(16)) + entry(PAYLOAD, bytes(24), b"text") + entry(PLAIN, bytes(40)))
    sound[place % len(sound)] = value
    for batch in (noise, bytes(sound)):
        assert 0 <= feed.feed(batch) <= len(batch)


def test_the_last_moment_of_the_clock_is_a_time_like_any_other(feed: Feed) -> None:
    """An event at 2**64 - 1 runs, with no intervals that it could be due for."""
    batch = task() + entry(PLAIN, bytes(16), now=2**64 - 1)
    assert feed.feed(batch) == len(batch)
    assert feed.ledger(PLAIN) == {"produced": 1, "delivered": 1}


def test_a_batch_is_run_up_to_a_time(feed: Feed) -> None:
    """A run stops before the first event that is too late, and goes on there with the tasks it knows."""
    batch = task() + b"".join(entry(PLAIN, bytes(16), now=now) for now in (1, 2, 3, 4))
    words = ffi.new("uint64_t[]", len(batch) // 8)
    ffi.memmove(words, batch, len(batch))
    at = lib.tr_feed_run_until(feed.native, words, 0, len(batch), 2, feed.run)
    assert [each.now_ns for each in feed.plain.seen] == [1, 2]
    assert lib.tr_feed_next_ns(feed.native) == 3
    assert lib.tr_feed_run_until(feed.native, words, at, len(batch), 9, feed.run) == len(batch)
    assert [each.now_ns for each in feed.plain.seen] == [1, 2, 3, 4]
    assert lib.tr_feed_next_ns(feed.native) == 2**64 - 1
    assert {each.comm for each in feed.plain.seen} == {b"worker".ljust(16, b"\0")}


def test_a_call_ends_soon_and_goes_on_where_it_was() -> None:
    """Events far apart each cost thousands of ticks: a call leaves the rest to the next, so it can be stopped."""
    feed, every = Feed(), Witness()
    feed.link((feed.plain, PLAIN))
    ticks = ffi.gc(lib.tr_ticks_new(0, 0, 20_000), lib.tr_ticks_free)
    assert lib.tr_ticks_add(ticks, every.program, lib.TR_TICK_INTERVAL, 1, 40, 0) == 0
    lib.tr_feed_set_ticks(feed.native, ticks)
    batch = task() + b"".join(entry(PLAIN, bytes(16), now=now) for now in (*range(0, 10**6, 10**5), 2**64 - 1))
    words = ffi.new("uint64_t[]", len(batch) // 8)
    ffi.memmove(words, batch, len(batch))
    calls = at = 0
    while not calls or lib.tr_feed_next_ns(feed.native) != 2**64 - 1:
        at, calls = lib.tr_feed_run_until(feed.native, words, at, len(batch), 2**64 - 1, feed.run), calls + 1
    assert at == len(batch)
    assert calls > 1
    assert len(feed.plain.seen) == 11
    assert len(every.seen) >= 9 * 20_000
