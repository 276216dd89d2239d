"""Requests that wait on disk: they survive a restart, a kill and a crash, and never take more than their share.

One file a request, written under another name, synced and renamed, removed once the collector has answered. The folder
holds what was measured, so it must be ours alone: no symbolic link, nobody else's, and one process uses it at a time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exporters.otlp.request import SIGNALS, Request, Signal
from exporters.otlp.spoolfile import UNFINISHED, Entry, named, packed, unpacked
from exporters.otlp.spoolfolder import open_folder
from exporters.otlp.target import Spooling
from tracerd.errors import ExportError

LOG = logging.getLogger("tracerd.export")

_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(slots=True)
class Numbers:
    """What the spool has of a signal, and what it lost. Read without a lock, exact while nothing happens."""

    items: int = 0
    bytes: int = 0
    found: int = 0                       # items that were there when it was opened
    dropped: Counter[str] = field(default_factory=Counter)               # items by cause: spool_full, damaged


class Spool:
    """The folder and what is in it, oldest first for each signal. Thread-safe. Opened when it is first needed."""

    def __init__(self, settings: Spooling) -> None:
        self.path = Path(settings.path)
        self.numbers: dict[Signal, Numbers] = {signal: Numbers() for signal in SIGNALS}
        self._max_bytes = settings.max_bytes
        self._lock = threading.Lock()
        self._entries: dict[Signal, dict[str, Entry]] = {signal: {} for signal in SIGNALS}
        self._fd = -1
        self._next = 1
        self._closed = False

    def open(self) -> None:
        """Open the folder, make it if it is not there, and see what an earlier process left. May be called again.

        Raises:
            ExportError: it cannot be used, is not one we may trust, or another process uses it.
        """
        with self._lock, self._told():
            self._open()

    def has(self, signal: Signal) -> bool:
        """Return whether a request of that signal waits. Never waits itself."""
        return bool(self._entries[signal])

    def add(self, request: Request, *, sync: bool = True) -> None:
        """Write a request; if it would be too much, the oldest of all make room and count as spool_full.

        Without `sync` it survives a kill, but maybe not a crash of the machine: then it is found damaged, and counted.

        Raises:
            ExportError: it cannot be written; nothing of it is left.
        """
        content = packed(request)
        with self._lock, self._told():
            self._open()
            try:
                self._add(request, content, sync)
            except FileNotFoundError:    # somebody removed the folder under us
                self._forget_all()
                self._open()
                self._add(request, content, sync)

    def take(self, signal: Signal) -> tuple[Entry, Request] | None:
        """Return the oldest request of a signal, which stays in its place until it is `done` or `released`.

        Damaged ones in front of it are removed and counted.

        Raises:
            ExportError: it cannot be read now.
        """
        with self._lock, self._told():
            self._open()
            while entry := next(iter(self._entries[signal].values()), None):
                request = self._read(entry)
                if request is not None:
                    entry.pinned = True
                    return entry, request
                LOG.warning("%s: %s is damaged; removed, %d items lost", self.path, entry.name, entry.items)
                self._drop(entry, "damaged")
        return None

    def release(self, entry: Entry) -> None:
        """It could not be sent: it stays."""
        with self._lock:
            entry.pinned = False

    def done(self, entry: Entry) -> bool:
        """Remove a request. Return False if it was not there any more, and was counted as lost."""
        with self._lock:
            if self._entries[entry.signal].get(entry.name) is not entry:
                return False
            self._forget(entry)
            try:
                os.unlink(entry.name, dir_fd=self._fd)
            except OSError as error:
                LOG.warning("%s: %s cannot be removed and will be sent again: %s", self.path, entry.name, error)
            return True

    def close(self) -> None:
        """Let others use the folder. What is in it stays. May be called twice; nothing is added any more."""
        with self._lock:
            self._closed = True
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ExportError(str(self.path), error.strerror or str(error)) from error

    def _open(self) -> None:
        if self._closed:
            raise ExportError(str(self.path), "is closed")
        if self._fd >= 0:
            return
        descriptor = open_folder(self.path)
        try:
            self._scan(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._fd = descriptor
        self._make_room(0)

    def _scan(self, descriptor: int) -> None:
        """Take up what is there; what a killed process had not finished is removed. Other files are left alone."""
        found = []
        for name in os.listdir(descriptor):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if name.endswith(UNFINISHED):
                os.unlink(name, dir_fd=descriptor)
            elif stat.S_ISREG(status.st_mode) and (entry := named(name, status.st_size)):
                found.append(entry)
        for entry in sorted(found, key=lambda each: each.number):
            self._remember(entry)
            self.numbers[entry.signal].found += entry.items
            self._next = max(self._next, entry.number + 1)

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.signal][entry.name] = entry
        self.numbers[entry.signal].items += entry.items
        self.numbers[entry.signal].bytes += entry.bytes

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.signal][entry.name]
        self.numbers[entry.signal].items -= entry.items
        self.numbers[entry.signal].bytes -= entry.bytes

    def _forget_all(self) -> None:
        LOG.warning("%s is gone, and what was in it with it; it is made again", self.path)
        for entry in [each for entries in self._entries.values() for each in entries.values()]:
            self._forget(entry)
            self.numbers[entry.signal].dropped["damaged"] += entry.items
        self._close()

    def _drop(self, entry: Entry, cause: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(entry.name, dir_fd=self._fd)
        self._forget(entry)
        self.numbers[entry.signal].dropped[cause] += entry.items

    def _make_room(self, more: int) -> None:
        """Drop the oldest of all signals until that many bytes fit, but none that is being sent."""
        while sum(each.bytes for each in self.numbers.values()) + more > self._max_bytes:
            free = [each for signal in SIGNALS if (each := self._first_free(signal))]
            if not free or more > self._max_bytes:
                raise ExportError(str(self.path), f"has no room for {more} bytes; raise max_bytes")
            self._drop(min(free, key=lambda each: each.number), "spool_full")

    def _first_free(self, signal: Signal) -> Entry | None:
        return next((each for each in self._entries[signal].values() if not each.pinned), None)

    def _add(self, request: Request, content: bytes, sync: bool) -> None:
        self._make_room(len(content))
        entry = Entry(self._next, request.signal, request.items, len(content))
        self._next += 1
        unfinished = f"{entry.number:016d}{UNFINISHED}"
        try:
            self._write(unfinished, content, sync)
            os.rename(unfinished, entry.name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            if sync:
                os.fsync(self._fd)
        except BaseException:
            for name in (unfinished, entry.name):
                with contextlib.suppress(OSError):       # what cannot be removed is when the spool is next opened
                    os.unlink(name, dir_fd=self._fd)
            raise
        self._remember(entry)

    def _write(self, name: str, content: bytes, sync: bool) -> None:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o600, dir_fd=self._fd)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _read(self, entry: Entry) -> Request | None:
        """Return a request, or None if its file is not what it was when it was written."""
        try:
            descriptor = os.open(entry.name, os.O_RDONLY | _SAFE, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return unpacked(file.read(entry.bytes + 1), entry)
