"""Files in a folder of ours: checked folders, drafts that appear under their name when they are whole, locks, room.

A draft is `.NAME.RANDOM.tmp` and locked, so that who cleans up after killed processes knows those of living ones.
Everything is done relative to a folder that was opened and checked, and no symbolic link is followed.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from tracerd.errors import NotPermitted, NotSupported, RunError, TracerdError
from tracerd.native import lib

DRAFT_START, DRAFT_END = ".", ".tmp"

MODE = 0o600
OTHERS_WRITE = 0o022
_CAUSES = {
    errno.ENOSPC: "the disk is full; make room or choose a smaller max_entries",
    errno.EDQUOT: "the disk quota is used up; make room or choose a smaller max_entries",
    errno.EFBIG: "this process may not make so large a file; raise its limit (RLIMIT_FSIZE, LimitFSIZE=)",
    errno.EROFS: "the file system is read-only; mount it for writing or choose another folder",
    errno.EEXIST: "is there already; unpin it first or choose another name",
    errno.ELOOP: "is a symbolic link, which is not followed; remove it",
    errno.ENXIO: "is no regular file; remove it",
    errno.EISDIR: "is a folder; remove it",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
}
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def failed(what: str, error: OSError) -> TracerdError:
    """Return the error to raise for what the system refused: one sentence, with the way out where there is one."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted(what, f"run as its owner, or give user {os.geteuid()} access to its folder")
    return RunError(what, _CAUSES.get(error.errno or 0) or (error.strerror or str(error)).lower())


def require_support() -> None:
    """Refuse where the core cannot make memory of files.

    Raises:
        NotSupported: on Windows.
    """
    if not lib.tr_map_files_supported():
        raise NotSupported("maps in files", "this system cannot put a file in the place of a running map's memory")


def open_folder(path: Path) -> int:
    """Open a folder of map files and return its descriptor.

    Raises:
        RunError: it is a symbolic link or no folder, or someone else could put files into it.
        NotPermitted: the system does not let us in.
    """
    require_support()
    what = f"folder {str(path)!r}"
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        raise RunError(what, "is no folder, or a symbolic link to one; name the folder itself") from None
    except OSError as error:
        raise failed(what, error) from None
    status = os.fstat(folder)
    if status.st_uid not in (0, os.geteuid()):
        os.close(folder)
        raise RunError(what, f"belongs to user {status.st_uid}, who could replace what is in it; use a folder of yours")
    if status.st_mode & OTHERS_WRITE:
        os.close(folder)
        raise RunError(what, "others than its owner may write it; take that away (chmod go-w)")
    return folder


def draft_name(name: str) -> str:
    """Return a name that nobody else has, for a file that will be renamed to `name`."""
    return f"{DRAFT_START}{name}.{secrets.token_hex(8)}{DRAFT_END}"


def drafts(folder: int) -> list[str]:
    """Return the names in a folder that `draft_name` gave."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return [name for name in names if name.startswith(DRAFT_START) and name.endswith(DRAFT_END)]


def lock(descriptor: int) -> bool:
    """Take a file's lock, which ends with the descriptor; False if another process (or another opener here) has it."""
    import fcntl  # not on Windows, where `open_folder` has refused

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_leftovers(folder: int) -> int:
    """Remove the drafts that killed processes left; return how many. Those of living ones are locked, and stay.

    Raises:
        OSError: the folder cannot be read or changed.
    """
    removed = 0
    for name in drafts(folder):
        try:
            draft = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            continue        # a link, or gone meanwhile: none of ours
        try:
            if stat.S_ISREG(os.fstat(draft).st_mode) and lock(draft):
                os.unlink(name, dir_fd=folder)
                removed += 1
        finally:
            os.close(draft)
    return removed


def publish(folder: int, draft: str, name: str) -> None:
    """Give a draft its name, never taking the place of another file.

    A link that fails if the name is taken, then the draft's own name is removed. Killed between the two, a file has
    both names until it is opened. File systems without hard links get a rename after a look, which two processes at
    once could outwit.

    Raises:
        OSError: the name is taken, or the system refuses.
    """
    try:
        os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if status_of(folder, name):
            raise FileExistsError(errno.EEXIST, "file exists") from None
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    os.unlink(draft, dir_fd=folder)


def status_of(folder: int, name: str) -> os.stat_result | None:
    """Return what a name in a folder is, itself and not what it links to; None if there is nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def allocate(descriptor: int, size: int) -> None:
    """Give all of a file's bytes their place on the disk; those behind its end are zeros.

    Where the system has no call for it (macOS), zeros are written behind the end.

    Raises:
        OSError: there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    for at in range(os.fstat(descriptor).st_size, size, 1 << 20):
        os.pwrite(descriptor, bytes(min(1 << 20, size - at)), at)
