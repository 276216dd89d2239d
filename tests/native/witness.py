"""A program that is a Python function: sees every run as the core makes it. For tests of what feeds programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tracerd.native import ffi, lib


@dataclass(frozen=True)
class Seen:
    """One run: what helpers would answer, and the context's bytes (pointers included)."""

    now_ns: int
    cpu: int
    pid_tgid: int
    uid_gid: int
    comm: bytes
    context: bytes
    payload: bytes


@dataclass
class Witness:
    """Keeps what it saw; `abort` makes every run fail. `payload`: the context begins with data and data_end."""

    payload: bool = False
    abort: bool = False
    seen: list[Seen] = field(default_factory=list)
    program: Any = field(init=False)
    _entry: Any = field(init=False)

    def __post_init__(self) -> None:
        called: Callable[[Any, Any], int] = self._called
        self._entry = ffi.callback("uint64_t(void *, struct tr_run *)", called)
        self.program = ffi.gc(lib.tr_program_new(), lib.tr_program_free)
        lib.tr_program_set_entry(self.program, self._entry, ffi.NULL)

    def _called(self, context: Any, run: Any) -> int:
        data = b""
        if self.payload:
            start, end = ffi.cast("uint64_t *", context)[0:2]
            data = bytes(ffi.buffer(ffi.cast("char *", start), end - start))
        raw = bytes(ffi.buffer(ffi.cast("char *", context), run.context_bytes))
        comm = bytes(ffi.buffer(run.comm))
        self.seen.append(Seen(run.now_ns, run.cpu, run.pid_tgid, run.uid_gid, comm, raw, data))
        if self.abort:
            run.aborted = lib.TR_ABORT_FUEL
        return 0


def counts(raw: Any) -> dict[str, int]:
    """Return the parts of a native ledger that are not 0."""
    names = ("produced", "delivered", "lost_in_kernel", "lost_in_session", "dropped_in_ring", "filtered", "failed")
    return {name: int(getattr(raw, name)) for name in names if getattr(raw, name)}
