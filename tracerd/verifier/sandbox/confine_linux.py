"""Linux's walls around the verifier's process: privileges, Landlock, memory that never becomes code, system calls.

Each is raised on its own and would hold without the others. The filter comes last, since it forbids raising walls.
"""

from __future__ import annotations

import errno
import mmap

from tracerd.linux import capabilities, landlock, prctl, seccomp
from tracerd.linux.seccomp import Bits, Rule
from tracerd.linux.syscalls import call
from tracerd.verifier.sandbox.walls import Walls
from tracerd.verifier.sandbox.wire import ANSWERS

PR_SET_DUMPABLE = 4

NEVER_CODE = Bits(2, mmap.PROT_EXEC, are_set=False)
ANONYMOUS = Bits(3, mmap.MAP_ANONYMOUS, are_set=True)

_ASKED = "asked by imports and tracebacks; refused, so that an import made too late is told in words"

FILTER = (
    Rule("read", "jobs"),
    Rule("write", "answers"),
    Rule("close", "the pipes, at the end"),
    Rule("brk", "memory"),
    Rule("mmap", "memory: never code, never a file", (NEVER_CODE, ANONYMOUS)),
    Rule("mprotect", "memory given back in parts by the allocator: never code", (NEVER_CODE,)),
    Rule("munmap", "memory"),
    Rule("mremap", "memory: moves pages, and with them the rights they have"),
    Rule("madvise", "memory"),
    Rule("futex", "locks of the interpreter and the C library; this is its only thread"),
    Rule("sched_yield", "waiting for a lock"),
    Rule("clock_gettime", "the proof's own time limit, where the vDSO does not answer"),
    Rule("clock_getres", "the same"),
    Rule("gettimeofday", "the same"),
    Rule("getrusage", "the peak memory of a proof"),
    Rule("setitimer", "the alarm that ends a process nobody waits for any more"),
    Rule("getrandom", "hash tables and allocators may seed themselves at any time"),
    Rule("rt_sigaction", "the interpreter puts its handlers back at the end"),
    Rule("rt_sigprocmask", "the same"),
    Rule("rt_sigreturn", "the kernel returns from a signal's handler through it"),
    Rule("restart_syscall", "the kernel goes on through it after SIGSTOP and SIGCONT"),
    Rule("exit", "the end"),
    Rule("exit_group", "the end"),
    *(
        Rule(name, _ASKED, errno=errno.EACCES)
        for name in (
            "open", "openat", "openat2", "stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat",
            "faccessat2", "readlink", "readlinkat", "getcwd", "lseek", "ioctl", "fcntl",
        )
    ),
)
"""What the process may still ask of the kernel. Everything else kills it: no files, sockets, processes, signals to
others, tracing, timers by descriptor, io_uring, bpf, keys, and nothing that is added to the kernel tomorrow."""


def _close_others() -> str:
    call("close_range", ANSWERS + 1, 0xFFFFFFFF, 0)
    return ""


def _no_new_privileges() -> str:
    prctl.set_no_new_privileges()
    return ""


def _not_dumpable() -> str:
    call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    return ""


def _no_capabilities() -> str:
    capabilities.clear_ambient()
    if "SETPCAP" in capabilities.read().effective:
        capabilities.drop_bounding()
    capabilities.write(capabilities.Sets())
    return ""


def _landlock() -> str:
    return f"ABI {landlock.deny_everything()}"


def _mdwe() -> str:
    prctl.set_mdwe()
    return ""


def _seccomp() -> str:
    seccomp.install(FILTER)
    return f"{sum(not rule.errno for rule in FILTER)} system calls allowed"


BEFORE_LIMITS: Walls = {
    "no other files": _close_others,
    "no new privileges": _no_new_privileges,
    "not traceable": _not_dumpable,
    "no capabilities": _no_capabilities,
    "landlock": _landlock,                   # needs a descriptor, so it comes before the limits
}
AFTER_LIMITS: Walls = {"no new code (MDWE)": _mdwe, "seccomp": _seccomp}
