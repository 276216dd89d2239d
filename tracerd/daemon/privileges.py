"""Give up what the daemon does not need: on Linux, everything but the capabilities in `NEEDS`, for good.

It is done before the first other thread exists, since the kernel keeps capabilities per thread; a thread that kept them
would keep them for whoever finds a way into this process. `drop` refuses otherwise, and looks at the kernel's own
account of every thread afterwards.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tracerd.errors import ConfigError, NotPermitted, NotSupported, RunError
from tracerd.linux import capabilities
from tracerd.linux.capabilities import Sets
from tracerd.linux.prctl import set_no_new_privileges
from tracerd.linux.threads import status, thread_ids
from tracerd.linux.users import Account, account

IPC_LOCK = "IPC_LOCK"


@dataclass(frozen=True, slots=True)
class Need:
    """A capability that is kept, why, and what is lost without it."""

    capability: str
    why: str
    without: str


NEEDS = (
    Need("PERFMON", "perf_event_open(2) on tracepoints of all processes",
         "no syscall:, tracepoint: and traced process: events; processes are polled"),
    Need("DAC_READ_SEARCH", "reading /sys/kernel/tracing and other users' /proc/PID",
         "as without PERFMON; owners of other users' connections and open files stay unknown"),
    Need("SYS_PTRACE", "reading /proc/PID/io and /proc/PID/fd/* of other users",
         "IO counts, open files and connection owners of other users' processes stay unknown, and are counted as such"),
    Need(IPC_LOCK, "rings of 8 MiB per CPU, where the limit of locked memory (ulimit -l) is below their size",
         "smaller rings (--pages) or a higher limit (systemd: LimitMEMLOCK=)"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dropped:
    """Who we are now and what we may. `missing` was to be kept and was never ours."""

    uid: int
    gid: int
    kept: frozenset[str]
    missing: frozenset[str]


def justified(ring_bytes: int) -> frozenset[str]:
    """Return the capabilities to keep for rings of so many bytes on all CPUs together.

    IPC_LOCK is one of them only if they are over what this user may lock: kernel.perf_event_mlock_kb for each CPU and
    RLIMIT_MEMLOCK. It would allow all of the machine's memory to be locked, so a higher limit is the better way.
    """
    names = frozenset(need.capability for need in NEEDS)
    return names if ring_bytes > _lockable() else names - {IPC_LOCK}


def drop(user: str | None, keep: frozenset[str]) -> Dropped:
    """Become `user` (a name or a number; None: stay) and keep only the capabilities `keep`, in every thread.

    Nothing can be gained again: no exec gains privileges, being root grants nothing any more.

    Raises:
        NotSupported: this is not Linux.
        ConfigError: there is no such user.
        NotPermitted: only root becomes another user.
        RunError: there are other threads already, or the kernel refuses; the process must not go on then.
    """
    if not hasattr(os, "setresuid") or not Path("/proc/self/task").exists():
        raise NotSupported("dropping privileges", "it is done by Linux's capabilities")
    _refuse_threads()
    wanted = account(user) if user is not None else None
    if user is not None and wanted is None:
        raise ConfigError(f"user {user!r}", "there is no such user; sudo useradd --system --no-create-home tracerd")
    try:
        return _drop(wanted, keep)
    except OSError as error:
        raise RunError("dropping privileges", f"{error.strerror}; the daemon does not go on with them") from error


def _drop(wanted: Account | None, keep: frozenset[str]) -> Dropped:
    have = capabilities.read().permitted
    kept = have & keep
    changes = wanted is not None and (wanted.uid, wanted.gid) != (os.geteuid(), os.getegid())
    if changes and not {"SETUID", "SETGID"} <= have:
        raise NotPermitted(f"becoming user {wanted.uid if wanted else ''}", "start tracerd as root, or without `user`")
    capabilities.clear_ambient()
    if "SETPCAP" in have:
        capabilities.write(Sets(have, have))
        capabilities.drop_bounding()
    if changes and wanted is not None:
        _become(wanted)
    if "SETPCAP" in have:
        capabilities.write(Sets(kept | {"SETPCAP"}, kept | {"SETPCAP"}))
        capabilities.lock_securebits()
    capabilities.write(Sets(kept, kept))
    set_no_new_privileges()
    _check(kept)
    return Dropped(os.geteuid(), os.getegid(), kept, keep - have)


def _become(wanted: Account) -> None:
    """Change groups, then group, then user: each is only permitted before the next. All threads at once (glibc)."""
    capabilities.keep_through_setuid(True)
    try:
        os.setgroups(wanted.groups)
        os.setresgid(wanted.gid, wanted.gid, wanted.gid)
        os.setresuid(wanted.uid, wanted.uid, wanted.uid)
    finally:
        capabilities.keep_through_setuid(False)


def _refuse_threads() -> None:
    others = [status(tid)["Name"] for tid in thread_ids()[1:]]
    if others:
        raise RunError(
            "dropping privileges",
            f"{len(others)} other threads would keep them ({', '.join(sorted(set(others)))}); it belongs before their "
            "start, and OPENBLAS_NUM_THREADS=1 keeps numpy from starting some",
        )


def _check(kept: frozenset[str]) -> None:
    """Ask the kernel, of every thread, whether it is so."""
    mask = sum(1 << capabilities.NAMES.index(name) for name in kept)
    for tid in thread_ids():
        told = status(tid)
        more = int(told["CapPrm"], 16) & ~mask | int(told["CapInh"], 16) | int(told["CapAmb"], 16)
        if more or told["NoNewPrivs"] != "1":
            raise RunError("dropping privileges", f"thread {tid} kept some (CapPrm {told['CapPrm']})")


def _lockable() -> float:
    """Return how many bytes of rings this user may have without IPC_LOCK."""
    import resource  # not on Windows

    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    try:
        per_cpu = int(Path("/proc/sys/kernel/perf_event_mlock_kb").read_text()) << 10
    except OSError:
        per_cpu = 0
    return limit + per_cpu * (os.cpu_count() or 1)
