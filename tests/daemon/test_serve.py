"""The whole daemon: it starts, changes, is killed and comes back, and what it counted is exact."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.running import OBJECTS, TALLY, RunningDaemon, daemon, until
from tests.daemon.tallies import counted, hammer, total
from tests.sources.live import need_live_events, start
from tracerd.daemon.feed import Printed
from tracerd.errors import Conflict, NotFound, TracerdError
from tracerd.linux.cpus import online
from tracerd.runtime.upload import Upload
from tracerd.sources.perf import PerfOptions

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]

UNPROVED = OBJECTS / "unproved.bpf.o"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RunningDaemon]:
    need_live_events()
    with daemon(tmp_path) as made:
        yield made


def test_a_probe_counts_exactly_and_the_last_export_has_it(served: RunningDaemon) -> None:
    """100,000 calls are 100,000 counts, live and in the last export; SIGTERM ends it within two seconds with 0."""
    served.probe("tally")
    client = served.start()
    pid = hammer(100_000)
    until(lambda: counted(client, pid) == 100_000)
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 10     # two seconds on an idle machine; this one is shared
    rows = [json.loads(line) for line in (served.root / "out" / "moments.jsonl").read_text().splitlines()]
    ledgers = [row for row in rows if row["kind"] == "ledger" and row["event"] == "syscall:getppid:enter"]
    assert ledgers[-1]["row"]["delivered"] >= 100_000
    assert not (served.root / "run" / "control.sock").exists()


def test_it_is_idle_without_probes(served: RunningDaemon) -> None:
    """probes = [] attaches nothing: no links, no sources, no pumps, ready."""
    client = served.start()
    status = client.status()
    assert (status["links"], status["sources"], status["probes"]) == ([], [], [])
    assert client.ready() == (True, [])
    threads = [Path(task, "comm").read_text() for task in Path(f"/proc/{served.pid}/task").iterdir()]
    assert not [name for name in threads if "pump" in name]


def test_a_kill_loses_no_pinned_count_and_no_link(served: RunningDaemon) -> None:
    """After kill -9 in full flow: same links; the pinned total is at least what was read before, and goes on."""
    served.probe("tally")
    client = served.start()
    program = client.programs()[0].id
    client.attach(program, "syscall:getuid:enter")
    before = {(link.probe, link.name, link.source) for link in client.links()}
    child = start("hammer(2_000_000, 0)")
    until(lambda: total(client) > 10_000)
    seen = total(client)
    served.kill()
    child.wait()
    client = served.start()
    assert {(link.probe, link.name, link.source) for link in client.links()} == before
    after = total(client)
    assert after >= seen
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    assert total(client) >= after + 1000
    assert client.ready() == (True, [])


def test_a_reload_keeps_unchanged_probes_counting(served: RunningDaemon) -> None:
    """While probes come and go around it, a probe that stays counts every call, and keeps its ids."""
    served.probe("tally")
    client = served.start()
    ids = [info.id for info in client.programs()]
    child = start("hammer(1_000_000, 0)")
    for n in range(3):
        path = served.probe(f"guest{n}", attach="on_getppid=tracepoint:syscalls:sys_enter_getuid")
        assert client.reload().loaded == (f"guest{n}",)
        path.unlink()
        assert client.reload().unloaded == (f"guest{n}",)
    child.wait()
    until(lambda: counted(client, child.pid) == 1_000_000)
    assert [info.id for info in client.programs()] == ids
    ledger = client.status()["ledger"]["syscall:getppid:enter"]
    assert (ledger["lost"], ledger["failed"]) == (0, 0)


@pytest.mark.parametrize("how", ["signal", "file"])
def test_a_change_of_files_is_noticed(served: RunningDaemon, how: str) -> None:
    """By SIGHUP, or by itself within some seconds."""
    client = served.start()
    served.probe("late")
    served.configure(more="# changed")
    if how == "signal":
        served.signal(signal.SIGHUP)
    until(lambda: [info.name for info in client.probes()] == ["late"], what="the new probe")


@pytest.mark.parametrize(("spoil", "says"), [
    ("toml", "is not TOML"),
    ("key", "did you mean 'source'"),
    ("event", "syscall:getppidd:enter"),
    ("object", "needs"),
    ("missing", "cannot be read"),
    ("state_dir", "state_dir changed: takes effect at the next start"),
])  # fmt: skip
def test_a_bad_reload_changes_nothing_and_says_why(served: RunningDaemon, spoil: str, says: str) -> None:
    """The running probe goes on counting, `ready` names the cause, and a good file mends it."""
    good = served.probe("tally")
    client = served.start()
    bad = served.root / "probes.d" / "bad.toml"
    text = good.read_text().replace('"tally"', '"bad"')
    if spoil == "state_dir":
        served.config.write_text(served.config.read_text().replace("/state", "/other"))
    elif spoil == "object":
        served.probe("bad", UNPROVED)
    else:
        bad.write_text({
            "toml": "[probe", "key": text.replace("source", "sourse"), "missing": text.replace("tally.bpf.o", "no.o"),
            "event": text.replace("getppid:enter", "getppidd:enter"),
        }[spoil])  # fmt: skip
    with pytest.raises(TracerdError) as refused:
        client.reload()
    assert says in str(refused.value)
    ready, reasons = client.ready()
    assert not ready
    assert says in reasons[0]
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    bad.unlink(missing_ok=True)
    served.configure()
    client.reload()
    assert client.ready() == (True, [])


def test_what_is_loaded_at_run_time_stays_until_it_is_unloaded(served: RunningDaemon) -> None:
    """Over a restart and over kill -9; detached links stay detached."""
    client = served.start()
    client.load(Upload(object=TALLY.read_bytes(), object_name="tally.bpf.o"))
    client.load(Upload(name="churn"))
    gone = next(link for link in client.links() if link.source == "process:sample")
    client.detach(gone.id)
    links = {(link.probe, link.source) for link in client.links()}
    assert ("tally", "tracepoint:syscalls:sys_enter_getppid") in links
    served.stop()
    client = served.start()
    assert {(link.probe, link.source) for link in client.links()} == links
    served.kill()
    client = served.start()
    assert {(link.probe, link.source) for link in client.links()} == links
    client.unload("churn")
    served.kill()
    client = served.start()
    assert [info.name for info in client.probes()] == ["tally"]


def test_a_map_is_pinned_at_run_time_and_found_again(served: RunningDaemon) -> None:
    """Pinned under traffic, killed, restarted: its counts are there. Unpinned, it is memory again."""
    served.probe("tally")
    client = served.start()
    child = start("hammer(300_000, 0)")
    by_process = next(info for info in client.maps() if info.name == "by_process")
    pin = client.pin(by_process.id, "processes_seen")
    assert (pin.name, pin.map) == ("processes_seen", by_process.id)
    child.wait()
    until(lambda: counted(client, child.pid) == 300_000)
    served.kill()
    client = served.start()
    assert counted(client, child.pid) == 300_000
    with pytest.raises(Conflict, match="taken"):
        client.pin(next(info for info in client.maps() if info.name == "records").id, "processes_seen")
    client.unpin("processes_seen")
    with pytest.raises(NotFound):
        client.unpin("processes_seen")
    served.stop()
    client = served.start()
    assert {pin.name for pin in client.pins()} == {"tally_total"}
    entries = client.entries(next(info for info in client.maps() if info.name == "by_process").id)[0]
    assert child.pid not in [entry["key"] for entry in entries]


def test_records_of_a_ring_buffer_are_streamed(served: RunningDaemon) -> None:
    """A follower gets what programs write into a ring, from when it begins to follow."""
    served.probe("tally")
    client = served.start()
    ring = next(info for info in client.maps() if info.kind == "ringbuf")
    records = client.records(ring.id)
    child = start("hammer(400_000, 0)")
    got = [next(records) for _ in range(3)]
    child.wait()
    assert [record.lost for record in got] == [0, 0, 0]
    assert all(len(bytes.fromhex(str(record.value))) == 16 for record in got)


def test_what_programs_print_is_in_the_log(served: RunningDaemon) -> None:
    """Every line, in order and with its program's words; also those of a probe that was unloaded meanwhile."""
    client = served.start()
    client.load(Upload(object=(OBJECTS / "printing.bpf.o").read_bytes(), object_name="printing.bpf.o"))
    until(lambda: "tick 3" in served.log, what="a printed line")
    client.unload("printing")
    served.stop()
    records = [json.loads(line) for line in served.log.splitlines()]
    printed = [record["message"] for record in records if record["logger"] == "tracerd.printed"]
    assert printed == [f"tick {number}" for number in range(len(printed))]
    assert len(printed) >= 4


