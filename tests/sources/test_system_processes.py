"""Processes of a made-up machine: who starts, who ends, what they used, from one poll to the next."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.sources.polled import BEGIN_NS, CPU, EXIT, SAMPLE, START, Kept, Made, keeping
from tracerd.native import lib
from tracerd.sources.system.reader import Description

PROCESS_EVENTS = ("process:start", "process:exit", "process:sample")
ENDS = 2
"""How often a process's end is told: to process:exit, and as its last sample."""
SECOND = 10**9


def polled(kept: Kept) -> int:
    """Poll once; returns the number of events."""
    return kept.source.pump(0)


def line(row: dict[str, Any]) -> bytes:
    """Return the command line that a program copied."""
    return bytes(row["line"])[: row["line_bytes"]]


def test_what_runs_at_the_first_poll_is_sampled_but_did_not_start() -> None:
    """A process that was there before has samples and, later, an exit; no start."""
    made = Made()
    made.run(10, 5 * SECOND)
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        polled(kept)
        assert kept.processes(SAMPLE)[10]["count"] == 2
        assert kept.processes(SAMPLE)[10]["known"] & lib.TR_KNOWN_BEGIN
        assert kept.processes(START) == {}
        made.rows.clear()
        polled(kept)
        assert kept.processes(EXIT)[10]["count"] == ENDS


def test_a_process_seen_later_is_a_start_with_everything_known_of_it() -> None:
    """Name, user, command line and begin are in the context; the process is the current task."""
    made = Made()
    made.told[10] = Description("longer-than-15-bytes", 1000, 100, "somebody", b"/bin/x\0-a\0b c\0", True)
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        made.run(10, 5 * SECOND, "longer-than-15-b", parent=7)
        before = time.monotonic_ns()
        polled(kept)
        row = kept.processes(START)[10]
    assert (row["count"], row["parent"], row["uid"], row["cpu"]) == (1, 7, 1000, CPU)
    assert (row["name"], row["user_name"], row["comm"]) == ("longer-than-15-bytes", "somebody", "longer-than-15-")
    assert (row["task"], row["user"]) == (10 << 32 | 10, 100 << 32 | 1000)
    assert line(row) == b"/bin/x\0-a\0b c\0"
    assert row["start_ns"] == BEGIN_NS + 5 * SECOND
    assert before <= row["now_ns"] <= time.monotonic_ns()
    wanted = lib.TR_KNOWN_BEGIN | lib.TR_KNOWN_USER | lib.TR_KNOWN_COMMAND_LINE | lib.TR_KNOWN_PARENT
    assert row["known"] & wanted == wanted
    assert not row["known"] & lib.TR_KNOWN_EXIT_CODE


def test_the_last_sample_of_a_process_says_that_it_is_gone() -> None:
    """A program that only samples can keep a table of what runs."""
    made = Made()
    made.run(10, 5 * SECOND, memory_bytes=4096)
    with keeping("process:sample", reader=made) as kept:
        polled(kept)
        made.rows.clear()
        assert polled(kept) == 1
        assert polled(kept) == 0
        row = kept.processes(EXIT)[10]
    assert (row["count"], row["memory_bytes"]) == (1, 4096)


def test_a_reused_pid_is_an_exit_and_a_start() -> None:
    """The same pid with another begin is another process: each has its own begin, name and usage."""
    made = Made()
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        made.run(10, 5 * SECOND, "first", user_ns=7 * SECOND)
        polled(kept)
        made.run(10, 9 * SECOND, "second", user_ns=1 * SECOND)
        polled(kept)
        start, end, sample = (kept.processes(kind)[10] for kind in (START, EXIT, SAMPLE))
    assert (start["count"], end["count"], sample["count"]) == (2, ENDS, 2)
    assert (end["name"], end["start_ns"]) == ("first", BEGIN_NS + 5 * SECOND)
    assert (start["name"], start["start_ns"]) == ("second", BEGIN_NS + 9 * SECOND)
    assert sample["cpu_ns"] == 8 * SECOND


