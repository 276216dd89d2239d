"""Programs that run by time: in order, at the times asked for, and what is left out is counted."""

from __future__ import annotations

import struct
from typing import Any

from tests.native.witness import Seen, Witness, counts
from tracerd.native import ffi, lib

SECOND = 10**9
OFFSET = 1_700_000_000 * SECOND


class Clock:
    """Ticks with a run of their own."""

    def __init__(self, catch_up: int = 1000) -> None:
        self.native: Any = ffi.gc(lib.tr_ticks_new(OFFSET, 3, catch_up), lib.tr_ticks_free)
        self.run: Any = ffi.new("struct tr_run *")
        self.groups = 0

    def add(self, witness: Witness, kind: int, interval_ns: int = 0) -> int:
        number = lib.tr_ticks_add(self.native, witness.program, kind, interval_ns, 40, self.groups)
        self.groups += 1
        return int(number)

    def advance(self, now_ns: int) -> None:
        lib.tr_ticks_advance(self.native, now_ns, self.run)

    def ledger(self, group: int) -> dict[str, int]:
        raw = ffi.new("struct tr_ledger *")
        lib.tr_ticks_ledger(self.native, group, raw)
        return counts(raw)


def test_begin_comes_first_intervals_on_time_and_end_once() -> None:
    """An interval first runs one interval after the begin; end runs at the last time seen."""
    begin, every, end = Witness(), Witness(), Witness()
    clock = Clock()
    clock.add(end, lib.TR_TICK_END)
    clock.add(every, lib.TR_TICK_INTERVAL, SECOND)
    clock.add(begin, lib.TR_TICK_BEGIN)
    assert lib.tr_ticks_due(clock.native) == 0
    for now in (5 * SECOND, 5 * SECOND + 1, 6 * SECOND, 6 * SECOND, 7 * SECOND - 1, 8 * SECOND + 5):
        clock.advance(now)
    lib.tr_ticks_end(clock.native, clock.run)
    lib.tr_ticks_end(clock.native, clock.run)
    assert [seen.now_ns for seen in begin.seen] == [5 * SECOND]
    assert [seen.now_ns for seen in every.seen] == [6 * SECOND, 7 * SECOND, 8 * SECOND]
    assert [seen.now_ns for seen in end.seen] == [8 * SECOND + 5]
    assert lib.tr_ticks_due(clock.native) == 9 * SECOND


def test_the_context_tells_time_interval_and_count() -> None:
    """Unix time is the driving clock plus the offset; the task is nobody's and the CPU the one given."""
    every = Witness()
    clock = Clock()
    clock.add(every, lib.TR_TICK_INTERVAL, SECOND)
    clock.advance(SECOND)
    clock.advance(3 * SECOND)
    second = every.seen[1]
    time_ns, interval, count, missed, kind, _ = struct.unpack("<4Q2I", second.context)
    assert (time_ns, interval, count, missed, kind) == (OFFSET + 3 * SECOND, SECOND, 1, 0, lib.TR_TICK_INTERVAL)
    assert (second.cpu, second.pid_tgid, second.uid_gid) == (3, 0, 65534 << 32 | 65534)


def test_ticks_of_several_intervals_run_in_order_of_time() -> None:
    """Of two due at once the first added runs first."""
    order: list[Seen] = []
    slow, fast = Witness(seen=order), Witness(seen=order)
    clock = Clock()
    clock.add(slow, lib.TR_TICK_INTERVAL, 2 * SECOND)
    clock.add(fast, lib.TR_TICK_INTERVAL, SECOND)
    clock.advance(0)
    clock.advance(4 * SECOND)
    intervals = [struct.unpack_from("<Q", seen.context, 8)[0] // SECOND for seen in order]
    assert [seen.now_ns // SECOND for seen in order] == [1, 2, 2, 3, 4, 4]
    assert intervals == [1, 2, 1, 1, 2, 1]


def test_what_cannot_be_made_up_for_is_counted_as_lost() -> None:
    """After ten silent seconds a clock that catches up by one runs the last tick and says that nine are missing."""
    every = Witness()
    clock = Clock(catch_up=1)
    group = clock.add(every, lib.TR_TICK_INTERVAL, SECOND)
    clock.advance(0)
    clock.advance(10 * SECOND)
    assert [seen.now_ns for seen in every.seen] == [10 * SECOND]
    assert struct.unpack_from("<Q", every.seen[0].context, 24) == (9,)
    assert clock.ledger(group) == {"produced": 10, "delivered": 1, "lost_in_session": 9}


def test_a_clock_that_leaps_to_its_end_does_not_hang() -> None:
    """A hostile recording may claim any time: the ticks are bounded."""
    every = Witness()
    clock = Clock(catch_up=5)
    group = clock.add(every, lib.TR_TICK_INTERVAL, 10**6)
    clock.advance(0)
    clock.advance(2**64 - 1)
    ledger = clock.ledger(group)
    assert len(every.seen) == ledger["delivered"] == 5
    assert ledger["produced"] == ledger["delivered"] + ledger["lost_in_session"]


def test_a_clock_that_goes_back_runs_nothing() -> None:
    """Events of two sources may be a little out of order."""
    every = Witness()
    clock = Clock()
    clock.add(every, lib.TR_TICK_INTERVAL, SECOND)
    for now in (10 * SECOND, 2 * SECOND, 10 * SECOND, 11 * SECOND, 3 * SECOND):
        clock.advance(now)
    assert [seen.now_ns for seen in every.seen] == [11 * SECOND]


def test_an_aborted_tick_has_failed() -> None:
    """The balance holds for runs that were aborted."""
    clock = Clock()
    group = clock.add(Witness(abort=True), lib.TR_TICK_BEGIN)
    clock.advance(1)
    assert clock.ledger(group) == {"produced": 1, "failed": 1}


def test_what_makes_no_sense_is_not_added() -> None:
    """An interval of nothing, a begin with one, a kind that is none, a program that reads past the context."""
    clock, witness = Clock(), Witness()
    assert lib.tr_ticks_add(clock.native, witness.program, lib.TR_TICK_INTERVAL, 0, 40, 0) == -1
    assert lib.tr_ticks_add(clock.native, witness.program, lib.TR_TICK_BEGIN, 1, 40, 0) == -1
    assert lib.tr_ticks_add(clock.native, witness.program, 7, 1, 40, 0) == -1
    assert lib.tr_ticks_add(clock.native, witness.program, lib.TR_TICK_BEGIN, 0, 41, 0) == -1
    assert lib.tr_ticks_add(clock.native, ffi.NULL, lib.TR_TICK_BEGIN, 0, 40, 0) == -1
