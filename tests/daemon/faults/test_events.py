"""More events than anybody can take, sources that break, a kernel that gives less than is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon.running import OBJECTS, RunningDaemon, until
from tests.daemon.tallies import counted, final_ledger, final_total, hammer, total
from tests.sources.live import start

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]

GETPPID = "syscall:getppid:enter"

HIDE_TRACEFS = "mount -t tmpfs none /sys/kernel/tracing && { mount -t tmpfs none /sys/kernel/debug || true; }"
NO_MOUNTS = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")

FORKS = """
import os
for batch in range(200):
    children = []
    for _ in range(100):
        if not (child := os.fork()):
            os._exit(1)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""

DYING_PUMP = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from tracerd.sources.perf import PerfSource
pump = PerfSource.pump
def dies(self, timeout):
    if os.path.exists({trigger!r}):
        os.unlink({trigger!r})
        raise OSError(5, 'Input/output error')
    return pump(self, timeout)
PerfSource.pump = dies
"""


def test_a_burst_far_over_the_rings_is_counted_to_the_last_event(served: RunningDaemon) -> None:
    """Rings of one page: most is lost, what is lost is counted, what is counted and delivered is what was made."""
    served.configure(more="[sources.perf]\npages = 1\n")
    client = served.start()
    pids = [hammer(150_000) for _ in range(2)]
    assert client.ready() == (True, [])
    assert 0 < sum(counted(client, pid) for pid in pids) < 300_000
    row = final_ledger(served, GETPPID)
    assert row["lost"] > 0
    assert row["missing"] == 0
    assert row["produced"] >= 300_000
    assert row["delivered"] == final_total(served)


def test_a_storm_of_processes_is_counted_and_costs_no_memory(served: RunningDaemon) -> None:
    """20,000 processes: starts and ends are in the ledger to the last one; the daemon answers meanwhile."""
    served.configure(probes='"churn"')
    client = served.start()
    before = client.status()["own"]["process.memory_bytes"]
    storm = subprocess.Popen([sys.executable, "-c", FORKS])
    slowest = 0.0
    while storm.poll() is None:
        began = time.monotonic()
        client.status()
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.2)
    assert client.status()["own"]["process.memory_bytes"] - before < 64 << 20
    assert slowest < 5
    assert client.ready() == (True, [])
    row = final_ledger(served, "process:exit")
    assert (row["missing"], row["delivered"] + row["lost"] >= 20_000) == (0, True)


def test_a_pump_that_dies_is_told_revived_and_counted(served: RunningDaemon) -> None:
    """`ready` names the source and the cause; it is opened anew by itself; what came between waited in the rings."""
    trigger = served.root / "trigger"
    client = served.start(spoil=DYING_PUMP.format(trigger=str(trigger)))
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    trigger.touch()
    until(lambda: client.ready()[1], what="a reason")
    (reason,) = client.ready()[1]
    assert "has ended" in reason
    assert "Input/output error" in reason
    meanwhile = hammer(1000)
    until(lambda: client.ready() == (True, []), what="a revival")
    assert client.status()["own"]["sources.revived"] == 1
    later = hammer(1000)
    until(lambda: counted(client, later) == 1000)
    assert counted(client, meanwhile) == 1000        # it waited in the rings
    assert final_ledger(served, GETPPID)["missing"] == 0


def test_an_object_that_is_exchanged_while_it_counts_takes_over_between_two_events(served: RunningDaemon) -> None:
    """The new object runs after the reload, the pinned count loses no event, the ledger is even."""
    client = served.start()
    child = start("hammer(600_000, 0)")
    until(lambda: total(client) > 1000)
    contents = bytearray((OBJECTS / "tally.bpf.o").read_bytes())
    at = contents.index(b"\x57\x01\x00\x00\xff\xff\x00\x00")
    contents[at + 4 : at + 8] = (0xFFFFF).to_bytes(4, "little")
    fresh = served.root / "fresh.o"
    fresh.write_bytes(contents)
    tag = client.programs()[0].tag
    served.probe("tally", fresh)
    assert client.reload().replaced == ("tally",)
    assert client.programs()[0].tag != tag
    child.wait()
    row = final_ledger(served, GETPPID)
    assert (row["missing"], row["delivered"] + row["lost"] >= 600_000) == (0, True)
    assert row["delivered"] == final_total(served)


def test_tracefs_that_cannot_be_read_is_a_reason(served: RunningDaemon) -> None:
    """In a mount namespace without it: the probe is not loaded and says why; the daemon serves, and a reload mends."""
    if os.getuid():
        pytest.skip("needs root for a mount namespace")
    client = served.start(command=("unshare", "-m", "sh", "-c", f'{HIDE_TRACEFS}; exec "$@"', "sh", *NO_MOUNTS))
    ready, reasons = client.ready()
    assert not ready
    assert len(reasons) == 1
    assert "tally" in reasons[0]
    assert "trac" in reasons[0]
    assert client.links() == []
    subprocess.run(["nsenter", "-m", "-t", str(served.pid), "umount", "/sys/kernel/tracing"], check=True)
    client.reload()
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)


def test_tracefs_that_is_not_mounted_is_mounted(served: RunningDaemon) -> None:
    """Root may do it: nothing is missing."""
    if os.getuid():
        pytest.skip("needs root for a mount namespace")
    client = served.start(command=("unshare", "-m", "sh", "-c", 'umount /sys/kernel/tracing; exec "$@"', "sh"))
    assert client.ready() == (True, [])
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)


def test_rings_that_may_not_be_locked_are_a_reason(served: RunningDaemon) -> None:
    """Without IPC_LOCK and with a small limit: told with the three ways out; the daemon serves."""
    if os.getuid():
        pytest.skip("needs root to give up a capability")
    small = ("prlimit", "--memlock=65536:65536", "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock")
    client = served.start(command=small)
    ready, reasons = client.ready()
    assert not ready
    assert "raise ulimit -l" in reasons[0]
    assert "KiB of ring per CPU" in reasons[0]
    assert client.links() == []


def test_a_clock_that_has_leapt_changes_no_count(served: RunningDaemon) -> None:
    """Its monotonic clock is 10 days from the kernel's events' (a time namespace): exact, and the ledger is even."""
    if os.getuid() or not Path("/proc/self/timens_offsets").exists():
        pytest.skip("needs root and time namespaces")
    leap = ("unshare", "--time", "--monotonic", "864000", "--boottime", "864000", "--")
    client = served.start(command=(*leap, "setpriv", "--pdeathsig", "KILL"), wait=True)
    assert float(Path(f"/proc/{client.status()['pid']}/timens_offsets").read_text().split()[1]) == 864000
    pid = hammer(100_000)
    until(lambda: counted(client, pid) == 100_000)
    assert final_ledger(served, GETPPID)["missing"] == 0


JUMPING = """
import random, time
ns, jumps = time.time_ns, (0, 400 * 86400, -400 * 86400, 3600, -7, 10 * 365 * 86400)
def time_ns():
    return ns() + random.choice(jumps) * 10**9
