"""Where things go: exporters, logs, clients that do not read, proofs that do not come, files that change under us.

All tests share one daemon, which counts exactly after each of them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.daemon.faults.disks import disk, fill
from tests.daemon.running import TALLY, RunningDaemon, until
from tests.daemon.tallies import counted, hammer
from tests.sources.live import start
from tracerd.daemon.client import Client, connect
from tracerd.errors import TracerdError
from tracerd.runtime.upload import Upload

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]

MASK = b"\x57\x01\x00\x00\xff\xff\x00\x00"
TOML = '[probe]\nname = "{}"\nobject = "x"\n[[attach]]\nprogram = "on_getppid"\nsource = "syscall:getuid:enter"\n'


def fresh(number: int) -> Upload:
    """An upload that was never proved before: a constant in it is another."""
    contents = TALLY.read_bytes().replace(MASK, MASK[:4] + ((number << 16) + 0xFFFF).to_bytes(4, "little"))
    return Upload(toml=TOML.format(f"up{number}"), object=contents, object_name="up.bpf.o")


def fails_with(client: Client, says: str) -> None:
    """The exporter's next try is a reason not to be ready, with that cause."""
    before = client.status()["exporters"][0]["failures"]
    until(lambda: client.status()["exporters"][0]["failures"] > before)
    (reason,) = client.ready()[1]
    assert says in reason


def works(client: Client) -> None:
    """All is well again: the pauses after failures have grown meanwhile."""
    until(lambda: client.ready() == (True, []), what="all well")


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Without what is there; it comes back, whatever the daemon has written in its place meanwhile."""
    hidden = path.rename(path.with_name("away"))
    try:
        yield
    finally:
        until(lambda: _back(hidden, path))


def _back(hidden: Path, path: Path) -> bool:
    with suppress(OSError):
        hidden.rename(path)
        return True
    shutil.rmtree(path, ignore_errors=True)
    return False


TARGETS: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "is not a regular file"),
    "fifo": (os.mkfifo, "is not a regular file"),
    "link": (lambda path: path.symlink_to("/etc/passwd"), "is a symbolic link"),
    "foreign": (lambda path: (path.touch(), os.chown(path, 4711, -1)), "belongs to user 4711"),
    "no folder": (lambda path: path.parent.rmdir(), "No such file or directory"),
}


@pytest.mark.parametrize("fault", TARGETS)
def test_an_exporter_whose_target_cannot_be_written_is_told_and_got_over(running: RunningDaemon, fault: str) -> None:
    """A folder, a FIFO without a reader, a link, another's file, no folder at all: named; then it works again."""
    spoil, says = TARGETS[fault]
    client, out = running.client(), running.root / "out"
    if fault == "foreign" and os.getuid():
        pytest.skip("needs root to give a file away")
    with away(out):
        out.mkdir()
        spoil(out / "moments.jsonl")
        fails_with(client, says)
        shutil.rmtree(out, ignore_errors=True)
    works(client)
    (exporter,) = client.status()["exporters"]
    assert exporter["failing"] == 0


def test_an_exporter_on_a_full_disk_writes_no_half_line(running: RunningDaemon) -> None:
    """Told; with room again everything that was counted is there, since moments are totals."""
    client, out = running.client(), running.root / "out"
    with away(out), disk(out, "256k") as small:
        filler = fill(small)
        fails_with(client, "No space left on device")
        filler.unlink()
        works(client)
        lines = (small / "moments.jsonl").read_bytes()
        assert lines.endswith(b"\n")
        assert all(json.loads(line) for line in lines.splitlines())


def verifier(running: RunningDaemon) -> psutil.Process:
    """The verifier's process, warm."""
    client = running.client()
    client.load(fresh(1))
    client.unload("up1")
    client.load(fresh(int(time.time() * 1000) % 30_000))         # never proved before: there is a process now
    client.unload(next(info.name for info in client.probes() if info.origin == "runtime"))
    (found,) = psutil.Process(running.pid).children()
    return found


@pytest.mark.parametrize(("how", "says"), [
    (signal.SIGKILL, "killed by signal 9"), (signal.SIGSEGV, "killed by signal 11"),
    (signal.SIGSTOP, "gave no verdict within 3.3 s and was killed"),
])  # fmt: skip
def test_a_verifier_that_is_killed_or_hangs_costs_one_load(
    running: RunningDaemon, how: signal.Signals, says: str
) -> None:
    """The load is refused with the cause and undone; another probe counts on; the next load works."""
    client, found, refusals = running.client(), verifier(running), list[str]()
    broken = client.status()["own"]["verifier.broken"]
    found.suspend()                                  # so that the proof is under way when it happens
    number = 30_000 + int(how)
    load = threading.Thread(target=lambda: refusals.append(refusal_of(running, number)))
    load.start()
    time.sleep(0.5)
    if how is not signal.SIGSTOP:
        found.send_signal(how)
    if how is signal.SIGSEGV:                        # it waits for that; SIGKILL does not
        found.resume()
    pid = hammer(1000)
    until(lambda: counted(client, pid) == 1000)
    load.join()
    assert says in refusals[0]
    assert [info.name for info in client.probes()] == ["tally"]
    client.load(fresh(number))
    client.unload(f"up{number}")
    assert client.status()["own"]["verifier.broken"] == broken + 1
    assert client.ready() == (True, [])


def refusal_of(running: RunningDaemon, number: int) -> str:
    try:
        with connect(running.socket) as client:
            client.load(fresh(number))
    except TracerdError as error:
        return str(error)
    return "accepted"


