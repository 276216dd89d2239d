"""Take away from the verifier's process what a proof does not need. Applies to the calling process, for good."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def confine(memory_mb: int) -> None:
    """Bound memory, forbid files, core dumps and new privileges.

    The room is entered by exec with an empty environment and only the three standard streams; this adds what only the
    process itself can do. System-call filters and Landlock come on top with the daemon.
    """
    if sys.platform == "win32":
        return
    forbid_privileges = _no_new_privileges()     # imported before nothing can be opened any more
    import resource

    os.chdir("/")
    os.umask(0o777)
    limits = {
        resource.RLIMIT_AS: memory_mb << 20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,         # binds all but root, who is bound by the daemon's system-call filter
        resource.RLIMIT_NOFILE: 3 + 1,    # the standard streams and the answer pipe: nothing else can be opened
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    forbid_privileges()


def _no_new_privileges() -> Callable[[], None]:
    if sys.platform != "linux":
        return lambda: None
    from tracerd.linux.prctl import set_no_new_privileges

    return set_no_new_privileges
