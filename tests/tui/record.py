"""Record a feed from a real daemon that traces this machine: `python -m tests.tui.record [FILE]`. Needs root.

What is recorded is what a screen needs: of tables and maps the rows that count most, so that the file stays small.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from tests.daemon.running import OBJECTS, RunningDaemon, daemon
from tests.tui.recorded import RECORDING
from tracerd.daemon import columns
from tracerd.daemon.api import moments
from tracerd.daemon.client import Client
from tracerd.daemon.feed import upload_of
from tracerd.errors import TracerdError
from tracerd.snapshot import Column, Moment, ProbeMoment, Table

STEPS = 24
MAPS_EVERY = 1
"""Steps between two copies of the maps."""

MOST_ROWS = 60
MOST_RECORDS = 40
REJECTED = Path("tests/cli/objects/broken.bpf.o").absolute()
EXPORTERS = """
[exporters.prometheus]
listen = "127.0.0.1:9465"
"""
WORK = r"""
import os, socket, subprocess, time
n = 0
while True:
    n += 1
    for path in ("/etc/hostname", "/nonexistent", "/etc/passwd"):
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError:
            pass
    if n % 40 == 0:
        subprocess.run(["sh", "-c", "true" if n % 80 else "exit 3"])
    time.sleep(0.002)
"""


def record(path: Path) -> None:
    """Write a recording."""
    root = Path(tempfile.mkdtemp(prefix="tracerd-record-"))
    with daemon(root, probes='"syscalls", "host", "execsnoop", "probes.d/*.toml"', more=EXPORTERS) as made:
        made.probe("printing", OBJECTS / "printing.bpf.o", attach="on_tick=interval:1s")
        made.start()
        with _work(), ZipFile(path, "w", ZIP_DEFLATED) as archive:
            _record(made, archive)


def _record(made: RunningDaemon, archive: ZipFile) -> None:
    records: dict[int, list[object]] = {}
    printed: list[str] = []
    with made.client() as client:
        for info in client.maps():
            if info.kind == "ringbuf":
                found = records.setdefault(info.id, [])
                threading.Thread(target=_follow, args=(made, info.id, found), daemon=True).start()
        threading.Thread(target=_listen, args=(made, printed), daemon=True).start()
        time.sleep(3)
        for step, moment in enumerate(client.moments(1.0), 1):
            if step > STEPS:
                break
            if (step - 1) % MAPS_EVERY == 0:
                _record_maps(client, archive, step)
            _put(archive, f"moment-{step:03}.bin", moments.binary(_cut(moment)))
            _put(archive, f"look-{step:03}.json", _json({**client.status(), "host": "atlas"}))
        _finish(client, archive, records, printed)


def _record_maps(client: Client, archive: ZipFile, step: int) -> None:
    for info in client.maps():
        if info.kind != "ringbuf" and info.id:
            block = columns.Block(info.name, _busiest(client.columns(info.id)))
            _put(archive, f"map-{info.id}-{step:03}.bin", columns.encode({"map": info.id}, [block]))


def _finish(client: Client, archive: ZipFile, records: Mapping[int, list[object]], printed: list[str]) -> None:
    for info in client.programs():
        _put(archive, f"disasm-{info.id}.json", _json(client.disasm(info.id, source=True)))
    for ring, found in records.items():
        _put(archive, f"records-{ring}.json", _json(found[-MOST_RECORDS:]))
    _put(archive, "printed.json", _json(printed[-MOST_RECORDS:]))
    proofs = client.verify(upload_of(str(REJECTED)))
    _put(archive, "verify.json", _json([asdict(each) for each in proofs]))


def _cut(moment: Moment) -> Moment:
    probes = {
        probe.name: ProbeMoment(
            probe.name, {}, {each.name: _cut_table(each) for each in probe.tables.values()}, probe.rings
        )
        for probe in moment.probes.values()
    }
    return replace(moment, probes=probes)


def _cut_table(table: Table) -> Table:
    return Table(table.name, _busiest(table.columns, "count"), table.meanings)


def _busiest(found: Mapping[str, Column], by: str = "") -> dict[str, Column]:
    """Return the rows with the largest of a number: one that is named, or the first of the values."""
    numbers = [each for name, each in found.items() if (name == by if by else name.startswith("value"))]
    rows = len(next(iter(found.values()))) if found else 0
    if not numbers or rows <= MOST_ROWS or numbers[0].dtype.kind not in "iu":
        return {name: each[:MOST_ROWS] for name, each in found.items()}
    total = numbers[0].reshape(rows, -1).sum(axis=1)
    kept = np.sort(np.argsort(-total.astype(np.int64), kind="stable")[:MOST_ROWS])
    return {name: each[kept] for name, each in found.items()}


def _follow(made: RunningDaemon, ring: int, into: list[object]) -> None:
    with suppress(TracerdError), made.client() as client:      # it ends with the daemon
        into.extend(each.value for each in client.records(ring))


def _listen(made: RunningDaemon, into: list[str]) -> None:
    with suppress(TracerdError), made.client() as client:
        into.extend(each.line for each in client.printed())


@contextmanager
def _work() -> Iterator[None]:
    copying = ["dd", "if=/dev/zero", "of=/dev/null", "bs=512"]
    working = [subprocess.Popen([sys.executable, "-c", WORK]), subprocess.Popen(copying, stderr=subprocess.DEVNULL)]
    try:
        yield
    finally:
        for each in working:
            each.kill()
            each.wait()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _put(archive: ZipFile, name: str, data: bytes) -> None:
    archive.writestr(ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, ZIP_DEFLATED)


if __name__ == "__main__":
    record(Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDING)
