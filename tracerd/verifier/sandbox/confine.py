"""Take away from the verifier's process what a proof does not need. Applies to the calling process, for good.

The room is entered by exec with an empty environment and only the three standard streams; this adds what only the
process itself can do, and says what is in force. A wall that a system does not have is told, never passed over.
"""

from __future__ import annotations

import os
import sys

from tracerd.verifier.sandbox.walls import Walls, raise_all
from tracerd.verifier.sandbox.wire import ANSWERS, Wall

if sys.platform != "win32":
    import resource  # here, not later: the confined process can open no file


def confine(memory_mb: int) -> tuple[Wall, ...]:
    """Bound memory; forbid files, network, processes, privileges and printing. Returns what is in force."""
    if sys.platform == "win32":
        from tracerd.verifier.sandbox import confine_windows

        return confine_windows.confine(memory_mb)
    before: Walls = {"no other files": _close_others}
    after: Walls = {}
    if sys.platform == "linux":
        from tracerd.verifier.sandbox import confine_linux

        before, after = confine_linux.BEFORE_LIMITS, confine_linux.AFTER_LIMITS
    os.chdir("/")
    os.umask(0o777)
    _silence()
    return raise_all({**before, "limits": lambda: _limit(memory_mb), **after})


def _silence() -> None:
    """Print nothing from behind the walls: what a terminal or a journal shows is not for a program to say."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    if nothing > ANSWERS:
        os.close(nothing)


def _close_others() -> str:
    os.closerange(ANSWERS + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return ""


def _limit(memory_mb: int) -> str:
    limits = {
        resource.RLIMIT_AS: memory_mb << 20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,             # binds all but root, who is bound by the system-call filter
        resource.RLIMIT_NOFILE: ANSWERS + 1,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    return f"{memory_mb} MiB, no new files or processes"
