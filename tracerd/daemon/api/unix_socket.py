"""A Unix socket at a path, made so that nobody gets in before its permissions stand, and no live daemon is displaced.

The folder's lock is held from the look at what is there until the socket listens: two daemons that start at once do not
remove each other's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tracerd.daemon.api.access import group_id
from tracerd.daemon.api.settings import ControlSettings
from tracerd.errors import ConfigError, NotPermitted, RunError

MOST_PATH_BYTES = 107               # struct sockaddr_un, without its final zero
PROBE_SECONDS = 2.0
BACKLOG = 128


@dataclass(slots=True)
class UnixSocket:
    """A listening socket and the file it is."""

    path: Path
    socket: socket.socket
    identity: tuple[int, int]

    @classmethod
    def bind(cls, settings: ControlSettings, owner: int | None = None) -> UnixSocket:
        """Make the socket. `owner` is a user who may have the folder beside us: the one we are about to become.

        Raises:
            ConfigError: the path or the group is impossible, or the folder is not safe.
            NotPermitted: the system refuses it to this user.
            RunError: another daemon answers there, or something else lies there.
        """
        path = settings.socket
        if len(os.fsencode(path)) > MOST_PATH_BYTES:
            raise ConfigError("[control] socket", f"{path} is longer than a socket's {MOST_PATH_BYTES} bytes")
        group = group_id(settings.socket_group, "[control] group") if settings.socket_group else -1
        try:
            _safe_folder(path.parent, owner)
            with _locked(path.parent):
                _clear(path, owner)
                return cls._made(path, settings.socket_mode, group)
        except PermissionError as error:
            raise NotPermitted(str(path), f"run as root, or name another with --socket ({error.strerror})") from error
        except OSError as error:
            raise RunError(str(path), f"the control socket cannot be made: {error.strerror}") from error

    @classmethod
    def _made(cls, path: Path, mode: int, group: int) -> UnixSocket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The file gets the socket's own mode, less the umask: it is never wider than this, and the umask, which
            # is the whole process's, stays as it is.
            os.fchmod(made.fileno(), 0o600)
            made.bind(os.fspath(path))
            with _itself(path) as (bound, about):
                if group >= 0:
                    os.chown(bound, -1, group)
                Path(bound).chmod(mode)
            made.listen(BACKLOG)
            made.setblocking(False)
        except BaseException:
            made.close()
            raise
        return cls(path, made, (about.st_dev, about.st_ino))

    @property
    def reachable(self) -> bool:
        """False once its file was removed, or another is in its place."""
        try:
            about = self.path.lstat()
        except OSError:
            return False
        return (about.st_dev, about.st_ino) == self.identity

    def remove(self) -> None:
        """Close it and remove its file, if that is still ours."""
        self.socket.close()
        if self.reachable:
            with suppress(OSError):
                self.path.unlink()


@contextmanager
def _itself(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Give a name of the very socket that lies there, and what it is.

    Who has the folder may put a link in its place at any moment, and root would change what it leads to.
    """
    flags = getattr(os, "O_PATH", None)
    if flags is None:                        # not Linux: no privileges are dropped there, so the folder is ours
        yield os.fspath(path), path.lstat()
        return
    opened = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        about = os.fstat(opened)
        if not stat.S_ISSOCK(about.st_mode) or about.st_uid != os.geteuid():
            raise RunError(str(path), "was replaced while it was made; look who may write in its folder")
        yield f"/proc/self/fd/{opened}", about
    finally:
        os.close(opened)


def _safe_folder(folder: Path, owner: int | None) -> None:
    """See that nobody else can put something in the socket's place.

    Raises:
        ConfigError: others may write there.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    about = folder.stat()
    if about.st_uid not in (0, os.geteuid(), owner):
        raise ConfigError("[control] socket", f"{folder} belongs to uid {about.st_uid}, who could replace the socket")
    if about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX:
        raise ConfigError("[control] socket", f"others may write in {folder} and replace the socket; chmod go-w it")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _clear(path: Path, owner: int | None) -> None:
    """Remove a dead daemon's socket.

    Raises:
        RunError: a live one answers, or it is no socket of ours.
    """
    try:
        about = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(about.st_mode):
        raise RunError(str(path), "is no socket, so it is left alone; remove it or name another with --socket")
    if about.st_uid not in (0, os.geteuid(), owner):
        raise RunError(str(path), f"is a socket of uid {about.st_uid}, so it is left alone; remove it or name another")
    if _answers(path):
        raise RunError(str(path), "another tracerd daemon answers there; stop it first, or name another with --socket")
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        found = probe.connect_ex(os.fspath(path))
        return found not in (errno.ECONNREFUSED, errno.ENOENT)
