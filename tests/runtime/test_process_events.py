"""Programs of the process type, proved, prepared by each engine and run on the processes of this machine."""

from __future__ import annotations

import os
import pwd
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.native.process_events import BEGIN, CODE, PARENT, USER
from tests.sources.live_processes import need_process_events
from tracerd.config import Probe
from tracerd.runtime.load import LoadedProbe, load_probe
from tracerd.sources.base import LinkRequest
from tracerd.sources.perf import PerfSource
from tracerd.verifier.job import Options
from tracerd.verifier.sandbox import Verifier
from tracerd.vm.policy import Asked

OBJECT = Path(__file__).parent / "objects" / "lives.bpf.o"
ATTACH = (("on_start", "process:start"), ("on_exit", "process:exit"))


@dataclass(frozen=True)
class Life:
    """A row of the map `lives`: struct life of lives.bpf.c."""

    starts: int
    exits: int
    start_ns: int
    lifetime_ns: int
    parent: int
    known: int
    exit_code: int
    helper_pid: int
    line_bytes: int
    line: bytes
    name: bytes
    user: bytes
    comm: bytes


_LIFE = struct.Struct("=QQQQIIiIQ8s16s16s16s")


def _lives(loaded: LoadedProbe) -> dict[int, Life]:
    snapshot = loaded.snapshot()["lives"]
    values = [_LIFE.unpack(value.tobytes()) for value in snapshot.values]
    stripped = ([one.rstrip(b"\0") if isinstance(one, bytes) else one for one in value] for value in values)
    pids = [int.from_bytes(key.tobytes(), "little") for key in snapshot.keys]
    return dict(zip(pids, (Life(*value) for value in stripped), strict=True))


def _load(engine: Asked, cpus: int) -> LoadedProbe:
    probe = Probe("lives", OBJECT, "auto", ATTACH, ())
    verifier = Verifier(Options().memory_mb)
    try:
        return load_probe(
            probe, cpus, verifier, asked=engine, integrity="auto", options=Options(), background=False
        )
    finally:
        verifier.close()


def _links(loaded: LoadedProbe) -> list[LinkRequest]:
    return [
        LinkRequest(event, program.executable.native, program.verified.certificate.context_bytes)
        for name, event in ATTACH
        for program in (loaded.programs[name],)
    ]


@pytest.mark.live
@pytest.mark.xdist_group("perf")
@pytest.mark.parametrize("engine", ["jit", "interpreter"])
def test_a_verified_program_sees_every_process(engine: Asked) -> None:
    """500 short processes: a row each, with what context and helpers say; the shell's own exit code and line too."""
    need_process_events()
    source = PerfSource()
    loaded = _load(engine, source.cpus)
    try:
        source.open(_links(loaded))
        command = ["sh", "-c", "for i in $(seq 500); do /bin/true; done; exit 7"]
        with subprocess.Popen(command) as shell:
            while shell.poll() is None:
                source.pump(20)
        assert shell.returncode == 7
        source.stop()
        lives, ledgers = _lives(loaded), source.statistics()
    finally:
        source.close()
        loaded.close()
    children = {pid: life for pid, life in lives.items() if life.parent == shell.pid and life.name == b"true"}
    assert len(children) == 500
    for pid, life in children.items():
        assert (life.starts, life.exits, life.exit_code) == (1, 1, 0)
        assert life.known & (PARENT | USER | BEGIN | CODE) == PARENT | USER | BEGIN | CODE
        assert (life.comm, life.helper_pid) == (b"true", pid)
        assert life.user.decode() == pwd.getpwuid(os.getuid()).pw_name[:15]
        assert life.lifetime_ns > 0
        assert life.line in (b"/bin/tru", b"")           # "true" has fewer bytes than the program copies
    me = lives[shell.pid]
    assert (me.exit_code, me.name, me.line) == (7, b"sh", b"sh\0-c\0fo")
    assert me.line_bytes == sum(len(argument) + 1 for argument in command)
    assert all(ledger.missing == 0 and ledger.failed == 0 for ledger in ledgers.values())
