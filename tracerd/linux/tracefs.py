"""Find the kernel's tracefs and read from it; mount it where this user may.

Source: Documentation/trace/ftrace.rst of the kernel (mount point and its older place under debugfs).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tracerd.errors import NotPermitted, NotSupported
from tracerd.native import lib

PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
FIX = (
    "run as root, or let your group read it (sudo mount -o remount,mode=750,gid=$(id -g) /sys/kernel/tracing) "
    "and give the interpreter CAP_PERFMON"
)


def tracefs(places: tuple[Path, ...] = PLACES) -> Path:
    """Return the directory of tracefs, mounting it at the first place if it is mounted nowhere.

    Raises:
        NotPermitted: it is there but closed to this user, or it is not mounted and this user may not.
        NotSupported: this kernel has none.
    """
    refused = False
    for place in places:
        try:
            if place / "events" in place.iterdir():
                return place
        except PermissionError:
            refused = True
        except OSError:
            continue                     # not there: the other place may be
    if refused:
        raise NotPermitted("reading tracepoints", FIX)
    return _mount(places[0])


def _mount(place: Path) -> Path:
    result = lib.tr_linux_mount(b"tracefs", os.fsencode(place))
    if result == 0:
        return place
    if result in (-errno.EPERM, -errno.EACCES):
        raise NotPermitted("tracefs is not mounted; mounting it", f"run: sudo mount -t tracefs tracefs {place}")
    raise NotSupported("tracepoints", f"tracefs cannot be mounted at {place}: {os.strerror(-result)}")


def read(path: Path) -> str:
    """Return the text of a file of tracefs.

    Raises:
        NotPermitted: it is closed to this user.
        FileNotFoundError: there is no such event.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except PermissionError as error:
        raise NotPermitted(f"reading {path}", FIX) from error
