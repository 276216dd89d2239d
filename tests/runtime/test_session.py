"""Sessions: what was asked for is attached, counted to the last event, and gone afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources.live import need_live_events
from tracerd.config import Probe
from tracerd.errors import ConfigError
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.sources.choose import LiveOptions
from tracerd.sources.perf import PerfOptions
from tracerd.verifier.job import Rejection
from tracerd.vm.policy import Asked

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "cli" / "objects" / "broken.bpf.o"
DEMO = ROOT / "probes" / "etw_processes" / "demo.etl"
CALLS = 200_000


def dd(count: int) -> list[str]:
    return ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={count}", "status=none"]


@pytest.mark.xdist_group("perf")
@pytest.mark.parametrize("engine", ["jit", "interpreter"])
def test_every_read_and_write_of_dd_is_counted_or_accounted_for(engine: Asked) -> None:
    """`dd bs=1 count=N` makes N reads and N writes, and a few more to start: the table and the ledger agree.

    At default ring sizes nothing is lost, unless the machine gives the pump no CPU for some 60 ms; then the ledger
    must have every one.
    """
    need_live_events()
    with Session(Settings(engine=engine)) as session:
        session.add(locate("syscalls"))
        session.start()
        with subprocess.Popen(dd(CALLS)) as process:     # known by its pid: others may run dd at the same time
            assert process.wait() == 0
        final = session.stop()
        (_, table) = session.tables(final)[0]
    assert all(ledger.missing == 0 for ledger in final.ledger.values())
    lost = sum(ledger.lost for ledger in final.ledger.values())
    calls = {row["syscall"]: row["count"] for row in table.rows() if row["pid"] == process.pid}
    for syscall in ("read", "write"):
        count = calls[syscall]
        assert isinstance(count, int)
        assert CALLS - lost <= count <= CALLS + 10


@pytest.mark.xdist_group("perf")
def test_with_tiny_rings_every_missing_event_is_in_the_ledger() -> None:
    """What the kernel had no room for is counted as lost, to the event."""
    need_live_events()
    with Session(Settings(live=LiveOptions(PerfOptions(pages=1)))) as session:
        session.add(locate("syscalls"))
        session.start()
        subprocess.run(dd(CALLS), check=True)
        final = session.stop()
    assert sum(ledger.lost for ledger in final.ledger.values()) > 0
    assert all(ledger.missing == 0 for ledger in final.ledger.values())


@pytest.mark.xdist_group("perf")
def test_a_process_is_seen_to_start_execute_and_end() -> None:
    """The processes probe has a row for a short-lived process, with its name and both times."""
    need_live_events()
    with Session() as session:
        session.add(locate("processes"))
        session.start()
        shell = subprocess.run(["sh", "-c", "sh -c : & echo $!; wait"], check=True, capture_output=True, text=True)
        final = session.stop()
        rows = {row["pid"]: row for row in session.tables(final)[0][1].rows()}
    row = rows[int(shell.stdout)]
    assert row["comm"] == "sh"
    assert 0 < int(str(row["started_ns"])) < int(str(row["ended_ns"]))


def test_a_program_that_is_not_proved_is_never_attached() -> None:
    """A rejection is raised by start, and nothing stays behind."""
    session = Session()
    session.add(Probe("broken", BROKEN, "auto", (("past_the_end", "syscall:*:enter"),), ()))
    with pytest.raises(Rejection, match=r"past_the_end: instruction \d+"):
        session.start()
    assert session.probes == {}


def test_an_engine_that_policy_forbids_is_refused_not_replaced() -> None:
    """engine = "jit" under enforced integrity refuses the load; this runs in a process of its own, since it locks."""
    code = (
        "from tracerd.runtime import Session, Settings\n"
        "from tracerd.runtime.locate import locate\n"
        "from tracerd.errors import PolicyRefusal\n"
        "import sys\n"
        "session = Session(Settings(code_integrity='enforce', engine='jit'))\n"
        "session.add(locate('syscalls'))\n"
        "try:\n    session.start()\nexcept PolicyRefusal:\n    sys.exit('llvmlite' in sys.modules)\n"
        "sys.exit(2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_two_probes_of_one_name_are_refused() -> None:
    """A name stands for one probe in every table, metric and command."""
    with Session() as session:
        session.add(locate("syscalls"))
        with pytest.raises(ConfigError, match="named twice"):
            session.add(locate("syscalls"))


def test_a_probe_runs_over_a_recording_without_any_permission() -> None:
    """Replay needs no privilege, ends by itself, and its ledger balances."""
    with Session(Settings(recording=DEMO)) as session:
        session.add(locate("etw_processes"))
        session.start()
        assert session.wait(30)
        final = session.stop()
        tables = {view.name: table for view, table in session.tables(final)}
    assert len(tables["processes"]) > 20
    assert all(ledger.missing == 0 for ledger in final.ledger.values())


def test_nothing_is_dropped_silently() -> None:
    """Updates refused by a full map and records without room in a ring are counted; what was printed is kept."""
    noisy = ROOT / "tests" / "runtime" / "objects" / "noisy.bpf.o"
    with Session(Settings(recording=DEMO)) as session:
        session.add(Probe("noisy", noisy, "auto", (("on_event", f"etl:{DEMO}"),), ()))
        session.start()
        assert session.wait(30)
        final = session.stop()
    events = sum(ledger.delivered for ledger in final.ledger.values())
    small, ring = final.maps["noisy"]["small"], final.rings["ring"]
    assert events > 100
    assert (len(small.keys), small.max_entries) == (4, 4)
    assert small.refused > 0
    assert ring.records + ring.dropped == events
    assert ring.records > 0
    assert len(ring.latest[0]) == 8
    assert len(final.printed) == events
    assert final.printed[0].startswith("event ")


def test_every_verifier_process_is_told_to_the_sources() -> None:
    """Its events are ours from its start to its end, however often it is started again while the session runs."""
    told: list[tuple[str, int]] = []

    class Source:
        def ignore(self, pid: int) -> None:
            told.append(("ignore", pid))

        def forget(self, pid: int) -> None:
            told.append(("forget", pid))

    with Session() as session:
        session._own.append(Source())
        first = session._verifier.start()
        session._verifier.rest()
        second = session._verifier.start()
    assert told == [("ignore", first), ("forget", first), ("ignore", second), ("forget", second)]
