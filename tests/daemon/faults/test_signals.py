"""Signals at the wrong moment, many of them, and limits of the process that are too small."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.daemon.running import OBJECTS, TALLY, RunningDaemon, until
from tests.daemon.tallies import counted, final_ledger, final_total, hammer, total
from tests.sources.live import start
from tracerd.daemon.client import Client
from tracerd.errors import TracerdError
from tracerd.runtime.upload import Upload

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]

SECONDS_TO_END = 5.0
"""Two on an idle machine; this one is shared."""

STOPPED_VERIFIER = """
import os, signal
from tracerd.verifier.sandbox import process
ask = process.Process.ask
def stopped(self, job):
    self.walls()
    os.kill(self.pid, signal.SIGSTOP)
    open({mark!r}, "w").close()
    return ask(self, job)
process.Process.ask = stopped
"""


def ends(served: RunningDaemon, code: int = 0) -> None:
    """It ends in time, says so, and leaves no socket and no child behind."""
    try:
        children = psutil.Process(served.pid).children()
    except psutil.NoSuchProcess:
        children = []
    began = time.monotonic()
    assert served.ended() == code
    assert time.monotonic() - began < SECONDS_TO_END
    assert "Traceback" not in served.log
    assert not served.socket.exists()
    psutil.wait_procs(children, timeout=5)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_storm_of_sighup_is_a_few_reloads(served: RunningDaemon) -> None:
    """2,000 of them under traffic: it answers meanwhile, reads its files a few times, and loses no event."""
    client = served.start()
    child = start("hammer(500_000, 0)")
    until(lambda: total(client) > 0)
    for _ in range(2000):
        served.signal(signal.SIGHUP)
    began = time.monotonic()
    client.status()
    assert time.monotonic() - began < 3
    child.wait()
    until(lambda: client.status()["own"]["reloads"] >= 1)
    time.sleep(0.5)
    assert client.status()["own"]["reloads"] < 500
    assert client.ready() == (True, [])
    row = final_ledger(served, "syscall:getppid:enter")
    assert (row["missing"], row["delivered"]) == (0, final_total(served))


def test_a_second_sigterm_changes_nothing(served: RunningDaemon) -> None:
    """Nor a third, nor SIGHUP and SIGINT between them: one clean end with the last export."""
    client = served.start()
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        with suppress(ProcessLookupError):
            served.signal(number)
    ends(served)
    assert '"stopped"' in served.log.splitlines()[-1]


def test_sigterm_during_the_start_ends_it(served: RunningDaemon) -> None:
    """A verifier that hangs does not hold the end up; what is kept is as it was."""
    mark = served.root / "mark"
    served.start(wait=False, spoil=STOPPED_VERIFIER.format(mark=str(mark)))
    until(mark.exists, what="a proof")
    served.signal(signal.SIGTERM)
    ends(served)
    client = served.start()
    assert client.ready() == (True, [])


@pytest.mark.parametrize("what", ["load", "reload"])
def test_sigterm_during_a_change_ends_it_and_leaves_no_half(served: RunningDaemon, what: str) -> None:
    """The change is refused, the daemon ends in time, the next start finds what there was before."""
    served.start()
    served.stop()
    mark = served.root / "mark"
    client = served.start(spoil=STOPPED_VERIFIER.format(mark=str(mark)))      # what is proved is in the cache
    fresh = bytearray(TALLY.read_bytes())
    at = fresh.index(b"\x57\x01\x00\x00\xff\xff\x00\x00")
    fresh[at + 4 : at + 8] = (0xFFFFF).to_bytes(4, "little")
    if what == "load":
        change = threading.Thread(target=lambda: refused(served, bytes(fresh)), daemon=True)
        change.start()
    else:
        (served.root / "fresh.o").write_bytes(fresh)
        served.probe("tally", served.root / "fresh.o")
        served.signal(signal.SIGHUP)
    until(mark.exists, what="a proof")
    assert [info.name for info in client.probes()] == ["tally"]
    served.signal(signal.SIGTERM)
    ends(served)
    client = served.start()
    assert [info.name for info in client.probes()] == ["tally"]
    assert client.ready() == (True, [])
    assert list((served.root / "state" / "probes").iterdir()) == []


def refused(served: RunningDaemon, contents: bytes) -> None:
    with suppress(TracerdError, OSError):
        served.client().load(Upload(object=contents, object_name="fresh.bpf.o"))


def again(client: Client) -> bool:
    """Ask for a reload where the one before was refused."""
    if client.ready()[1]:
        with suppress(TracerdError):
            client.reload()
    return False


def test_few_descriptors_and_many_clients(served: RunningDaemon) -> None:
    """Clients that take every descriptor: it counts on, looks after itself, and serves again once they are gone."""
    client = served.start(command=("prlimit", "--nofile=64:64"))
    held = []
    for _ in range(200):
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        with suppress(BlockingIOError, ConnectionError):
            one.connect(str(served.socket))
        held.append(one)
    until(lambda: len(list(Path(f"/proc/{served.pid}/fd").iterdir())) >= 63, what="no descriptor left")
    served.probe("more", OBJECTS / "plain.bpf.o", attach="on_getppid=syscall:getuid:enter")    # a reload in want
    pid = hammer(1000)
    time.sleep(2.5)
    for one in held:
        one.close()
    until(lambda: counted(client, pid, "tally") == 1000)
    until(lambda: "more" in [info.name for info in client.probes()] or again(client), what="the reload")
    assert client.ready() == (True, [])
    assert client.status()["own"]["sources.revived"] == 0


def test_limits_of_probes_and_maps_refuse_and_undo(served: RunningDaemon) -> None:
    """One probe too many, and maps that take more than allowed: refused by the limit's name, nothing changed."""
    served.configure(more="[limits]\nprobes = 1\nmap_memory_mb = 1\n")
    client = served.start()
    toml = '[probe]\nname = "second"\nobject = "x"\n'
    with pytest.raises(TracerdError, match=r"2 are more than the limit of 1; raise limits\.probes"):
        client.load(Upload(toml=toml, object=TALLY.read_bytes(), object_name="x.bpf.o"))
    assert [info.name for info in client.probes()] == ["tally"]
    served.stop()
    served.configure(more="[limits]\nmap_memory_mb = 1\n")
    client = served.start()
    with pytest.raises(TracerdError, match=r"more than the limit of 1 MiB; raise limits\.map_memory_mb"):
        client.load(Upload(name="syscalls"))
    assert [info.name for info in client.probes()] == ["tally"]
    assert list((served.root / "state" / "probes").iterdir()) == []
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)


def test_sigstop_and_sigcont_lose_only_what_is_counted(served: RunningDaemon) -> None:
    """Stopped for a while, under traffic that fits into the rings: nothing is lost."""
    client = served.start()
    os.kill(served.pid, signal.SIGSTOP)
    pid = hammer(5000)
    time.sleep(0.5)
    os.kill(served.pid, signal.SIGCONT)
    until(lambda: counted(client, pid) == 5000)
    assert client.ready() == (True, [])
