"""What this machine allows of perf_event_open(2), and what to say when it refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tracerd.errors import NotPermitted, NotSupported, SourceError, TracerdError

_SYSCTL = Path("/proc/sys/kernel")

OPENING, MAPPING, ADDING = 0, 1, 2       # a ring's event and its memory (the steps of tr_perf_add_cpu), a tracepoint


def paranoid() -> int | None:
    """Return kernel.perf_event_paranoid; None if the kernel was built without perf events."""
    return _sysctl("perf_event_paranoid")


def initial_pid_namespace() -> bool:
    """True if process ids here are the machine's own, as in the kernel's records (PROC_PID_INIT_INO)."""
    try:
        return Path("/proc/self/ns/pid").readlink() == Path("pid:[4026531836]")
    except OSError:
        return False                     # no /proc: nothing here can be told by its number


def _sysctl(name: str) -> int | None:
    try:
        return int((_SYSCTL / name).read_text())
    except FileNotFoundError:
        return None


def refusal(what: str, error: int, step: int = OPENING, pages: int = 0) -> TracerdError:
    """Return the error to raise for an errno of perf_event_open(2) or of mapping its ring (`pages` of data)."""
    if step == MAPPING and error in (errno.EPERM, errno.ENOMEM, errno.EAGAIN):
        return _memory_refused(what, pages)
    if error in (errno.EPERM, errno.EACCES):
        return NotPermitted(
            f"{what} (perf_event_open, kernel.perf_event_paranoid is {paranoid()})",
            "run as root, or give the interpreter CAP_PERFMON and read access to tracefs, "
            "or sudo sysctl kernel.perf_event_paranoid=-1",
        )
    if error == errno.ENOSYS or paranoid() is None:
        return NotSupported(what, "this kernel has no perf events")
    if error == errno.EINVAL and step == OPENING:
        return NotSupported(what, "the kernel cannot count what it loses (PERF_FORMAT_LOST, Linux 6.0 or later)")
    if error == errno.EMFILE:
        return SourceError(what, "too many open files: one per event and CPU is needed; raise ulimit -n")
    return SourceError(what, f"perf_event_open: {os.strerror(error)}")


def _memory_refused(what: str, pages: int) -> TracerdError:
    kib = (pages + 1) * os.sysconf("SC_PAGESIZE") // 1024
    return NotPermitted(
        f"{what}: locking {kib} KiB of ring per CPU (kernel.perf_event_mlock_kb is {_sysctl('perf_event_mlock_kb')})",
        f"raise ulimit -l, or sudo sysctl kernel.perf_event_mlock_kb={kib}, or use fewer --pages",
    )
