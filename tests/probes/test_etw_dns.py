"""The probe `etw_dns`: queries, failures and latencies by process and name, over made recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.probes.recorded import TICK_NS, Recording
from tests.probes.replayed import Engine, records_of, tables_of
from tracerd.views.percentiles import log2_percentile

DNS = "Microsoft-Windows-DNS-Client"
PROCESS = "Microsoft-Windows-Kernel-Process"
A, AAAA = 1, 28
NAME_ERROR, NO_RECORDS, PENDING, TIMEOUT = 9003, 9501, 9506, 1460
BOTH = pytest.mark.parametrize("engine", ["interpreter", "jit"])


def ask(made: Recording, tick: int, pid: int, name: str, kind: int = A) -> None:
    made.event(tick, DNS, "QueryCalled", pid=pid, QueryName=name, QueryType=kind)


def answer(made: Recording, tick: int, pid: int, name: str, kind: int = A, status: int = 0) -> None:
    made.event(tick, DNS, "QueryCompleted", pid=pid, QueryName=name, QueryType=kind, QueryStatus=status)


def totals(path: Path) -> dict[str, int]:
    """Return the totals that are not zero."""
    (row,) = tables_of("etw_dns", path)["totals"]
    return {name: number for name, number in row.items() if number}


@BOTH
def test_queries_are_matched_with_their_answers(tmp_path: Path, engine: Engine) -> None:
    """By process, name and type; latencies are those of each."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessStart", 3, ProcessID=60, ImageName="C:\\x\\mail.exe")
        ask(made, 10, 60, "example.com")
        ask(made, 11, 60, "example.com", AAAA)
        ask(made, 12, 64, "example.com")
        answer(made, 10 + 50, 60, "example.com")
        answer(made, 11 + 500, 60, "example.com", AAAA, NO_RECORDS)
        answer(made, 12 + 5000, 64, "example.com", A, NAME_ERROR)
    tables = tables_of("etw_dns", made.path, engine)
    assert {(row["pid"], row["process"], row["type"]): row for row in tables["queries"]} == {
        (60, "mail.exe", "A"): row_of(60, "mail.exe", "A", 50),
        (60, "mail.exe", "AAAA"): row_of(60, "mail.exe", "AAAA", 500, empty=1),
        (64, "", "A"): row_of(64, "", "A", 5000, failures=1, last_failure="RCODE_NAME_ERROR"),
    }
    assert sorted((row["status"], row["type"], row["count"]) for row in tables["statuses"]) == [
        ("NO_RECORDS", "AAAA", 1), ("RCODE_NAME_ERROR", "A", 1), ("SUCCESS", "A", 1)
    ]
    assert totals(made.path) == {"queries": 3, "completed": 3, "failures": 1}


def row_of(pid: int, process: str, kind: str, ticks: int, **other: Any) -> dict[str, Any]:
    """A row of one query: its percentiles are its time, but never above it."""
    ns = ticks * TICK_NS
    slots = np.eye(1, 40, ns.bit_length() - 1, dtype=np.int64)
    half, most = (min(int(log2_percentile(slots, each)[0]), ns) for each in (50, 99))
    made = {
        "pid": pid, "process": process, "type": kind, "count": 1, "failures": 0, "empty": 0,
        "p50_ns": half, "p99_ns": most, "name": "example.com",
        "last_failure": "SUCCESS",
    }
    return {**made, **other}


