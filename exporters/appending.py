"""A file that grows by whole lines, is rotated by us or by others, and never holds whoever writes it.

What is exported may be secret and the exporter may be root, so the file must be what it seems: no symbolic link, no
other name, nobody else's, and a regular file (a FIFO without a reader would hold us for ever).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tracerd.config.trust import distrusted
from tracerd.errors import ExportError

try:
    import fcntl
except ImportError:                      # Windows (not run there): two writers are not noticed, lines still whole
    fcntl = None  # type: ignore[assignment]    # mypy looks at one platform

# What Windows does not have is not asked for there. O_NONBLOCK is for what turns out to be no regular file.
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)

_TAIL_BYTES = 1 << 20
"""How far back from the end of a file the beginning of a half line is looked for."""


class AppendedFile:
    """One file. `append` writes all lines or none. Not thread-safe.

    `begins` is what each of our lines begins with: a half line is only cut off where it is one of ours.
    """

    def __init__(self, path: Path, begins: bytes, *, max_bytes: int, keep: int) -> None:
        self.path = path
        self.repaired = 0                # half lines of a killed process that were cut off
        self._begins = begins
        self._max_bytes = max_bytes
        self._keep = keep
        self._fd = -1
        self._left: tuple[int, int, int] | None = None       # which file it was after the last append, and how long

    def open(self) -> bool:
        """Open the file if it is not, or no longer the one of that name.

        Return whether all that was appended last is still in it: False for the first time, and once somebody has moved
        the file away, removed or emptied it.

        Raises:
            ExportError: the file cannot be opened, is not a file we may trust, or another process writes it.
        """
        with self._told():
            if self._fd >= 0 and not self._still_ours():
                self.close()
            if self._fd < 0:
                self._open()
            now, left = self._place(), self._left
            return left is not None and now[:2] == left[:2] and now[2] >= left[2]

    def make_room(self, more: int) -> bool:
        """Rotate the file if it would grow beyond its limit. Return whether it was. Once it is open."""
        with self._told():
            size = os.fstat(self._fd).st_size
            if not (self._max_bytes and size and size + more > self._max_bytes):
                return False
            self._rotate()
            return True

    def append(self, data: bytes) -> None:
        """Write whole lines; on any failure the file is as it was. Once it is open.

        Raises:
            ExportError: the file cannot be written.
        """
        with self._told():
            self._write(data, os.fstat(self._fd).st_size)
            self._left = self._place()

    def close(self) -> None:
        """May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close()                 # opened anew the next time: by then it may be another file
            raise ExportError(str(self.path), error.strerror or str(error)) from error

    def _place(self) -> tuple[int, int, int]:
        """Return which file it is, and how long."""
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino, status.st_size

    def _still_ours(self) -> bool:
        """False once somebody (logrotate) has moved the file away or removed it."""
        try:
            named, ours = self.path.lstat(), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _open(self) -> None:
        self._refuse_other_kinds()
        descriptor = os.open(self.path, _FLAGS, 0o640)
        try:
            self._check(os.fstat(descriptor))
            self._lock(descriptor)
            self._repair(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._fd = descriptor

    def _lock(self, descriptor: int) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExportError(str(self.path), "another process writes it; give each its own path") from error

    def _refuse_other_kinds(self) -> None:
        """Say what is wrong with a link or a FIFO; opening would only give a number. The open file is checked again."""
        with contextlib.suppress(FileNotFoundError):
            self._check(self.path.lstat())

    def _check(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise ExportError(str(self.path), "is a symbolic link, which is not followed; name the file itself")
        if not stat.S_ISREG(status.st_mode):
            raise ExportError(str(self.path), "is not a regular file; for a program that reads, use path = \"-\"")
        if status.st_nlink > 1:
            raise ExportError(str(self.path), "has other names (hard links); remove it or name another")
        if why := distrusted(status):
            raise ExportError(str(self.path), f"is not written, since {why}")

    def _repair(self, descriptor: int) -> None:
        """End what a process left that was killed while it wrote: cut off half a line of ours, end anything else."""
        size = os.fstat(descriptor).st_size
        start = max(size - _TAIL_BYTES, 0)
        os.lseek(descriptor, start, os.SEEK_SET)
        tail = os.read(descriptor, size - start)
        if not tail or tail.endswith(b"\n"):
            return
        line = start + tail.rfind(b"\n") + 1
        half = tail[line - start :]
        known = line > 0 or start == 0   # else the line began before what was read
        if known and (half.startswith(self._begins) or self._begins.startswith(half)):
            os.ftruncate(descriptor, line)
            self.repaired += 1
        else:
            os.write(descriptor, b"\n")

    def _write(self, data: bytes, size: int) -> None:
        """Append in one call where the system takes all; a rest that it does not take makes it take everything back."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
        except BaseException:
            if written:
                os.ftruncate(self._fd, size)
            raise

    def _rotate(self) -> None:
        """Rename FILE.1 to FILE.2 and so on, then FILE to FILE.1, and begin a new FILE. Each step is atomic."""
        if self._keep == 0:
            os.ftruncate(self._fd, 0)
            return
        self.close()
        for number in range(self._keep, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self.path
            with contextlib.suppress(FileNotFoundError):
                older.replace(self._numbered(number))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