@pytest.mark.parametrize("event", ["syscall:no_such_call:enter", "interval:1s"])
def test_a_refused_load_leaves_no_pin(running: RunningDaemon, event: str) -> None:
    """An object that pins a map, and an event that is not there or not for it: no draft and no file."""
    client, pins = running.client(), running.root / "state" / "pins"
    before = sorted(pins.iterdir())
    toml = TOML.format("pinning").replace("syscall:getuid:enter", event)
    contents = TALLY.read_bytes().replace(b"tally_total", b"other_total")
    with pytest.raises(TracerdError):
        client.load(Upload(toml=toml, object=contents, object_name="x.bpf.o"))
    assert sorted(pins.iterdir()) == before
    assert list((running.root / "state" / "probes").iterdir()) == []
    client.load(Upload(toml=TOML.format("pinning"), object=contents, object_name="x.bpf.o"))
    client.unload("pinning")
    assert [pin.name for pin in client.pins()] == ["other_total", "tally_total"]
    client.unpin("other_total")


def test_a_stream_that_nobody_reads_costs_only_its_reader(running: RunningDaemon) -> None:
    """One that asks and never reads: others are answered at once, memory stays, a second stream gets all."""
    client = running.client()
    ring = next(info for info in client.maps() if info.kind == "ringbuf")
    with socket.socket(socket.AF_UNIX) as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        idle.connect(str(running.socket))
        path = "GET /v1/stream/moments?interval=0.1 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n"
        idle.sendall(path.encode())
        before = client.status()["own"]["process.memory_bytes"]
        records = client.records(ring.id)
        child = start("hammer(200_000, 0)")
        got = next(records)
        assert got.lost == 0
        child.wait()
        until(lambda: counted(client, child.pid) == 200_000)
        began = time.monotonic()
        client.status()
        assert time.monotonic() - began < 2
        assert client.status()["own"]["process.memory_bytes"] - before < 32 << 20
        records.close()                              # type: ignore[attr-defined]


def test_a_client_that_hangs_up_in_an_upload_leaves_nothing(running: RunningDaemon) -> None:
    """Half a body, then nothing: no probe, no draft, no connection."""
    body = json.dumps({"object": b64encode(TALLY.read_bytes()).decode(), "object_name": "half.bpf.o"}).encode()
    head = "POST /v1/probes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    for sent in (0, 1, len(body) // 2, len(body) - 1):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(running.socket))
            client.sendall(head.encode() + body[:sent])
    client = running.client()
    assert [info.name for info in client.probes()] == ["tally"]
    assert list((running.root / "state" / "probes").iterdir()) == []


def test_a_thousand_connections_at_once(running: RunningDaemon) -> None:
    """What is over the limit is refused and counted; the daemon counts on, and is itself again when they are gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    client = running.client()
    before = client.status()["own"]
    held = []
    try:
        for _ in range(1000):
            one = socket.socket(socket.AF_UNIX)
            held.append(one)
            one.connect(str(running.socket))
        pid = hammer(1000)
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: counted(client, pid) == 1000)
    until(lambda: client.status()["own"]["process.descriptors"] <= before["process.descriptors"] + 4)
    assert client.status()["own"]["api.refused"] > before["api.refused"] + 500


@pytest.mark.parametrize("fault", ["removed", "foreign", "open", "folder", "binary"])
def test_a_configuration_that_cannot_be_used_changes_nothing(running: RunningDaemon, fault: str) -> None:
    """Removed, another user's, writable by all, a folder, not text: refused with the cause until it is mended."""
    says = {"removed": "cannot be read", "foreign": "belongs to user 4711", "open": "every user may write it",
            "folder": "not a regular file", "binary": "is not TOML"}[fault]  # fmt: skip
    if fault == "foreign" and os.getuid():
        pytest.skip("needs root to give a file away")
    client, config = running.client(), running.config
    with away(config):
        if fault == "folder":
            config.mkdir()
        elif fault != "removed":
            shutil.copy(config.with_name("away"), config)
            if fault == "foreign":
                os.chown(config, 4711, -1)
            elif fault == "open":
                config.chmod(0o666)
            else:
                config.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(TracerdError, match=says):
            client.reload()
        assert says in client.ready()[1][0]
        assert [info.name for info in client.probes()] == ["tally"]
        if fault == "folder":
            config.rmdir()
    client.reload()
    assert client.ready() == (True, [])


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    """Standard error is a closed pipe, or a full disk: it starts, counts, changes and ends as ever."""
    from tests.daemon.running import daemon

    with daemon(tmp_path) as served:
        served.probe("tally")
        reader, writer = os.pipe()
        os.close(reader)
        full = os.open("/dev/full", os.O_WRONLY)
        for stderr in (writer, full):
            served.start(wait=False, stderr=stderr)
            client = served.client()
            until(lambda client=client: is_up(client), what="the start")
            pid = hammer(1000)
            until(lambda client=client, pid=pid: counted(client, pid) == 1000)
            client.reload()
            assert served.stop() == 0
            os.close(stderr)


def is_up(client: Client) -> bool:
    try:
        return client.ready()[0]
    except TracerdError:
        return False


def test_a_socket_that_was_removed_is_made_again(running: RunningDaemon) -> None:
    """Within some seconds, with its mode; who is connected stays so."""
    connected = running.client()
    assert is_up(connected)
    running.socket.unlink()
    until(lambda: running.socket.exists() and is_up(running.client()), what="the socket")
    assert is_up(connected)
    assert running.socket.stat().st_mode & 0o777 == 0o660
    assert "the control socket was gone; it is made again" in running.log
