"""The spool's folder, opened: made if need be, ours alone, and used by one process at a time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tracerd.config.trust import distrusted
from tracerd.errors import ExportError

try:
    import fcntl
except ImportError:                      # Windows (not run there)
    fcntl = None  # type: ignore[assignment]    # mypy looks at one platform

_FLAGS = os.O_RDONLY
for _name in ("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"):
    _FLAGS |= getattr(os, _name, 0)


def open_folder(path: Path) -> int:
    """Return a descriptor of a folder; as long as it is open no other process gets one.

    Raises:
        ExportError: it is a link, somebody else may write it, or another process uses it.
        OSError: it cannot be made or opened.
    """
    if os.open not in os.supports_dir_fd:
        raise ExportError(str(path), "this operating system has no folders that a spool can trust; leave it out")
    _make(path)
    if stat.S_ISLNK(path.lstat().st_mode):
        raise ExportError(str(path), "is a symbolic link, which is not followed; name the folder itself")
    descriptor = os.open(path, _FLAGS)
    try:
        if why := distrusted(os.fstat(descriptor)):
            raise ExportError(str(path), f"is not used, since {why}")
        _exclude_others(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise ExportError(str(path), "cannot be made: the folder above it does not exist") from error


def _exclude_others(descriptor: int, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ExportError(str(path), "another process uses it; give each its own spool") from error
