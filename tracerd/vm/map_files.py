"""Files that hold maps, open and locked: what the core gets to make memory of, and nothing else.

A file has one process that writes it, as long as that process holds its lock. What is *in* a file is not looked at:
that is the core's (border/map_files.h).
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tracerd.errors import RunError
from tracerd.vm.own_files import (
    MODE,
    OTHERS_WRITE,
    allocate,
    draft_name,
    drafts,
    failed,
    lock,
    open_folder,
    publish,
    status_of,
)


def file_name(path: Path) -> str:
    """Return how errors name a map's file."""
    return f"map file {str(path)!r}"


class LockedFile:
    """A map's file, open and locked. `descriptor` is given to the core; closing it lets the lock go."""

    def __init__(self, path: Path, folder: int, name: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._folder = folder
        self._name = name

    @classmethod
    def draft(cls, path: Path, size: int) -> LockedFile:
        """Make a file of `size` zeros that are all on the disk already, to be published as `path`.

        Room that is only promised would be a SIGBUS on the first write that finds the disk full.

        Raises:
            RunError: the name is taken, there is no room, or the folder is not fit for it.
            NotPermitted, NotSupported: the system refuses, or cannot.
        """
        folder = open_folder(path.parent)
        name = draft_name(path.name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        made = None
        try:
            if status_of(folder, path.name):
                raise FileExistsError(errno.EEXIST, "file exists")
            made = cls(path, folder, name, os.open(name, flags, MODE, dir_fd=folder))
            if not lock(made.descriptor):
                raise OSError(errno.EBUSY, "another process is cleaning up the folder; try again")
            allocate(made.descriptor, size)
        except OSError as error:
            if made:
                made.remove()
                made.close()
            else:
                os.close(folder)
            raise failed(file_name(path), error) from None
        return made

    @classmethod
    def open(cls, path: Path) -> LockedFile | None:
        """Open a file for writing, alone. None if there is none.

        Raises:
            RunError: it is in use, or not a plain file of ours; the sentence says what it is.
            NotPermitted, NotSupported: the system refuses, or cannot.
        """
        folder = open_folder(path.parent)
        what = file_name(path)
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            descriptor = os.open(path.name, flags, dir_fd=folder)
        except FileNotFoundError:
            os.close(folder)
            return None
        except OSError as error:
            os.close(folder)
            raise failed(what, error) from None
        opened = cls(path, folder, path.name, descriptor)
        try:
            opened._check(what)
        except OSError as error:
            opened.close()
            raise failed(what, error) from None
        except BaseException:
            opened.close()
            raise
        return opened

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def fill_holes(self) -> None:
        """Give every block of the file its place on the disk, if it was copied without them.

        Raises:
            RunError: there is no room.
        """
        try:
            allocate(self.descriptor, self.size)
        except OSError as error:
            raise failed(file_name(self.path), error) from None

    def publish(self) -> None:
        """Let a draft appear under its name.

        Raises:
            RunError, NotPermitted: the name is taken meanwhile, or the system refuses.
        """
        try:
            publish(self._folder, self._name, self.path.name)
        except OSError as error:
            raise failed(file_name(self.path), error) from None
        self._name = self.path.name

    def remove(self) -> bool:
        """Remove the file from its folder; False if it is not there any more. A file that took its place stays.

        Raises:
            RunError, NotPermitted: the system refuses.
        """
        try:
            if not self._is_in_place():
                return False
            os.unlink(self._name, dir_fd=self._folder)
            os.fsync(self._folder)
        except OSError as error:
            raise failed(file_name(self.path), error) from None
        return True

    def sync(self) -> None:
        """Wait until the file, its size and its name are on the disk.

        Raises:
            RunError: the disk fails.
        """
        try:
            os.fsync(self.descriptor)
            os.fsync(self._folder)
        except OSError as error:
            raise failed(file_name(self.path), error) from None

    def close(self) -> None:
        """Let the lock go. May be called twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            os.close(self._folder)
            self.descriptor = self._folder = -1

    def _check(self, what: str) -> None:
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RunError(what, "is no regular file; remove it")
        if status.st_uid != os.geteuid():
            raise RunError(what, f"belongs to user {status.st_uid}, we are user {os.geteuid()}; change its owner")
        if status.st_mode & OTHERS_WRITE:
            raise RunError(what, "others than its owner may write it; remove it or take that away (chmod go-w)")
        if not lock(self.descriptor):
            raise RunError(what, "is in use by another process; stop that one first")
        if not self._is_in_place():
            raise RunError(what, "was replaced while it was opened; try again")
        if status.st_nlink > 1:
            self._forget_draft()
            if os.fstat(self.descriptor).st_nlink > 1:
                raise RunError(what, "has another name as well (a hard link); remove that one")

    def _is_in_place(self) -> bool:
        """True if the name still leads to this file. Asked with the lock held: only its holder removes a file."""
        there = status_of(self._folder, self._name)
        return there is not None and os.path.samestat(there, os.fstat(self.descriptor))

    def _forget_draft(self) -> None:
        """Finish a `publish` that was killed halfway."""
        ours = os.fstat(self.descriptor)
        for name in drafts(self._folder):
            there = status_of(self._folder, name)
            if there is not None and os.path.samestat(there, ours):
                os.unlink(name, dir_fd=self._folder)
