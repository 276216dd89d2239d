"""What a process may still do: memory-deny-write-execute, a probe page, no new privileges (prctl(2), mprotect(2))."""

from __future__ import annotations

import os

from tracerd.native import lib

REFUSE_EXEC_GAIN = 1                     # PR_MDWE_REFUSE_EXEC_GAIN


def mdwe() -> int:
    """Return this process's memory-deny-write-execute flags (PR_GET_MDWE); REFUSE_EXEC_GAIN is the one that counts.

    Raises:
        OSError: EINVAL where the kernel has no such thing (before Linux 6.3).
    """
    return _checked(lib.tr_linux_mdwe())


def set_mdwe() -> None:
    """Refuse executable memory to this process and its children from now on. It cannot be taken back.

    Raises:
        OSError: EINVAL where the kernel has no such thing.
    """
    _checked(lib.tr_linux_set_mdwe())


def set_no_new_privileges() -> None:
    """Let no exec from here on gain privileges (PR_SET_NO_NEW_PRIVS). It cannot be taken back.

    Raises:
        OSError: the kernel refuses.
    """
    _checked(lib.tr_linux_no_new_privileges())


def can_make_executable() -> bool:
    """Map a page, write a function, make it executable and call it: True if all of that worked.

    The one test that no security module can answer wrongly. Never crashes: the call is made only after mprotect(2)
    agreed.

    Raises:
        OSError: not even plain memory was to be had.
    """
    return bool(_checked(lib.tr_linux_probe_executable()))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
