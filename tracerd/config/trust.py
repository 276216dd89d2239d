"""Whom a file may belong to that tells a privileged process what to do, or that such a process writes to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tracerd.errors import ConfigError


def distrusted(status: os.stat_result, owner: int | None = None) -> str:
    """Return why what has this status is under somebody else's control, or "" if only root and we can change it.

    `owner` is a user who may have it beside us: the one that the daemon becomes. A group that may write is trusted: an
    administrator made it so. Where there are no user ids (Windows) the mode is made up from the read-only bit and says
    nothing; there the folder's own access list has to hold.
    """
    user = getattr(os, "geteuid", None)
    if user is None:
        return ""
    if status.st_uid not in (0, user(), owner):
        return f"it belongs to user {status.st_uid}, neither to root nor to the user that runs tracerd"
    if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode):
        return f"every user may write it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def read_trusted(path: Path) -> str:
    """Return the text of a configuration file that nobody but root and we can change.

    The file that was checked is the one that is read: its status is taken from the open descriptor.

    Raises:
        ConfigError: it cannot be read, is not UTF-8, is no regular file, or somebody else may change it.
    """
    try:
        # Without O_NONBLOCK a FIFO would hold the daemon for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(str(path), "is not a regular file")
            if why := distrusted(status):
                raise ConfigError(str(path), f"is not used, since {why}; run: chown root {path} && chmod go-w {path}")
            text = os.read(descriptor, LARGEST_FILE + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    if len(text) > LARGEST_FILE:
        raise ConfigError(str(path), f"is larger than {LARGEST_FILE >> 20} MiB: no configuration file is")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"is not TOML: {error}") from error


LARGEST_FILE = 1 << 20
