"""System calls by name: their numbers on x86-64 and aarch64, and the call itself where Python has no function for it.

A call acts on the calling thread alone, as the kernel has it; what the C library does for all threads it does not.
Numbers: asm/unistd_64.h and asm-generic/unistd.h of Linux 6.1.
"""

from __future__ import annotations

import errno
import os
from typing import Final, Literal

from tracerd.native import lib

Machine = Literal["x86_64", "aarch64"]

MACHINES: Final[tuple[Machine, ...]] = ("x86_64", "aarch64")

NUMBERS: Final[dict[str, tuple[int | None, int | None]]] = {
    #                           x86-64 aarch64
    "read":                     (0, 63),
    "write":                    (1, 64),
    "open":                     (2, None),
    "close":                    (3, 57),
    "stat":                     (4, None),
    "fstat":                    (5, 80),
    "lstat":                    (6, None),
    "lseek":                    (8, 62),
    "mmap":                     (9, 222),
    "mprotect":                 (10, 226),
    "munmap":                   (11, 215),
    "brk":                      (12, 214),
    "rt_sigaction":             (13, 134),
    "rt_sigprocmask":           (14, 135),
    "rt_sigreturn":             (15, 139),
    "ioctl":                    (16, 29),
    "access":                   (21, None),
    "sched_yield":              (24, 124),
    "mremap":                   (25, 216),
    "madvise":                  (28, 233),
    "setitimer":                (38, 103),
    "exit":                     (60, 93),
    "fcntl":                    (72, 25),
    "getcwd":                   (79, 17),
    "readlink":                 (89, None),
    "gettimeofday":             (96, 169),
    "getrusage":                (98, 165),
    "capget":                   (125, 90),
    "capset":                   (126, 91),
    "prctl":                    (157, 167),
    "futex":                    (202, 98),
    "restart_syscall":          (219, 128),
    "clock_gettime":            (228, 113),
    "clock_getres":             (229, 114),
    "exit_group":               (231, 94),
    "openat":                   (257, 56),
    "newfstatat":               (262, 79),
    "readlinkat":               (267, 78),
    "faccessat":                (269, 48),
    "seccomp":                  (317, 277),
    "getrandom":                (318, 278),
    "statx":                    (332, 291),
    "close_range":              (436, 436),
    "openat2":                  (437, 437),
    "faccessat2":               (439, 439),
    "landlock_create_ruleset":  (444, 444),
    "landlock_restrict_self":   (446, 446),
}


def machine() -> Machine | None:
    """Return this machine's architecture as the tables name it, or None if they do not know it."""
    name = os.uname().machine
    return next((known for known in MACHINES if known == name), None)


def number(name: str, of: Machine) -> int | None:
    """Return a call's number on an architecture; None if it has no such call."""
    return NUMBERS[name][MACHINES.index(of)]


def call(name: str, *arguments: int) -> int:
    """Make a system call; returns what it returns.

    Raises:
        OSError: the kernel refuses; ENOSYS where it, or this table, has no such call.
    """
    here = machine()
    known = number(name, here) if here is not None else None
    if known is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    words = [argument & 0xFFFFFFFFFFFFFFFF for argument in arguments]
    result = int(lib.tr_linux_call(known, *words, *[0] * (6 - len(words))))
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
