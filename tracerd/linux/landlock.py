"""Landlock: give up the file system, TCP and signals to others, as far as this kernel knows how.

Source: linux/landlock.h, landlock(7).
"""

from __future__ import annotations

import os
import struct

from tracerd.linux.syscalls import call
from tracerd.native import ffi

VERSION = 1                               # LANDLOCK_CREATE_RULESET_VERSION

FILES_BY_ABI = ((1, 13), (2, 14), (3, 15), (5, 16))
"""(first ABI, how many file rights it knows): 13 at first, then REFER, TRUNCATE and IOCTL_DEV."""

TCP_ABI, TCP_RIGHTS = 4, 0b11             # bind, connect
SCOPE_ABI, SCOPES = 6, 0b11               # abstract Unix sockets, signals


def abi() -> int:
    """Return the version of Landlock that this kernel speaks, from 1.

    Raises:
        OSError: ENOSYS if it was built without, EOPNOTSUPP if it was not switched on at boot.
    """
    return call("landlock_create_ruleset", 0, 0, VERSION)


def handled(version: int) -> tuple[int, int, int]:
    """Return the rights over files and TCP, and the scopes, that a version knows: all of them are given up."""
    files = max(bits for first, bits in FILES_BY_ABI if version >= first)
    return (
        (1 << files) - 1,
        TCP_RIGHTS if version >= TCP_ABI else 0,
        SCOPES if version >= SCOPE_ABI else 0,
    )


def deny_everything() -> int:
    """Let this thread and its children open no file and no TCP connection from now on. Returns the ABI in force.

    What is open stays open. Needs PR_SET_NO_NEW_PRIVS (or CAP_SYS_ADMIN) to be set before, and a free descriptor.

    Raises:
        OSError: as `abi`, or the kernel refuses.
    """
    version = abi()
    attributes = struct.pack("<QQQ", *handled(version))       # struct landlock_ruleset_attr; older ABIs know less of it
    size = 24 if version >= SCOPE_ABI else 16 if version >= TCP_ABI else 8
    held = ffi.new("char[]", attributes)
    ruleset = call("landlock_create_ruleset", int(ffi.cast("uintptr_t", held)), size, 0)
    try:
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
    return version
