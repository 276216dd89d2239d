"""Bytes kept on disk between runs, by key: proofs and compiled code. What comes out is what was put in, or nothing.

A folder belongs to one user, this one. Every entry is authenticated together with its key, so one that is damaged, cut
short, taken from elsewhere or put under another name is a miss; it is removed and counted. No fault of the disk is
raised after the folder is open: a cache may only cost time.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import os
import secrets
import stat
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tracerd.errors import RunError
from tracerd.runtime.cache_key import secret_key

MAGIC = b"tracerd1"
MAC_BYTES = 32
LEFT_OVER_SECONDS = 600.0
"""A temporary file of that age belongs to nobody any more."""

_TEMPORARY = "tmp-"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC       # a fifo of that name must not hold us up
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Counts since the store was opened. `failed` writes had no room or no permission; `bytes` are on disk now."""

    hits: int
    misses: int
    stored: int
    evicted: int
    damaged: int
    failed: int
    bytes: int


class BlobStore:
    """A folder of authenticated entries, bounded in size. Thread-safe; several processes may share it."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Open the folder, or make it.

        Raises:
            RunError: it cannot be made, or others could have put something there.
        """
        self.directory = directory
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._folder = _open_folder(directory)
        try:
            self._secret = secret_key(self._folder)
            self._bytes = sum(size for _, size, _ in self._entries(clean=True))
        except OSError as error:
            os.close(self._folder)
            raise RunError(f"cache {directory}", f"cannot be used: {error.strerror}") from error

    def get(self, key: bytes) -> bytes | None:
        """Return what was put under a key, or None."""
        name = _name(key)
        with self._lock:
            try:
                body = self._checked(name, key)
            except FileNotFoundError:
                body = None
            except OSError as error:         # a link (ELOOP), a folder, a bad disk: not an entry of ours
                self._remove_damaged(name, error)
                body = None
            self._counts["hits" if body is not None else "misses"] += 1
            return body

    def put(self, key: bytes, body: bytes) -> None:
        """Keep bytes under a key. That there is no room, or no permission any more, is only counted."""
        entry = MAGIC + self._mac(key, body) + body
        with self._lock:
            try:
                if len(entry) > self._max_bytes:
                    raise OSError(errno.EFBIG, "larger than the cache")
                self._write(_name(key), entry)
            except OSError:
                self._counts["failed"] += 1
                return
            self._counts["stored"] += 1
            self._bytes += len(entry)
            if self._bytes > self._max_bytes:
                self._evict()

    def statistics(self) -> CacheStatistics:
        """Return the counts so far, and the size as it is on disk."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._bytes = sum(size for _, size, _ in self._entries())
            names = ("hits", "misses", "stored", "evicted", "damaged", "failed")
            return CacheStatistics(**{name: self._counts[name] for name in names}, bytes=self._bytes)

    def close(self) -> None:
        """Let go of the folder: everything is a miss from here on. May be called twice."""
        with self._lock:
            if self._folder >= 0:
                os.close(self._folder)
            self._folder = -1

    def _checked(self, name: str, key: bytes) -> bytes:
        descriptor = os.open(name, _READ, dir_fd=self._folder)
        try:
            entry = self._read(descriptor)
            mac, body = entry[len(MAGIC) :][:MAC_BYTES], entry[len(MAGIC) + MAC_BYTES :]
            if not entry.startswith(MAGIC) or not hmac.compare_digest(mac, self._mac(key, body)):
                raise OSError(errno.EBADMSG, "not authentic")
            with contextlib.suppress(OSError):   # a disk that became read only still serves
                os.utime(descriptor)         # used now: evicted last
            return body
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int) -> bytes:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > self._max_bytes:
            raise OSError(errno.EBADMSG, "not an entry")
        parts = []
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)

    def _write(self, name: str, entry: bytes) -> None:
        """Write a file of another name and rename it: whoever reads finds all of an entry or none.

        It is not forced to the disk: what a crash cuts short is not authentic.
        """
        temporary = _TEMPORARY + secrets.token_hex(8)
        descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=self._folder)
        try:
            try:
                left = memoryview(entry)
                while left:
                    left = left[os.write(descriptor, left) :]
            finally:
                os.close(descriptor)
            os.rename(temporary, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            self._unlink(temporary)
            raise

    def _evict(self) -> None:
        """Remove what was not used for longest, until a tenth is free."""
        try:
            entries = sorted(self._entries())
        except OSError:
            return
        left = sum(size for _, size, _ in entries)
        evicted = 0
        for _, size, name in entries:
            if left <= self._max_bytes * 9 // 10:
                break
            if self._unlink(name):
                left -= size
                evicted += 1
        self._bytes = left
        self._counts["evicted"] += evicted

    def _entries(self, *, clean: bool = False) -> list[tuple[int, int, str]]:
        """Return (last use in ns, size, name) of every entry; with `clean` remove what a crash left half written."""
        found = []
        for name in os.listdir(self._folder):  # noqa: PTH208  of a descriptor
            try:
                about = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            except FileNotFoundError:
                continue                     # another process was faster
            if name.startswith(_TEMPORARY):
                if clean and time.time() - about.st_mtime > LEFT_OVER_SECONDS:
                    self._unlink(name)
            elif len(name) == 64:
                found.append((about.st_mtime_ns, about.st_size, name))
        return found

    def _remove_damaged(self, name: str, error: OSError) -> None:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.EBADF, errno.EACCES, errno.EPERM):
            return                           # says nothing about the entry
        self._counts["damaged"] += 1
        self._unlink(name)

    def _unlink(self, name: str) -> bool:
        try:
            os.unlink(name, dir_fd=self._folder)
        except OSError:
            return False
        return True

    def _mac(self, key: bytes, body: bytes) -> bytes:
        return hmac.digest(self._secret, MAGIC + len(key).to_bytes(8, "little") + key + body, "sha256")


def _name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()


def _open_folder(directory: Path) -> int:
    """Return a descriptor of a folder that only we can write to; everything is done relative to it from here on."""
    what = f"cache {directory}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        link = error.errno in (errno.ELOOP, errno.ENOTDIR)
        raise RunError(what, "is not a folder of its own" if link else f"cannot be opened: {error.strerror}") from error
    about = os.fstat(folder)
    if about.st_uid != os.geteuid():
        os.close(folder)
        raise RunError(what, f"belongs to user {about.st_uid}, not to this one ({os.geteuid()}); remove it")
    if about.st_mode & 0o022:
        os.close(folder)
        raise RunError(what, f"can be written by others; chmod 700 {directory} and empty it")
    return folder
