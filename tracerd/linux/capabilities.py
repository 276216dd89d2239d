"""Capabilities of the calling thread: read, give up, and what has to be done around them.

Thin wrappers by name; who keeps what is `daemon.privileges`' and `verifier.sandbox`'s decision. The kernel keeps all of
this per thread, so it belongs before the first thread is started. Sources: capabilities(7), linux/capability.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from tracerd.linux.syscalls import call
from tracerd.native import ffi

NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)
"""By number, without the CAP_ in front."""

VERSION_3 = 0x20080522                    # 64 bits a set, in two halves
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 8, 28, 47
AMBIENT_CLEAR_ALL = 4

NOROOT, NO_SETUID_FIXUP, KEEP_CAPS, NO_AMBIENT_RAISE = 1 << 0, 1 << 2, 1 << 4, 1 << 6
LOCK_SECUREBITS = (NOROOT | NO_AMBIENT_RAISE) * 3 | (NO_SETUID_FIXUP | KEEP_CAPS) << 1
"""Being root grants nothing, ambient capabilities stay empty, ids and capabilities change as usual: for good."""


@dataclass(frozen=True, slots=True)
class Sets:
    """The three sets of capget(2), by name."""

    effective: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    inheritable: frozenset[str] = frozenset()


def read() -> Sets:
    """Return this thread's sets.

    Raises:
        OSError: the kernel refuses.
    """
    header, data = _header(), ffi.new("char[]", 24)
    call("capget", _address(header), _address(data))
    words = struct.unpack("<6I", bytes(ffi.buffer(data, 24)))
    return Sets(*(_names(words[which] | words[which + 3] << 32) for which in range(3)))


def write(sets: Sets) -> None:
    """Set this thread's sets. What leaves `permitted` cannot come back.

    Raises:
        OSError: EPERM if something is to be added.
    """
    header, masks = _header(), [_mask(each) for each in (sets.effective, sets.permitted, sets.inheritable)]
    low, high = [mask & 0xFFFFFFFF for mask in masks], [mask >> 32 for mask in masks]
    data = ffi.new("char[]", struct.pack("<6I", *low, *high))
    call("capset", _address(header), _address(data))


def bounding() -> frozenset[str]:
    """Return what an exec may at most gain."""
    return frozenset(name for at, name in enumerate(NAMES) if _in_bounding(at))


def drop_bounding(keep: frozenset[str] = frozenset()) -> None:
    """Take everything but `keep` out of the bounding set, also what has no name here yet. Needs CAP_SETPCAP.

    Raises:
        OSError: EPERM without the capability.
    """
    kept, at = _mask(keep), 0
    while (present := _in_bounding(at)) is not None:
        if present and not kept >> at & 1:
            call("prctl", PR_CAPBSET_DROP, at, 0, 0, 0)
        at += 1


def clear_ambient() -> None:
    """Let no exec inherit anything."""
    call("prctl", PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0)


def keep_through_setuid(on: bool) -> None:
    """Keep the permitted set when the user changes from root to another (PR_SET_KEEPCAPS)."""
    call("prctl", PR_SET_KEEPCAPS, int(on), 0, 0, 0)


def lock_securebits() -> None:
    """Make LOCK_SECUREBITS true, for good. Needs CAP_SETPCAP.

    Raises:
        OSError: EPERM without the capability.
    """
    call("prctl", PR_SET_SECUREBITS, LOCK_SECUREBITS, 0, 0, 0)


def _in_bounding(at: int) -> bool | None:
    """None: there is no capability of that number."""
    try:
        return bool(call("prctl", PR_CAPBSET_READ, at, 0, 0, 0))
    except OSError:
        return None


def _header() -> Any:
    return ffi.new("char[]", struct.pack("<Ii", VERSION_3, 0))


def _mask(names: frozenset[str]) -> int:
    return sum(1 << NAMES.index(name) for name in names)


def _names(mask: int) -> frozenset[str]:
    return frozenset(name for at, name in enumerate(NAMES) if mask >> at & 1)


def _address(data: Any) -> int:
    return int(ffi.cast("uintptr_t", data))