def test_what_programs_print_is_streamed_to_who_follows_and_logged_as_before(served: RunningDaemon) -> None:
    """Who comes late gets the last lines first; both get every line once, in order, and so does the log."""
    client = served.start()
    client.load(Upload(object=(OBJECTS / "printing.bpf.o").read_bytes(), object_name="printing.bpf.o"))
    first = client.printed()
    assert [next(first) for _ in range(5)] == [Printed(f"tick {number}", 0) for number in range(5)]
    second = client.printed()
    assert [next(second) for _ in range(10)] == [Printed(f"tick {number}", 0) for number in range(10)]
    client.unload("printing")
    assert client.status()["api"]["streams"] == 2
    served.stop()
    rest = [[line.line for line in lines] for lines in (first, second)]
    records = [json.loads(line) for line in served.log.splitlines()]
    logged = [record["message"] for record in records if record["logger"] == "tracerd.printed"]
    assert logged == [f"tick {number}" for number in range(len(logged))]
    assert rest == [logged[5 : 5 + len(rest[0])], logged[10 : 10 + len(rest[1])]]


def test_what_end_programs_print_is_in_the_log(served: RunningDaemon) -> None:
    """Although nothing is looked at any more."""
    served.probe("printing", OBJECTS / "printing.bpf.o", attach="on_tick=end")
    served.start()
    served.stop()
    printed = [line for line in served.log.splitlines() if "tracerd.printed" in line]
    assert [json.loads(line)["message"] for line in printed] == ["tick 0"]


