"""`tracerd bench system`: what a poll of the system source costs with a thousand processes more than there are.

The same source, programs and machine, with each reader in turn: that of this operating system, and psutil's. CPU time
of the polling thread, programs included; the first poll, which reads every command line, is not among them.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tracerd.config import Probe
from tracerd.errors import NotSupported, RunError
from tracerd.runtime.load import LoadedProbe, load_probe
from tracerd.sources.base import LinkRequest
from tracerd.sources.system import SystemOptions, SystemSource
from tracerd.sources.system.portable import PsutilReader
from tracerd.sources.system.reader import Reader, Wants, choose_reader
from tracerd.verifier.job import Options
from tracerd.verifier.sandbox import Verifier

OBJECT = Path(__file__).parent / "programs" / "system_count.bpf.o"
SUBJECTS = {
    "processes": (("on_process", "process:sample"),),
    "connections": (("on_open", "net:open"),),
    "machine": (("on_sample", "system:sample"),),
}
AT_ONCE = SystemOptions(interval_ns=0, share=1e9)        # every pump polls
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what is polled by which reader."""

    what: str
    processes: int
    cpu_ms_per_poll: float       # median

    def to_json(self) -> dict[str, object]:
        """Return the row of `bench system --json`."""
        return {
            "what": self.what,
            "processes": self.processes,
            "cpu_ms_per_poll": round(self.cpu_ms_per_poll, 2),
            "share_at_1s": round(self.cpu_ms_per_poll / 1000, 4),
        }


@dataclass
class _Subject:
    what: str
    source: SystemSource
    samples: list[float] = field(default_factory=list)      # ms

    def poll(self) -> None:
        before = self.source.cost().cpu_ns
        self.source.pump(0)
        self.samples.append((self.source.cost().cpu_ns - before) / 1e6)


def run(processes: int = 1000, polls: int = 11) -> list[Row]:
    """Measure with so many sleeping processes beside those that run; the subjects take turns.

    Raises:
        NotSupported: this machine cannot start them.
        RunError: they do not start in time.
    """
    with crowd(processes), ExitStack() as stack:
        verifier = stack.enter_context(Verifier())
        probes = [stack.enter_context(_loaded(attach, verifier)) for attach in SUBJECTS.values()]
        subjects = [stack.enter_context(_opened(what, probe, reader)) for reader in _readers()
                    for what, probe in zip(SUBJECTS, probes, strict=True)]
        for _ in range(polls):
            for subject in subjects:
                subject.poll()
        present = len(choose_reader().processes(Wants(io=False, handles=False)))
    return [Row(subject.what, present, statistics.median(subject.samples)) for subject in subjects]


def render(rows: Sequence[Row]) -> str:
    """Return the rows as lines for a person."""
    head = f"{'':<22}{'processes':>11}{'ms per poll':>13}{'of a core at 1 s':>18}"
    lines = [f"{row.what:<22}{row.processes:>11}{row.cpu_ms_per_poll:>13.2f}{row.cpu_ms_per_poll / 1000:>18.2%}"
             for row in rows]
    return "\n".join([head, *lines])


@contextmanager
def crowd(count: int) -> Iterator[list[int]]:
    """Let so many processes sleep meanwhile; yields their pids."""
    sleep = shutil.which("sleep")
    if sleep is None or not hasattr(os, "posix_spawn"):
        raise NotSupported("starting processes to poll", "there is no sleep(1)")
    pids: list[int] = []
    try:
        for _ in range(count):
            pids.append(os.posix_spawn(sleep, [sleep, "3600"], {}))
        _wait_until_asleep(pids)
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)


def _wait_until_asleep(pids: Sequence[int]) -> None:
    """Those that still start would be described again at the second poll."""
    deadline = time.monotonic() + START_SECONDS
    reader, wanted = choose_reader(), set(pids)
    while time.monotonic() < deadline:
        rows = reader.processes(Wants(io=False, handles=False))
        if wanted <= set(rows["pid"][rows["name"] == b"sleep"].tolist()):
            return
        time.sleep(0.1)
    raise RunError("bench system", f"{len(pids)} processes did not start in {START_SECONDS:.0f} s")


def _readers() -> list[Reader]:
    here, psutil = choose_reader(), PsutilReader()
    return [here, psutil] if here.name != psutil.name else [psutil]


@contextmanager
def _loaded(attach: tuple[tuple[str, str], ...], verifier: Verifier) -> Iterator[LoadedProbe]:
    probe = Probe("system_count", OBJECT, "auto", attach, ())
    loaded = load_probe(probe, 1, verifier, asked="auto", integrity="auto", options=Options(), background=False)
    try:
        yield loaded
    finally:
        loaded.close()


@contextmanager
def _opened(what: str, loaded: LoadedProbe, reader: Reader) -> Iterator[_Subject]:
    """Open a source; its first poll is made and delivered."""
    source = SystemSource(0, AT_ONCE, reader)
    source.open([
        LinkRequest(event, program.executable.native, program.verified.certificate.context_bytes)
        for name, event in loaded.probe.attach
        for program in (loaded.programs[name],)
    ])
    try:
        source.pump(0)
        yield _Subject(f"{what} ({reader.name})", source)
    finally:
        source.close()
