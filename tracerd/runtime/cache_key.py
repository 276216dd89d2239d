"""The secret by which a cache knows its own entries: 32 random bytes in a file that only we can read."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat

NAME = "key"
KEY_BYTES = 32
TRIES = 10


def secret_key(folder: int) -> bytes:
    """Return the key of a folder given by descriptor, made if there is none.

    One that is too short, too long, a link or readable by others is replaced: all entries are misses then.

    Raises:
        OSError: it can be neither read nor made.
    """
    for _ in range(TRIES):                   # several processes may come first at once: the link of one of them wins
        with contextlib.suppress(FileNotFoundError):
            found = _read(folder)
            if found is not None:
                return found
            os.unlink(NAME, dir_fd=folder)
        _make(folder)
    raise OSError(errno.EIO, "its key changes all the time")


def _read(folder: int) -> bytes | None:
    """Return the key, or None if what is there is not one."""
    about = os.stat(NAME, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077 or about.st_uid != os.geteuid():
        return None
    descriptor = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        key = os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    return key if len(key) == KEY_BYTES else None


def _make(folder: int) -> None:
    """Write a new key under another name and link it: it is never there in part, and never replaces another's."""
    temporary = f"tmp-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        try:
            os.write(descriptor, secrets.token_bytes(KEY_BYTES))
            os.fsync(descriptor)             # once: without it all entries are lost
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, NAME, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.unlink(temporary, dir_fd=folder)