def test_a_look_tells_the_sources_with_their_rings_and_what_we_may(served: RunningDaemon) -> None:
    """What the dashboard needs: the ledger's events, where they come from, and how much room there is."""
    served.probe("tally")
    client = served.start()
    look = client.look()
    (perf,) = look.sources
    assert (perf.name, perf.links, perf.buffers) == ("perf", 1, len(online()))
    assert perf.buffer_bytes == PerfOptions().pages * mmap.PAGESIZE
    assert set(perf.events) == set(client.status()["ledger"])
    assert (look.pid, look.role, look.ready, look.host) == (served.pid, "admin", True, socket.gethostname())
    assert [info.name for info in look.programs] == ["on_getppid"]
    assert [info.name for info in look.exporters] == ["jsonl"]


def test_a_stream_of_records_ends_with_its_probe(served: RunningDaemon) -> None:
    """Nobody holds a stream of a ring that is gone; clients that leave theirs are no fault in the log."""
    client = served.start()
    for leaves in (False, True):
        client.load(Upload(object=TALLY.read_bytes(), object_name="tally.bpf.o"))
        ring = next(info for info in client.maps() if info.kind == "ringbuf")
        follower = served.client()
        records = follower.records(ring.id)
        child = start("hammer(70_000, 0)")
        next(records)
        child.wait()
        if leaves:
            follower.close()
        client.unload("tally")
        if not leaves:
            assert all(record.lost == 0 for record in records)       # what waited comes, then it ends
        until(lambda: client.status()["api"]["streams"] == 0, what="the end of the stream")
    assert "Traceback" not in served.log


