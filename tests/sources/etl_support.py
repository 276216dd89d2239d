"""Walk recordings in tests: a native program that is a Python callback, so that every context can be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource

SAMPLES = Path(__file__).parents[2].parent / "shared" / "etw" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no folder of real recordings beside this checkout")

ALL = "etl:any.etl"
"""The name that means every event of a recording."""


@dataclass(frozen=True)
class Seen:
    """What one run of the program was given."""

    kind: int
    provider: UUID
    hook: int
    number: int                  # id, or opcode where there is none
    payload: bytes
    cpu: int
    pid: int
    tid: int
    time_ns: int                 # unix
    now_ns: int                  # of the run
    version: int
    pointer_size: int
    activity: UUID
    keyword: int
    run_cpu: int
    pid_tgid: int
    uid_gid: int
    comm: bytes


class Recorder:
    """A native program that keeps what it sees. Aborts every run whose payload is in `aborts`."""

    def __init__(self, aborts: frozenset[bytes] = frozenset()) -> None:
        self.seen: list[Seen] = []
        self._aborts = aborts
        self.program: Any = lib.tr_program_new()
        self._entry = ffi.callback("tr_entry", self._run)
        lib.tr_program_set_entry(self.program, self._entry, ffi.NULL)

    def _run(self, context: Any, run: Any) -> int:
        c: Any = ffi.cast("struct tr_etw_context *", context)
        payload = bytes(ffi.buffer(c.data, c.data_end - c.data)) if c.data_end > c.data else b""
        self.seen.append(
            Seen(
                c.kind, UUID(bytes_le=bytes(c.provider)), c.hook, c.id or c.opcode, payload, c.cpu, c.pid, c.tid,
                c.time_ns, run.now_ns, c.version, c.pointer_size, UUID(bytes_le=bytes(c.activity)), c.keyword, run.cpu,
                run.pid_tgid, run.uid_gid, bytes(ffi.buffer(run.comm, 16)),
            )
        )
        run.aborted = int(payload in self._aborts)
        return 0

    def free(self) -> None:
        lib.tr_program_free(self.program)


def drain(source: EtlSource) -> int:
    """Pump to the end; return the events passed."""
    total = 0
    while (passed := source.pump(10)) >= 0:
        total += passed
    return total


def walk(path: Path, *names: str) -> list[Seen]:
    """Return what a program linked to these names (default: everything) is given, in order."""
    recorder = Recorder()
    source = EtlSource(path)
    try:
        source.open([LinkRequest(name, recorder.program, 96) for name in names or (ALL,)])
        drain(source)
    finally:
        source.close()
        recorder.free()
    return recorder.seen


def buffer_offsets(data: bytes) -> Iterator[int]:
    """Yield where the buffers of a sound, uncompressed recording start."""
    size = int.from_bytes(data[:4], "little")
    yield from range(0, len(data), size)
