"""Make small recordings in tests, with events that nobody has to wait for, and look at what a replay hands out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.native.witness import Seen, Witness
from tracerd.btf.build import encode
from tracerd.btf.types import Void
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.trec.format import Codec
from tracerd.sources.trec.meta import Machine, Meta, RecordedEvent, end_of
from tracerd.sources.trec.recorder import Filter, Recorder
from tracerd.sources.trec.source import TrecSource
from tracerd.sources.trec.writer import TrecWriter

PLAIN = RecordedEvent("tracepoint:test:plain", "tracepoint", 16, payload=False)
LETTER = RecordedEvent("process:start", "process", 24, payload=True)
EVENTS = (PLAIN, LETTER)


@dataclass(frozen=True)
class Given:
    """An event as a source would give it to its programs."""

    event: int = 0
    now_ns: int = 1
    cpu: int = 0
    pid: int = 7
    tid: int = 8
    uid_gid: int = 1 << 32 | 2
    comm: bytes = b"worker"
    context: bytes = bytes(range(16))        # behind the pointers, where there are any
    payload: bytes = b""

    def seen(self) -> Seen:
        """Return what a program is to see when it is replayed; pointers are shown as zeros."""
        pointers = bytes(16) if EVENTS[self.event].payload else b""
        return Seen(
            self.now_ns, self.cpu, self.pid << 32 | self.tid, self.uid_gid, self.comm.ljust(16, b"\0"),
            pointers + self.context, self.payload,
        )


def give(program: Any, given: Given) -> None:
    """Run a recording program as a source does."""
    run: Any = ffi.new("struct tr_run *")
    run.now_ns, run.cpu, run.uid_gid = given.now_ns, given.cpu, given.uid_gid
    run.pid_tgid = given.pid << 32 | given.tid
    run.comm = given.comm.ljust(16, b"\0")
    payload = ffi.new("char[]", given.payload) if given.payload else ffi.new("char[1]")
    pointers = b""
    if EVENTS[given.event].payload:
        start = int(ffi.cast("uint64_t", payload))
        pointers = start.to_bytes(8, "little") + (start + len(given.payload)).to_bytes(8, "little")
    context = ffi.new("char[]", pointers + given.context)
    run.context_bytes = len(pointers) + len(given.context)
    lib.tr_program_run(program, context, run)


def record(
    path: Path,
    blocks: Sequence[Iterable[Given]],
    *,
    codec: Codec = Codec.ZSTD,
    cpus: int = 4,
    keep: Filter | None = None,
    lost: int = 0,
    end: bool = True,
    offset_ns: int = 1000,
    events: tuple[RecordedEvent, ...] = EVENTS,
    told: Mapping[str, Ledger] = MappingProxyType({}),
) -> Path:
    """Write a recording, each of whose blocks has the events of one of `blocks`.

    `lost` plain events are said to have been lost in the kernel. `told` are further rows of its ledger.
    """
    recorder = Recorder(keep or Filter(), patient=False, blocks=16)
    writer = TrecWriter(path, codec, force=True)
    with closing(recorder), closing(writer):
        programs = [recorder.add(event)[0] for event in events]
        machine = Machine("linux", "x86_64", "6.1", 1)
        writer.begin(Meta(machine, offset_ns, cpus, events), encode([Void()]))
        for block in blocks:
            for given in block:
                give(programs[given.event], given)
            while recorder.write_next(writer, partial=True):
                pass
        counts = recorder.counts(0)
        plain = Ledger(counts.recorded + lost, counts.recorded, lost_in_kernel=lost)
        if end:
            writer.finish(end_of(writer.events, {PLAIN.name: plain, **told}))
    return path


@dataclass(frozen=True)
class Replayed:
    """What came out of a replay."""

    seen: list[Seen]
    ledger: dict[str, Ledger]

    @property
    def file(self) -> Ledger:
        """The row of the file."""
        return next(row for name, row in self.ledger.items() if name.startswith("trec:"))


class _Blind(Witness):
    """A witness that does not see where the payload lies, which is another place in every run."""

    def _called(self, context: Any, run: Any) -> int:
        result = super()._called(context, run)
        if self.payload:
            self.seen[-1] = replace(self.seen[-1], context=bytes(16) + self.seen[-1].context[16:])
        return result


def replay(path: Path, names: Sequence[str] = (PLAIN.name, LETTER.name)) -> Replayed:
    """Replay a recording through a program that looks at every event, in order."""
    seen: list[Seen] = []
    witnesses = {name: _Blind(payload=name == LETTER.name, seen=seen) for name in names}
    with closing(TrecSource(path)) as source:
        source.open([LinkRequest(name, witness.program, 16) for name, witness in witnesses.items()])
        drain(source)
        source.stop()
        return Replayed(seen, dict(source.statistics()))


def drain(source: TrecSource) -> int:
    """Pump to the end; return the events that passed."""
    total = 0
    while (passed := source.pump(50)) >= 0:
        total += passed
    return total


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another thread does.

    Raises:
        AssertionError: it did not happen.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
