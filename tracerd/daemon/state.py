"""The state directory: 0700 and ours, with one daemon in it, and documents that are always whole.

A document is replaced by rename, so whoever is killed at any moment leaves the old one or the new one. All names are
looked up from the open directory, so that nobody can lead us elsewhere by renaming it or putting a link in its place.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import time
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

import msgspec

from tracerd.config.trust import distrusted
from tracerd.daemon.logs import fields
from tracerd.errors import ConfigError, NotPermitted, RunError

try:
    import fcntl
except ImportError:                      # Windows (not run there): the service manager starts one daemon
    fcntl = None  # type: ignore[assignment]    # mypy looks at one platform

LOG = logging.getLogger("tracerd.state")
T = TypeVar("T")

LARGEST_DOCUMENT = 16 << 20
KEEP_DAMAGED = 5
"""How many damaged documents of a name are kept to be looked at."""

_HOLDER = "pid"
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class StateDir:
    """The open state directory. Use as a context manager, or `close` it. One thread at a time, but for `path`."""

    def __init__(self, path: Path, owner: int | None = None) -> None:
        """Make the directory if it is not there, and see that it is ours. `owner` is a user who may have it beside us.

        Raises:
            ConfigError: it is a symbolic link, belongs to somebody else, or others may write it.
            NotPermitted: this user may not make it or enter it.
            RunError: the disk refuses it.
        """
        self.path = path
        self._owner = owner
        self._locked = False
        self._fd = self._open()

    def __enter__(self) -> StateDir:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._locked = -1, False

    def lock(self) -> None:
        """Be the one daemon of this directory, until `close` or death; then remove what a killed one left half done.

        The directory itself is locked, so this works on a disk that has become read-only.

        Raises:
            RunError: another process is.
        """
        self._take_lock(self._fd)
        self._locked = True
        self._clean(self._fd)

    def folder(self, name: str) -> Path:
        """Return a directory of that name in it, made 0700 if it is not there.

        Raises:
            ConfigError, NotPermitted, RunError: as for the state directory itself.
        """
        self.descriptor()
        folder = self.path / name
        os.close(_open_ours(folder, self._owner))
        return folder

    def descriptor(self) -> int:
        """Return the open directory. If it was removed while we run it is made again, and locked if it was.

        Raises:
            ConfigError, NotPermitted, RunError: it cannot be made again, or another daemon was faster.
        """
        if self._fd < 0:
            raise RunError(str(self.path), "the state directory is closed")
        if self._is_there():
            return self._fd
        LOG.warning("the state directory is gone; it is made again", extra=fields(path=str(self.path)))
        fresh = self._open()
        try:
            if self._locked:
                self._take_lock(fresh)
        except BaseException:
            os.close(fresh)
            raise
        os.close(self._fd)
        self._fd = fresh
        return fresh

    def _is_there(self) -> bool:
        try:
            named, ours = self.path.lstat(), os.fstat(self._fd)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        except OSError as error:
            raise _refusal(self.path.parent, error) from error
        check_above(self.path.parent, self._owner)
        return _open_ours(self.path, self._owner)

    def _take_lock(self, directory: int) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(
                    str(self.path),
                    f"another daemon uses this state directory (pid {_holder(directory) or 'unknown'}); "
                    "stop it, or give this one a state_dir of its own",
                ) from None
        with contextlib.suppress(OSError):       # who it is is only for people
            descriptor = os.open(_HOLDER, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOFOLLOW, 0o600, dir_fd=directory)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{os.getpid()}\n")

    def _clean(self, directory: int) -> None:
        for name in os.listdir(directory):
            if name.startswith(".") and name.endswith(".tmp"):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=directory)


def holder_of(path: Path) -> str | None:
    """Return the process id that a running daemon left in a state directory ("" if unknown); None: no daemon has it.

    It asks for a shared lock and gives it back at once; a daemon that starts in that very moment is refused.
    """
    try:
        directory = os.open(path, os.O_RDONLY | _DIRECTORY | _NOFOLLOW)
    except OSError:
        return None                      # told by whoever looks at the directory itself
    try:
        if fcntl is not None:
            fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(directory)
    finally:
        os.close(directory)
    return None


def _holder(directory: int) -> str:
    try:
        descriptor = os.open(_HOLDER, os.O_RDONLY | _NOFOLLOW, dir_fd=directory)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(32).decode("ascii", "replace").strip()


class Document(Generic[T]):
    """One JSON document of a declared type, in a state directory. One thread at a time."""

    def __init__(self, directory: StateDir, name: str, kind: type[T]) -> None:
        """`name` is a file's name, ours and not a user's; `kind` is what msgspec reads it as."""
        self.name = name
        self.damaged = ""                # why what was there could not be used, if it could not
        self._directory = directory
        self._decoder = msgspec.json.Decoder(kind)
        self._saves = 0

    def load(self) -> T | None:
        """Return the document; None if there is none. A damaged one is moved aside, reported, and then there is none.

        Raises:
            RunError: the disk cannot be read: that is no reason to begin with nothing.
        """
        directory = self._directory.descriptor()
        try:
            return self._decoder.decode(self._read(directory))
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _Unusable) as error:
            self._set_aside(directory, str(error))
            return None
        except OSError as error:
            raise _refusal(self._path, error) from error

    def save(self, value: T) -> None:
        """Replace the document. Once this returns, it survives a power cut as far as the disk keeps its word.

        Raises:
            RunError: the disk refuses it; the old document is untouched.
        """
        data = msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
        directory = self._directory.descriptor()
        self._saves += 1
        temporary = f".{self.name}.{os.getpid()}.{self._saves}.tmp"
        try:
            self._write(directory, temporary, data)
            os.rename(temporary, self.name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise _refusal(self._path, error) from error

    @property
    def _path(self) -> Path:
        return self._directory.path / self.name

    def _read(self, directory: int) -> bytes:
        try:
            descriptor = os.open(self.name, os.O_RDONLY | _NOFOLLOW, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise _Unusable("it is a symbolic link or no file at all") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _Unusable("it is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(LARGEST_DOCUMENT + 1)
        if len(data) > LARGEST_DOCUMENT:
            raise _Unusable(f"it is larger than {LARGEST_DOCUMENT >> 20} MiB")
        return data

    def _write(self, directory: int, name: str, data: bytes) -> None:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o600, dir_fd=directory)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            written = 0
            while written < len(data):
                written += file.write(data[written:]) or 0
            os.fsync(descriptor)

    def _set_aside(self, directory: int, why: str) -> None:
        aside = f"{self.name}.damaged-{time.time_ns() // 10**6}"
        try:
            os.rename(self.name, aside, src_dir_fd=directory, dst_dir_fd=directory)
            where = f"moved to {aside}"
        except OSError as error:
            where = f"cannot be moved aside: {error.strerror}"
        self.damaged = f"{self._path}: {why}; {where}"
        LOG.error("damaged document: %s", self.damaged)
        old = sorted(name for name in os.listdir(directory) if name.startswith(f"{self.name}.damaged-"))
        for name in old[:-KEEP_DAMAGED]:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)


class _Unusable(Exception):
    """What is there is not a document of ours, whatever it says."""


def _open_ours(path: Path, owner: int | None) -> int:
    """Make a directory if it is not there; open it and see that nobody but us can change what is in it."""
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_RDONLY | _DIRECTORY | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(str(path), "is a symbolic link, which is not followed; name the directory") from error
        raise _refusal(path, error) from error
    try:
        _check_ours(path, descriptor, owner)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_above(folder: Path, owner: int | None = None) -> None:
    """See that nobody else can put another directory in the state's place: much is looked up by its path later.

    Raises:
        ConfigError: somebody can.
        NotPermitted, RunError: it cannot be looked at.
    """
    try:
        status = folder.stat()
    except OSError as error:
        raise _refusal(folder, error) from error
    why = distrusted(status, owner)
    if why and not (status.st_uid == 0 and status.st_mode & stat.S_ISVTX):    # as /tmp: names are their owners' there
        raise ConfigError(str(folder), f"the state directory cannot be in it, since {why}; name another state_dir")


def _check_ours(path: Path, descriptor: int, owner: int | None) -> None:
    status = os.fstat(descriptor)
    user = getattr(os, "geteuid", lambda: status.st_uid)()
    if status.st_uid not in (user, owner):
        raise ConfigError(str(path), f"belongs to user {status.st_uid}, not to user {user}; run: chown {user} {path}")
    if status.st_mode & 0o022:
        raise ConfigError(str(path), f"may be written by others (mode {status.st_mode & 0o777:04o}); "
                                     f"look at what is in it, then run: chmod 700 {path}")  # fmt: skip
    if status.st_mode & 0o077:
        os.fchmod(descriptor, 0o700)     # only readable by others so far: nothing in it can be forged


def _refusal(path: Path, error: OSError) -> NotPermitted | RunError:
    if isinstance(error, PermissionError):
        return NotPermitted(f"{path}", "run as root, or name a state_dir of your own in the configuration")
    return RunError(str(path), error.strerror or str(error))
