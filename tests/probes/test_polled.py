"""The probes that need no privilege, on this machine: what they show is what this test does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.sources.choose import LiveOptions
from tracerd.sources.system import SystemOptions

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]

POLLED = Settings(engine="interpreter", live=LiveOptions(system=SystemOptions(interval_ns=10**8, share=1.0), poll=True))
PATIENCE = 20


@contextmanager
def polled(probe: str) -> Iterator[Callable[[Callable[[Tables], bool]], Tables]]:
    """Run a probe; yields a function that waits until its tables are as they should be and returns them."""
    with Session(POLLED) as session:
        session.add(locate(probe))
        session.start()

        def until(condition: Callable[[Tables], bool]) -> Tables:
            end = time.monotonic() + PATIENCE
            while True:
                found = {table.name: table.rows() for _, table in session.tables(session.snapshot())}
                if condition(found) or time.monotonic() > end:
                    return found
                time.sleep(0.05)

        yield until
        final = session.stop()
        assert all(ledger.missing == 0 and ledger.failed == 0 for ledger in final.ledger.values())


@contextmanager
def connections(number: int) -> Iterator[int]:
    """Connect this process with itself; yields the port that listens."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = int(server.getsockname()[1])
        for _ in range(number):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            stack.enter_context(server.accept()[0])
        yield port


def own(rows: Rows) -> dict[str, Any]:
    return next((row for row in rows if row["pid"] == os.getpid()), {})


def test_host_shows_this_process_with_its_connections_and_whom_it_talks_to() -> None:
    """Three connections to itself are six ends; they are gone when they are closed."""
    with polled("host") as until:
        until(lambda tables: bool(own(tables["processes"])))
        before = own(until(lambda _: True)["processes"])["connections"]
        with connections(3):
            tables = until(lambda tables: own(tables["processes"])["connections"] == before + 6)
            row = own(tables["processes"])
            assert row["connections"] == before + 6
            assert (row["parent"], row["threads"] >= 1) == (os.getppid(), True)
            assert row["memory"] > 1 << 20
            local = [each for each in tables["talkers"] if (each["remote"], each["protocol"]) == ("127.0.0.1", "tcp")]
            assert max(each["opened"] for each in local) >= 6
        after = until(lambda tables: own(tables["processes"])["connections"] == before)
        assert own(after["processes"])["connections"] == before
        assert after["host"][0]["memory_total"] > after["host"][0]["memory_used"] > 0
        assert len(after["cores"]) == os.cpu_count()


def test_connections_tells_served_from_called_and_how_long_they_lived() -> None:
    """The port that listens is served; what came and went has a lifetime."""
    with polled("connections") as until:
        until(lambda tables: bool(tables["connections"]))
        with connections(2) as port:
            tables = until(lambda tables: any(row["port"] == port and row["opened"] >= 2 for row in tables["services"]))
            assert {row["state"] for row in tables["connections"] if row["local_port"] == port} >= {"established"}
        tables = until(lambda tables: any(row["port"] == port and row["closed"] >= 2 for row in tables["services"]))
    sides = {row["served"]: row for row in tables["services"] if row["port"] == port}
    assert sides["yes"]["open"] == 0
    assert sides["yes"]["closed"] == sides["yes"]["opened"] == 2
    assert sides["yes"]["p50_ns"] > 0


def test_churn_names_the_program_its_parent_and_its_command_line(tmp_path: Path) -> None:
    """Polled: a child that lives long enough is seen to start and to end; its name is nobody else's on this machine.

    One that is first seen between its fork and its exec still has this process's line, so there are a few.
    """
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = tmp_path / f"churn{os.getpid()}"
    shutil.copy(sleep, program)
    with polled("churn") as until:
        until(lambda _: True)
        time.sleep(0.3)
        for _ in range(4):
            subprocess.run([program, "0.4"], check=True)
        tables = until(lambda tables: any(row["name"] == program.name and row["exits"] for row in tables["programs"]))
    rows = [row for row in tables["programs"] if row["name"] == program.name]
    assert sum(row["starts"] for row in rows) >= 1
    assert sum(row["exits"] for row in rows) >= 1
    assert any(program.name in row["command"] or row["command"].startswith(str(program)[:90]) for row in rows)
    assert max(row["p50_ns"] for row in rows) > 10**8