@BOTH
def test_each_failure_is_a_record(tmp_path: Path, engine: Engine) -> None:
    """With process, name, type, status and time; "no records" and "still to come" are none."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessRundown", 1, ProcessID=60, ImageName="mail.exe")
        ask(made, 10, 60, "gone.example")
        answer(made, 30, 60, "gone.example", A, NAME_ERROR)
        answer(made, 40, 60, "slow.example", AAAA, TIMEOUT)
        answer(made, 50, 60, "empty.example", A, NO_RECORDS)
        answer(made, 60, 60, "pending.example", A, PENDING)
    keys = ("pid", "process", "name", "type", "status", "latency_ns")
    records = records_of("etw_dns", made.path, "failures", "failure_record", engine)
    assert [tuple(each[key] for key in keys) for each in records] == [
        (60, "mail.exe", "gone.example", A, NAME_ERROR, 20 * TICK_NS),
        (60, "mail.exe", "slow.example", AAAA, TIMEOUT, 0),
    ]


def test_names_are_the_same_in_letters_of_either_case(tmp_path: Path) -> None:
    """Only the letters A to Z: other bytes stay, those of UTF-8 too."""
    with Recording(tmp_path / "made.etl") as made:
        ask(made, 1, 60, "Example.COM")
        answer(made, 2, 60, "eXample.com")
        ask(made, 3, 60, "AZaz@[`{09-_ÄÖé.net")
    assert {row["name"]: row["count"] for row in tables_of("etw_dns", made.path)["queries"]} == {
        "example.com": 1, "azaz@[`{09-_ÄÖé.net": 1
    }
    assert totals(made.path) == {"queries": 2, "completed": 1, "open": 1}


def test_answers_without_a_question_and_questions_without_an_answer_are_counted(tmp_path: Path) -> None:
    """A recording begins and ends somewhere."""
    with Recording(tmp_path / "made.etl") as made:
        answer(made, 1, 60, "before.example")
        ask(made, 2, 60, "after.example")
    assert totals(made.path) == {"queries": 1, "completed": 1, "unmatched": 1, "open": 1}


def test_while_the_same_is_asked_twice_at_a_time_no_latency_is_made_up(tmp_path: Path) -> None:
    """Nothing tells whose answer it is; the next query alone has one again."""
    with Recording(tmp_path / "made.etl") as made:
        ask(made, 10, 60, "example.com")
        ask(made, 20, 60, "example.com")
        answer(made, 1000, 60, "example.com")
        answer(made, 2000, 60, "example.com")
        ask(made, 3000, 60, "example.com")
        answer(made, 3004, 60, "example.com")
    (row,) = tables_of("etw_dns", made.path)["queries"]
    assert (row["count"], row["p99_ns"]) == (3, 400)
    assert totals(made.path) == {"queries": 3, "completed": 3, "overlapped": 2}


def test_a_pid_that_is_used_again_does_not_answer_for_the_one_before(tmp_path: Path) -> None:
    """Its answer has no question then."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessRundown", 1, ProcessID=60, ImageName="old.exe")
        ask(made, 1, 60, "example.com")
        made.kernel(2, "Process", "Start", 4, ProcessId=60, ImageFileName="new.exe")
        answer(made, 3, 60, "example.com")
    assert {(row["process"], row["count"]) for row in tables_of("etw_dns", made.path)["queries"]} == {
        ("old.exe", 1), ("new.exe", 0)
    }
    assert totals(made.path) == {"queries": 1, "completed": 1, "open": 1, "unmatched": 1}


def test_servers_have_what_was_sent_to_them_and_what_they_said(tmp_path: Path) -> None:
    """By address, as Windows writes it."""
    with Recording(tmp_path / "made.etl") as made:
        for tick, server in enumerate(("192.0.2.53", "2001:db8::53", "192.0.2.53")):
            made.event(tick, DNS, "QuerySentToServer", QueryName="x", DnsServerIpAddress=server)
        for tick, status in enumerate((0, NAME_ERROR, NO_RECORDS)):
            made.event(
                10 + tick, DNS, "ResponseFromServer", QueryName="x", DnsServerIpAddress="192.0.2.53",
                ResponseStatus=status,
            )
    assert tables_of("etw_dns", made.path)["servers"] == [
        {"server": "192.0.2.53", "sent": 2, "responses": 3, "failures": 1, "last_failure": "RCODE_NAME_ERROR"},
        {"server": "2001:db8::53", "sent": 1, "responses": 0, "failures": 0, "last_failure": "SUCCESS"},
    ]


@pytest.mark.parametrize("name", ["", "a" * 127, "b" * 128, "ü" * 200, "c" * 300])
def test_a_name_is_cut_to_what_there_is_room_for(tmp_path: Path, name: str) -> None:
    """At 127 bytes, between characters."""
    with Recording(tmp_path / "made.etl") as made:
        ask(made, 1, 60, name)
    (row,) = tables_of("etw_dns", made.path)["queries"]
    assert row["name"] == name.encode()[:127].decode(errors="ignore")


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    """Payloads without a type or a status, and a version that is not known."""
    with Recording(tmp_path / "made.etl") as made:
        for cut in range(len("x.y\0".encode("utf-16-le")) + 4):
            made.event(cut, DNS, "QueryCalled", cut=cut, QueryName="x.y", QueryType=A)
        made.event(50, DNS, "QueryCalled", written_as=9, QueryName="x.y", QueryType=A)
        made.event(51, DNS, "QueryCompleted", cut=12, QueryName="x.y", QueryType=A)
        made.event(52, DNS, "ResponseFromServer", cut=20, QueryName="x.y", DnsServerIpAddress="1.1.1.1")
    assert totals(made.path) == {"unreadable": 15}


@BOTH
def test_names_without_room_are_in_the_totals(tmp_path: Path, engine: Engine) -> None:
    """The table of queries has room for 16,384 names, that of open ones for 8,192; the ring for so many records."""
    with Recording(tmp_path / "made.etl") as made:
        for number in range(16_390):
            ask(made, 2 * number, 60, f"{number}.example")
            answer(made, 2 * number + 1, 60, f"{number}.example", A, NAME_ERROR)
    tables = tables_of("etw_dns", made.path, engine)
    assert len(tables["queries"]) == 16_384
    (found,) = tables["totals"]
    assert (found["queries"], found["completed"], found["failures"]) == (16_390, 16_390, 16_390)
    assert found["refused"] == 2 * 6             # once when it is asked, once when it is answered