def test_a_vanished_process_ends_with_what_was_last_known() -> None:
    """Command line and memory are those of the last poll; the exit code is not known."""
    made = Made()
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        made.run(10, 5 * SECOND, memory_bytes=4096, handles=3)
        polled(kept)
        lived = kept.processes(START)[10]["lifetime_ns"]
        del made.rows[10]
        polled(kept)
        row = kept.processes(EXIT)[10]
    assert (row["memory_bytes"], row["handles"], line(row)) == (4096, 3, b"made\0")
    assert row["lifetime_ns"] > lived
    assert not row["known"] & lib.TR_KNOWN_EXIT_CODE


def test_a_dead_process_ends_once_with_its_exit_code() -> None:
    """It ends when it is dead, not when its parent asks; it has the memory it had, and its final CPU time."""
    made = Made()
    made.run(10, 5 * SECOND, memory_bytes=4096)
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        known = lib.TR_KNOWN_EXIT_CODE | lib.TR_KNOWN_USAGE
        made.run(10, 5 * SECOND, memory_bytes=0, exited=1, exit_code=-9, known=known)
        for _ in range(3):
            polled(kept)
        made.rows.clear()
        polled(kept)
        row = kept.processes(EXIT)[10]
        assert kept.processes(SAMPLE)[10]["count"] == 1
    assert (row["count"], row["exit_code"], row["memory_bytes"]) == (ENDS, -9, 4096)
    assert row["known"] & lib.TR_KNOWN_EXIT_CODE


def test_a_process_that_is_first_seen_dead_starts_and_ends() -> None:
    """Between two polls it lived and died; its parent has not asked yet. What was dead at the first poll is nothing."""
    made = Made()
    made.run(9, 1 * SECOND, exited=1)
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        made.run(10, 5 * SECOND, exited=1)
        polled(kept)
        assert set(kept.processes(START)) == set(kept.processes(EXIT)) == {10}
        assert kept.processes(SAMPLE) == {}


def test_usage_in_the_interval_is_what_was_used_since_the_poll_before() -> None:
    """At the first poll nothing; then the difference; of a process that began since, all of it."""
    made = Made()
    made.run(10, 5 * SECOND, user_ns=100 * SECOND, system_ns=50 * SECOND)
    with keeping("process:sample", reader=made) as kept:
        polled(kept)
        assert kept.processes(SAMPLE)[10]["cpu_ns"] == 0
        assert kept.processes(SAMPLE)[10]["interval_ns"] == 0
        made.run(10, 5 * SECOND, user_ns=101 * SECOND, system_ns=52 * SECOND)
        made.run(11, 6 * SECOND, user_ns=2 * SECOND)
        polled(kept)
        assert kept.processes(SAMPLE)[10]["cpu_ns"] == 3 * SECOND
        assert kept.processes(SAMPLE)[11]["cpu_ns"] == 2 * SECOND
        assert 0 < kept.processes(SAMPLE)[10]["interval_ns"] < 60 * SECOND


def test_a_total_that_cannot_be_read_for_a_while_is_not_counted_twice() -> None:
    """A number that is not known is 0 and used nothing; when it is known again, it does not count from 0."""
    made = Made()
    made.run(10, 5 * SECOND, user_ns=5 * SECOND)
    with keeping("process:sample", reader=made) as kept:
        polled(kept)
        made.run(10, 5 * SECOND, user_ns=0, known=0)
        polled(kept)
        assert not kept.processes(SAMPLE)[10]["known"] & lib.TR_KNOWN_USAGE
        assert "IO or open files of 1 of 1 not readable" in kept.source.statistics()["process:sample"].via
        made.run(10, 5 * SECOND, user_ns=6 * SECOND)
        polled(kept)
        assert kept.processes(SAMPLE)[10]["cpu_ns"] == 0


def test_a_total_that_goes_back_for_a_moment_is_not_counted_twice() -> None:
    """5 s, 4 s, 6 s: one second was used."""
    made = Made()
    made.run(10, 5 * SECOND, user_ns=5 * SECOND)
    with keeping("process:sample", reader=made) as kept:
        polled(kept)
        for seconds in (4, 6):
            made.run(10, 5 * SECOND, user_ns=seconds * SECOND)
            polled(kept)
        assert kept.processes(SAMPLE)[10]["cpu_ns"] == 1 * SECOND