def test_a_program_that_is_not_proved_is_refused_and_nothing_is_kept(served: RunningDaemon) -> None:
    """The reason travels to the client; no draft stays behind."""
    client = served.start()
    with pytest.raises(TracerdError, match="needs"):
        client.load(Upload(object=UNPROVED.read_bytes(), object_name="unproved.bpf.o"))
    assert client.probes() == []
    assert list((served.root / "state" / "probes").iterdir()) == []


def test_a_second_daemon_is_refused(served: RunningDaemon) -> None:
    """By the state directory, and by the socket; the first one goes on."""
    client = served.start()
    other = [sys.executable, "-m", "tracerd.cli", "serve", "--config", str(served.config)]
    second = subprocess.run(other, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert "another" in second.stderr
    assert client.ready() == (True, [])


def test_proofs_and_code_are_kept_over_a_restart(served: RunningDaemon) -> None:
    """The second start starts no verifier and compiles nothing."""
    served.probe("tally")
    client = served.start()
    until(lambda: all(info.engine == "jit" for info in client.programs()))
    until(lambda: client.status()["own"]["cache.code.stored"] >= 1)
    served.stop()
    client = served.start()
    own = client.status()["own"]
    assert (own["verifier.started"], own["cache.proofs.hits"]) == (0, 1)
    until(lambda: client.status()["own"]["cache.code.hits"] == 1)


def test_under_mdwe_the_interpreter_counts_the_same(served: RunningDaemon) -> None:
    """code_integrity = "enforce": the interpreter, no LLVM in the process, no executable memory afterwards."""
    served.probe("tally")
    served.configure(head='code_integrity = "enforce"\n')
    client = served.start()
    pid = hammer(50_000)
    until(lambda: counted(client, pid) == 50_000)
    assert [info.engine for info in client.programs()] == ["interpreter"]
    assert "llvm" not in Path(f"/proc/{served.pid}/maps").read_text()


def test_a_removed_state_directory_is_survived(served: RunningDaemon) -> None:
    """It goes on counting, makes the directory again when there is something to keep, and a restart finds it."""
    served.probe("tally")
    client = served.start()
    shutil.rmtree(served.root / "state")
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    program = client.programs()[0].id
    client.attach(program, "syscall:getuid:enter")
    served.kill()
    client = served.start()
    assert "syscall:getuid:enter" in [link.source for link in client.links()]


def test_it_runs_as_another_user_with_few_capabilities(
    served: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With service.user every thread is that user, with the justified capabilities and no more, and it counts.

    Root's daemon has proved the probe before: this Python may lie where only root can start a verifier's process.
    """
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    monkeypatch.setattr(served, "root", Path(tempfile.mkdtemp(prefix="tracerd-", dir="/tmp")))
    served.root.chmod(0o755)
    for folder in ("probes.d", "out"):
        (served.root / folder).mkdir()
    served.probe("tally")
    served.configure()
    served.start()
    served.stop()
    for theirs in ("state", "out"):
        for path in (served.root / theirs, *(served.root / theirs).rglob("*")):
            os.chown(path, 65534, 65534)
    served.configure(more='[service]\nuser = "65534"')
    client = served.start()
    pid = hammer(10_000)
    until(lambda: counted(client, pid) == 10_000)
    for task in Path(f"/proc/{served.pid}/task").iterdir():
        told = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        assert told["Uid"].split() == ["65534"] * 4
        assert told["NoNewPrivs"] == "1"
        assert int(told["CapEff"], 16).bit_count() <= 4
    for end in (served.stop, served.kill):       # what it leaves behind is that user's, and no obstacle to the next
        end()
        assert served.start().ready() == (True, [])
    served.stop()
    shutil.rmtree(served.root)