time.time_ns, time.time = time_ns, lambda: time_ns() / 1e9
"""


def _years(served: RunningDaemon) -> set[str]:
    """Return the years that whole lines of the export are from."""
    whole, _, _ = (served.root / "out" / "moments.jsonl").read_text().rpartition("\n")
    return {json.loads(line)["time"][:4] for line in whole.splitlines()}


def test_a_wall_clock_that_jumps_breaks_nothing(served: RunningDaemon) -> None:
    """Each look at it is another year: counts are exact, exported lines and the log are whole."""
    client = served.start(spoil=JUMPING)
    pid = hammer(100_000)
    until(lambda: counted(client, pid) == 100_000)
    until(lambda: (served.root / "out" / "moments.jsonl").exists())
    until(lambda: len(_years(served)) >= 2, what="another year")
    until(lambda: client.status()["own"]["cache.code.stored"] >= 1)
    moments = [moment for moment, _ in zip(client.moments(0.1), range(3), strict=False)]
    assert all("tally" in moment.probes for moment in moments)
    assert client.ready() == (True, [])
    assert served.stop() == 0
    lines = (served.root / "out" / "moments.jsonl").read_text().splitlines()
    assert all(json.loads(line)["time"] for line in lines)
    assert all(json.loads(line)["time"] for line in served.log.splitlines())
    client = served.start(spoil=JUMPING)
    assert client.status()["own"]["cache.proofs.hits"] == 1