def test_another_program_in_the_same_process_is_described_again() -> None:
    """A process is described once; after an exec again, and no start is made of it."""
    made = Made()
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        made.run(10, 5 * SECOND, "sh", version=1)
        polled(kept)
        polled(kept)
        assert made.described == [10]
        made.run(10, 5 * SECOND, "dd", version=2)
        polled(kept)
        assert made.described == [10, 10]
        assert kept.processes(SAMPLE)[10]["name"] == "dd"
        assert kept.processes(START)[10]["count"] == 1


def test_a_clock_that_is_set_back_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unix time goes back by a year: nobody starts or ends, begins stay, lifetimes grow."""
    made = Made()
    now, moved = time.time_ns(), 0
    monkeypatch.setattr("tracerd.sources.system.source.time.time_ns", lambda: now - moved)
    made.run(10, now - BEGIN_NS - 5 * SECOND)
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        polled(kept)
        first = kept.processes(SAMPLE)[10]
        assert 5 * SECOND <= first["lifetime_ns"] < 65 * SECOND
        moved = 365 * 24 * 3600 * SECOND
        made.rows[10]["start_ns"] -= moved
        polled(kept)
        second = kept.processes(SAMPLE)[10]
        assert kept.processes(START) == kept.processes(EXIT) == {}
    assert second["start_ns"] == first["start_ns"]
    assert first["lifetime_ns"] < second["lifetime_ns"] < 65 * SECOND


def test_a_thousand_processes_are_all_delivered() -> None:
    """Each has its own numbers and command line, and the ledger balances to the event."""
    made = Made()
    for pid in range(1, 1001):
        made.run(pid, pid, f"p{pid}", memory_bytes=pid)
        made.told[pid] = Description(f"p{pid}", 1, 1, "u", b"x" * pid + b"\0", True)
    with keeping(*PROCESS_EVENTS, reader=made) as kept:
        assert polled(kept) == 1000
        for pid in range(1, 1001, 2):
            del made.rows[pid]
        for pid in range(2001, 2101):
            made.run(pid, pid)
        assert polled(kept) == 500 * ENDS + 100 + 600
        rows = kept.processes(SAMPLE)
        for pid in range(1, 1001):
            assert (rows[pid]["memory_bytes"], rows[pid]["name"], rows[pid]["line_bytes"]) == (pid, f"p{pid}", pid + 1)
            assert line(rows[pid])[:256] == (b"x" * pid + b"\0")[:256]
        assert set(kept.processes(EXIT)) == set(range(1, 1001, 2))
        ledgers = kept.source.statistics()
    assert {name: each.delivered for name, each in ledgers.items()} == {
        "process:start": 100, "process:exit": 500, "process:sample": 1000 + 500 + 600,
    }
    assert all(each.missing == each.failed == each.dropped_in_ring == 0 for each in ledgers.values())


def test_text_is_cut_at_a_whole_character() -> None:
    """Names and users that are too long end before their field does, in valid UTF-8."""
    made = Made()
    made.run(10, 5 * SECOND)
    made.told[10] = Description("ä" * 60, 1, 1, "€" * 60, b"", True)
    with keeping("process:sample", reader=made) as kept:
        polled(kept)
        row = kept.processes(SAMPLE)[10]
    assert (row["name"], row["user_name"], row["comm"]) == ("ä" * 31, "€" * 21, "ä" * 7)


def test_the_longest_command_line_is_delivered_whole() -> None:
    """65,535 bytes, the most a payload may have, reach the program; it reads as far as it proved."""
    made = Made()
    made.run(10, 5 * SECOND)
    made.run(11, 5 * SECOND, "next")
    made.told[10] = Description("x", 1, 1, "u", b"y" * 65534 + b"\0", True)
    with keeping("process:sample", reader=made) as kept:
        polled(kept)
        assert kept.processes(SAMPLE)[10]["line_bytes"] == 65535
        assert bytes(kept.processes(SAMPLE)[10]["line"]) == b"y" * 256
        assert line(kept.processes(SAMPLE)[11]) == b"next\0"
