"""Process events as a witness saw them, and a tracker of its own to feed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.native.witness import Seen, Witness, counts
from tracerd.native import ffi, lib

START, EXIT = lib.TR_PROCESS_START, lib.TR_PROCESS_EXIT
PARENT, USER, LINE = lib.TR_KNOWN_PARENT, lib.TR_KNOWN_USER, lib.TR_KNOWN_COMMAND_LINE
CODE, BEGIN = lib.TR_KNOWN_EXIT_CODE, lib.TR_KNOWN_BEGIN
OFFSET = 1_000_000_000_000       # unix time less the records' clock
WAIT = lib.TR_START_WAIT_NS


@dataclass(frozen=True)
class ProcessEvent:
    """One event: the context's fields, and what helpers would answer."""

    kind: int
    known: int
    pid: int
    parent: int
    uid: int
    exit_code: int
    time_ns: int
    start_ns: int
    lifetime_ns: int
    name: str
    user: str
    line: bytes
    seen: Seen


def process_event(seen: Seen) -> ProcessEvent:
    """Read a context."""
    raw: Any = ffi.cast("struct tr_process_context *", ffi.from_buffer(seen.context))
    names = ("kind", "known", "pid", "parent", "uid", "exit_code", "time_ns", "start_ns", "lifetime_ns")
    numbers: dict[str, Any] = {name: int(getattr(raw, name)) for name in names}
    name, user = (bytes(ffi.buffer(field)).rstrip(b"\0").decode() for field in (raw.name, raw.user))
    return ProcessEvent(**numbers, name=name, user=user, line=seen.payload, seen=seen)


@dataclass
class Tracker:
    """A tracker with one witness for both kinds. Every task is uid 7 unless put otherwise."""

    capacity: int = 64
    waiting: int = 16
    reads: int = 0
    witness: Witness = field(default_factory=lambda: Witness(payload=True))
    native: Any = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = ffi.gc(lib.tr_tasks_new(1024), lib.tr_tasks_free)
        self.ignored: Any = ffi.new("struct tr_ignored *")
        self._run: Any = ffi.new("struct tr_run *")
        options = {
            "capacity": self.capacity, "waiting": self.waiting, "unix_offset_ns": OFFSET,
            "tasks": self.tasks, "ignored": self.ignored, "run": self._run,
        }
        self.native = ffi.gc(
            lib.tr_processes_new(ffi.new("struct tr_processes_options *", options)), lib.tr_processes_free
        )
        links = [{"program": self.witness.program, "event": kind, "need": 280} for kind in (START, EXIT)]
        assert lib.tr_processes_set_links(self.native, ffi.new("struct tr_link[]", links), 2) == 0
        lib.tr_processes_allow(self.native, self.reads)

    def name(self, pid: int, comm: str, uid: int = 7) -> None:
        task = ffi.new("struct tr_task *", {"tgid": pid, "uid": uid, "gid": 8, "comm": comm.encode()})
        lib.tr_tasks_put(self.tasks, pid, task)

    def fork(self, time_ns: int, parent: int, pid: int, flags: int = 0, cpu: int = 0) -> None:
        record = {"time_ns": time_ns, "flags": flags, "cpu": cpu, "parent": parent, "pid": pid}
        lib.tr_processes_fork(self.native, ffi.new("struct tr_fork_record *", record))

    def exec(self, time_ns: int, pid: int, file: str, cpu: int = 0) -> None:
        lib.tr_processes_exec(self.native, time_ns, cpu, pid, file.encode())

    def code(self, pid: int, code: int) -> None:
        lib.tr_processes_code(self.native, pid, code)

    def exit(self, time_ns: int, pid: int, cpu: int = 0) -> None:
        lib.tr_processes_exit(self.native, time_ns, cpu, pid)

    @property
    def events(self) -> list[ProcessEvent]:
        return [process_event(seen) for seen in self.witness.seen]

    @property
    def told(self) -> list[tuple[int, int, int]]:
        """(kind, pid, time on the records' clock) of every event."""
        return [(event.kind, event.pid, event.seen.now_ns) for event in self.events]

    def ledger(self, kind: int) -> dict[str, int]:
        raw: Any = ffi.new("struct tr_ledger *")
        lib.tr_processes_ledger(self.native, kind, raw)
        return counts(raw)

    @property
    def statistics(self) -> Any:
        raw: Any = ffi.new("struct tr_processes_statistics *")
        lib.tr_processes_statistics(self.native, raw)
        return raw
