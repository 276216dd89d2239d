"""The recorder: what it keeps the feed gives back unchanged, and what it cannot keep is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.trec_support import EVENTS, LETTER, PLAIN, Given, give, record, replay, until
from tracerd.native import ffi, lib
from tracerd.sources.trec.recorder import Counts, Filter, Recorder

words = st.integers(0, 2**64 - 1)
ids = st.integers(0, 2**32 - 1)


@st.composite
def givens(draw: st.DrawFn) -> Given:
    """Draw an event: few tasks, so that they come again, and contexts of every length."""
    event = draw(st.integers(0, len(EVENTS) - 1))
    return Given(
        event, draw(words), draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(words),
        draw(st.binary(max_size=16)), draw(st.binary(min_size=16, max_size=80)),
        draw(st.binary(max_size=100)) if EVENTS[event].payload else b"",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorder")


@given(st.lists(st.lists(givens(), max_size=12), max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_was_recorded_is_replayed_unchanged(folder: Path, blocks: list[list[Given]]) -> None:
    """Task, time, CPU, context and payload of every event come out as they went in, in order, whatever the blocks."""
    path = record(folder / "any.trec", blocks)
    assert replay(path).seen == [each.seen() for block in blocks for each in block]


class Bench:
    """A recorder with both events of the tests."""

    def __init__(self, keep: Filter | None = None, *, patient: bool = False, blocks: int = 2) -> None:
        self.recorder = Recorder(keep or Filter(), patient=patient, blocks=blocks)
        self.plain, self.letter = (self.recorder.add(event)[0] for event in (PLAIN, LETTER))
        self.native: Any = self.recorder._native

    def take(self, *, partial: bool = True) -> Any:
        """Return the next block, or None."""
        block: Any = ffi.new("struct tr_recorder_block *")
        return block if lib.tr_recorder_take(self.native, partial, block) else None

    def release(self, *, kept: bool) -> None:
        lib.tr_recorder_release(self.native, kept)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    with closing(made.recorder):
        yield made


LARGE = Given(context=bytes(8000))
PER_BLOCK = lib.TR_RECORDER_BLOCK // 8024        # of LARGE


def test_a_full_recorder_drops_and_counts(bench: Bench) -> None:
    """With both blocks full further events are dropped; the sum of recorded and dropped is what was given."""
    for _ in range(3 * PER_BLOCK):
        give(bench.plain, LARGE)
    counts = bench.recorder.counts(0)
    assert counts.recorded + counts.dropped == 3 * PER_BLOCK
    assert 2 * (PER_BLOCK - 1) <= counts.recorded <= 2 * PER_BLOCK


def test_a_released_block_makes_room(bench: Bench) -> None:
    """Once the oldest block has been written, recording goes on."""
    for _ in range(3 * PER_BLOCK):
        give(bench.plain, LARGE)
    dropped = bench.recorder.counts(0).dropped
    assert bench.take(partial=False) is not None
    bench.release(kept=True)
    give(bench.plain, LARGE)
    assert bench.recorder.counts(0).dropped == dropped


def test_blocks_leave_in_the_order_in_which_they_were_filled() -> None:
    """The times of the blocks that are taken ascend as the events did."""
    bench, times = Bench(blocks=6), []
    with closing(bench.recorder):
        for now in range(4 * PER_BLOCK):
            give(bench.plain, Given(now_ns=now, context=bytes(8000)))
        while (block := bench.take()) is not None:
            times += [block.first_ns, block.last_ns]
            bench.release(kept=True)
    assert times == sorted(times)
    assert times[0] == 0
    assert times[-1] == 4 * PER_BLOCK - 1


def test_events_that_could_not_be_written_count_as_dropped(bench: Bench) -> None:
    """A block given back unwritten takes its events out of `recorded`, each of its own kind."""
    give(bench.plain, Given())
    give(bench.letter, Given(1, payload=b"dear"))
    give(bench.letter, Given(1))
    assert bench.take() is not None
    bench.release(kept=False)
    assert [bench.recorder.counts(number) for number in (0, 1)] == [Counts(0, 0, 1), Counts(0, 0, 2)]


def test_a_taken_block_stays_until_it_is_released(bench: Bench) -> None:
    """Asking again answers the same block: a failed write can be tried again."""
    give(bench.plain, Given())
    first, again = bench.take(), bench.take()
    assert (first.data, first.events) == (again.data, again.events)


def test_an_empty_recorder_has_no_block(bench: Bench) -> None:
    """Without events there is nothing to write, partial or not."""
    assert bench.take() is None
    bench.release(kept=True)
    assert bench.take(partial=False) is None


def test_a_partial_block_is_given_out_only_if_asked_for(bench: Bench) -> None:
    """A block that is not full waits for more events, until somebody wants what there is."""
    give(bench.plain, Given())
    assert bench.take(partial=False) is None
    assert bench.take(partial=True).events == 1


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (Filter(since_ns=20), [20, 30]),
        (Filter(until_ns=20), [10, 20]),
        (Filter(since_ns=11, until_ns=29), [20]),
        (Filter(pid=20), [20]),
        (Filter(pid=0), []),
    ],
)
def test_a_filter_leaves_out_and_counts(tmp_path: Path, keep: Filter, kept: list[int]) -> None:
    """Time (both ends included) and process say what is recorded; the rest is filtered, not lost."""
    path = record(tmp_path / "f.trec", [[Given(now_ns=n, pid=n) for n in (10, 20, 30)]], keep=keep)
    assert [each.now_ns for each in replay(path).seen] == kept


def test_filtered_events_are_counted() -> None:
    """Given = recorded + filtered + dropped."""
    picky = Bench(Filter(pid=1))
    with closing(picky.recorder):
        for pid in (1, 2, 3):
            give(picky.plain, Given(pid=pid))
        assert picky.recorder.counts(0) == Counts(1, 2, 0)


def test_an_impossible_payload_is_dropped(bench: Bench) -> None:
    """Bounds that are turned round, or more than 64 KiB apart, are not followed."""
    for start, end in ((4096, 4095), (0, 65536)):
        run: Any = ffi.new("struct tr_run *", {"context_bytes": 24})
        lib.tr_program_run(bench.letter, ffi.new("uint64_t[3]", [start, end, 0]), run)
    run = ffi.new("struct tr_run *", {"context_bytes": 8})
    lib.tr_program_run(bench.letter, ffi.new("uint64_t[1]"), run)
    assert bench.recorder.counts(1) == Counts(0, 0, 3)


def test_a_context_beyond_the_largest_record_is_dropped(bench: Bench) -> None:
    """No batch may have it, so no block gets it."""
    give(bench.plain, Given(context=bytes(8193)))
    assert bench.recorder.counts(0) == Counts(0, 0, 1)


def test_more_tasks_than_a_block_may_have_go_into_the_next(tmp_path: Path) -> None:
    """Every thread of a busy machine keeps its name, however many there are."""
    many = [Given(now_ns=n, tid=n % 9000, pid=n % 9000) for n in range(20_000)]
    assert replay(record(tmp_path / "many.trec", [many])).seen == [each.seen() for each in many]


def test_threads_may_record_at_once() -> None:
    """Four threads, one recorder: every event is in exactly one block, and the counts say so."""
    bench, each = Bench(blocks=64), 2000
    with closing(bench.recorder):
        threads = [
            threading.Thread(target=lambda tid=tid: [give(bench.plain, Given(tid=tid)) for _ in range(each)])
            for tid in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = 0
        while (block := bench.take()) is not None:
            events += block.events
            bench.release(kept=True)
        assert (events, bench.recorder.counts(0)) == (4 * each, Counts(4 * each, 0, 0))


def test_a_patient_recorder_waits_for_room() -> None:
    """Events of a file are not dropped: whoever gives them waits until a block is free."""
    bench = Bench(patient=True)
    with closing(bench.recorder):
        thread = threading.Thread(target=lambda: [give(bench.plain, LARGE) for _ in range(5 * PER_BLOCK)])
        thread.start()
        until(lambda: bench.recorder.counts(0).recorded >= 2 * (PER_BLOCK - 1))
        while thread.is_alive():
            if bench.take(partial=False) is not None:
                bench.release(kept=True)
        assert bench.recorder.counts(0) == Counts(5 * PER_BLOCK, 0, 0)


def test_patience_can_be_ended() -> None:
    """When nothing can be written any more, nobody waits for ever."""
    bench = Bench(patient=True)
    with closing(bench.recorder):
        thread = threading.Thread(target=lambda: [give(bench.plain, LARGE) for _ in range(3 * PER_BLOCK)])
        thread.start()
        bench.recorder.hurry()
        thread.join(timeout=10)
        assert not thread.is_alive()
        assert bench.recorder.counts(0).dropped >= PER_BLOCK


def test_threads_that_wait_for_room_do_not_overfill_the_block_that_one_of_them_opened() -> None:
    """A thread that wakes up finds a block that another has opened and nearly filled: it takes the next one."""
    bench, payload = Bench(patient=True), ffi.new("char[]", 60_000)
    start = int(ffi.cast("uint64_t", payload))
    pointers = ffi.new("uint64_t[]", [start, start + len(payload)])

    def give_many(program: Any, context: Any, context_bytes: int, many: int) -> None:
        run = ffi.new("struct tr_run *", {"context_bytes": context_bytes})
        lib.tr_program_repeat(program, context, run, many, ffi.new("uint64_t *"))

    large, small = (bench.letter, pointers, 16, 5000), (bench.plain, payload, 64, 3_000_000)
    givers = [threading.Thread(target=give_many, args=each) for each in (large, small)]
    with closing(bench.recorder):
        for giver in givers:
            giver.start()
        taken = 0
        while taken < 3_005_000:
            if block := bench.take(partial=not any(giver.is_alive() for giver in givers)):
                assert block.bytes <= lib.TR_RECORDER_BLOCK
                taken += block.events
                bench.release(kept=True)
            else:
                time.sleep(0.0001)
        assert bench.recorder.counts(1) == Counts(5000, 0, 0)
