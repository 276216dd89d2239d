"""Pins: maps kept under a name in one folder, for as long as nobody removes them.

A pin is two files. NAME.map is the map itself (docs/pins.md); NAME.json says what its bytes mean, so that it can be
shown without the object it came from. The folder is ours alone: it is checked when it is opened, and everything is done
relative to what was opened.
"""

from __future__ import annotations

import builtins
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracerd.btf.types import Btf
from tracerd.elf.spec import MapSpec
from tracerd.errors import ConfigError, RunError
from tracerd.runtime.pin_meaning import MeaningError, decode_meaning, encode_meaning
from tracerd.snapshot import MapSnapshot
from tracerd.vm.map_reader import MapFile
from tracerd.vm.own_files import (
    MODE,
    draft_name,
    failed,
    lock,
    open_folder,
    remove_leftovers,
    require_support,
    status_of,
)

MAP, MEANING = ".map", ".json"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_MOST_BYTES = 16 << 20           # of a NAME.json: an object's BTF has some 10 KiB


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pin as it was found. Without types, `untyped` says why and `btf` is None."""

    spec: MapSpec
    btf: Btf | None
    snapshot: MapSnapshot
    untyped: str = ""


def pin_file_name(name: str) -> str:
    """Return a pin's name if it may be one; it becomes the name of a file, so it is never a path.

    Raises:
        ConfigError: it may not.
    """
    if not _NAME.fullmatch(name):
        shown = name if len(name) <= 80 else f"{name[:77]}…"
        raise ConfigError(
            f"pin {shown!r}", "a name has 1 to 64 letters, digits and _ . -, and begins with a letter, a digit or _"
        )
    return name


class Pins:
    """The pins of one folder. One process has it open for changes; others open it with `tidy=False`, to read.

    `leftovers` is how many unfinished files of killed processes were removed when it was opened.
    """

    def __init__(self, directory: Path, *, tidy: bool = True, look: Callable[[], object] = lambda: None) -> None:
        """Open the folder. With `tidy`, make it if it is not there, and remove what killed processes left. `look` is
        called by `renew`: it makes the folder again if it was removed, or raises if it is no longer ours.

        Raises:
            RunError: it is a symbolic link or no folder, or others may write it.
            NotPermitted, NotSupported: the system refuses, or has no maps in files.
        """
        require_support()
        self.directory = directory
        self.leftovers = 0
        self._look = look
        try:
            if tidy:
                directory.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            pass            # `open_folder` says what it is
        except OSError as error:
            raise failed(f"folder {str(directory)!r}", error) from None
        self._folder = open_folder(directory)
        if tidy:
            self._tidy()

    def close(self) -> None:
        """Let the folder go. May be called twice."""
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def renew(self) -> None:
        """See that the folder is still the one that was opened, before something is put into it; open a new one if not.

        Raises:
            ConfigError, RunError, NotPermitted: what is in its place cannot be used.
        """
        self._look()
        try:
            named, ours = self.directory.lstat(), os.fstat(self._folder)
        except OSError as error:
            raise failed(f"folder {str(self.directory)!r}", error) from None
        if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
            fresh = open_folder(self.directory)
            os.close(self._folder)
            self._folder = fresh

    def list(self) -> list[str]:
        """Return the names of all pins, sorted. What cannot be used is among them: opening it says why.

        Raises:
            RunError: the disk fails.
        """
        try:
            return self._names(MAP)
        except OSError as error:
            raise failed(f"folder {str(self.directory)!r}", error) from None

    def path(self, name: str) -> Path:
        """Return where the map of a pin is or would be.

        Raises:
            ConfigError: this cannot be a pin's name.
        """
        return self.directory / f"{pin_file_name(name)}{MAP}"

    def exists(self, name: str) -> bool:
        """True if there is a pin of that name."""
        return status_of(self._folder, self.path(name).name) is not None

    def remove(self, name: str) -> bool:
        """Remove a pin and what is known of it; False if there was none. Of a map that was unpinned, remove the rest.

        Raises:
            RunError: the map is in use, and must be unpinned there.
            NotPermitted: the system refuses.
        """
        path = self.path(name)
        what = f"pin {name!r}"
        try:
            with self._alone(path.name, what):
                found = [self._unlink(f"{name}{suffix}") for suffix in (MAP, MEANING)]
            os.fsync(self._folder)
        except OSError as error:
            raise failed(what, error) from None
        return any(found)

    def describe(self, name: str, spec: MapSpec, btf: Btf | None, since_ns: int) -> None:
        """Write down what a pin's bytes mean, and since when they count (unix time): before the map gets its name, so
        that no pin is ever without.

        Raises:
            RunError, NotPermitted: there is no room, or the system refuses.
        """
        target = f"{pin_file_name(name)}{MEANING}"
        try:
            self._write(target, encode_meaning(spec, btf, since_ns))
        except OSError as error:
            raise failed(f"pin {name!r}", error) from None

    def undescribe(self, name: str) -> None:
        """Take back `describe`, where there is no map of that name.

        Raises:
            RunError, NotPermitted: the system refuses.
        """
        try:
            if not self.exists(name):
                self._unlink(f"{pin_file_name(name)}{MEANING}")
        except OSError as error:
            raise failed(f"pin {name!r}", error) from None

    def read(self, name: str) -> Pinned:
        """Read a pin's contents and what they mean, whether a process uses it or none does.

        Raises:
            RunError: there is no such pin, or its map is damaged.
            NotPermitted: the system does not let us read it.
        """
        with MapFile.open_read(self.path(name)) as file:
            snapshot = file.snapshot(name)
            sizes = (file.key_size, file.value_size, file.max_entries)
            shape = MapSpec(name, file.kind.value, *sizes, file.flags, pinned=True)
        try:
            found = decode_meaning(self._read(f"{name}{MEANING}"))
        except MeaningError as error:
            return Pinned(shape, None, snapshot, f"{name}{MEANING} {error}")
        except OSError as error:
            return Pinned(shape, None, snapshot, str(failed(f"{name}{MEANING}", error)))
        spec = found.spec
        if (spec.key_size, spec.value_size, spec.max_entries) != sizes:
            return Pinned(shape, None, snapshot, f"{name}{MEANING} describes a map of another shape")
        return Pinned(spec, found.btf, snapshot, "" if found.btf else "its object has no BTF")

    def about(self, name: str) -> tuple[MapSpec | None, int]:
        """Return what is written down of a pin's map, None if that is missing or damaged, and the bytes of its file."""
        status = status_of(self._folder, self.path(name).name)
        size = status.st_size if status is not None else 0
        try:
            return decode_meaning(self._read(f"{name}{MEANING}")).spec, size
        except (MeaningError, OSError):
            return None, size

    def since(self, name: str) -> int:
        """Return the unix time in ns since when a pin's map counts; 0 if that is not known."""
        try:
            return decode_meaning(self._read(f"{name}{MEANING}")).since_ns
        except (MeaningError, OSError):
            return 0

    def _names(self, suffix: str) -> builtins.list[str]:
        with os.scandir(self._folder) as entries:
            names = [entry.name.removesuffix(suffix) for entry in entries if entry.name.endswith(suffix)]
        return sorted(name for name in names if _NAME.fullmatch(name))

    def _tidy(self) -> None:
        """Remove drafts, and meanings whose map never came."""
        try:
            self.leftovers = remove_leftovers(self._folder)
            maps = set(self._names(MAP))
            for name in self._names(MEANING):
                if name not in maps:
                    self.leftovers += self._unlink(f"{name}{MEANING}")
        except OSError as error:
            self.close()
            raise failed(f"folder {str(self.directory)!r}", error) from None

    @contextmanager
    def _alone(self, name: str, what: str) -> Iterator[None]:
        """Keep others from opening a map's file meanwhile. A link or a device is nobody's."""
        there = status_of(self._folder, name)
        if there is None or not stat.S_ISREG(there.st_mode):
            yield
            return
        descriptor = self._open(name)
        try:
            if not lock(descriptor):
                raise RunError(what, "is in use; unpin the map where it is used, or stop that process")
            yield
        finally:
            os.close(descriptor)

    def _unlink(self, name: str) -> bool:
        try:
            os.unlink(name, dir_fd=self._folder)
        except FileNotFoundError:
            return False
        return True

    def _write(self, name: str, data: bytes) -> None:
        """Write a file that is there whole or not at all, after a loss of power too."""
        draft = draft_name(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, MODE, dir_fd=self._folder), "wb") as file:
            lock(file.fileno())
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.rename(draft, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except BaseException:
                self._unlink(draft)
                raise
        os.fsync(self._folder)

    def _read(self, name: str) -> bytes:
        with os.fdopen(self._open(name), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.ENXIO, "no regular file")
            if status.st_size > _MOST_BYTES:
                raise MeaningError(f"has more than {_MOST_BYTES >> 20} MiB")
            return file.read(_MOST_BYTES)

    def _open(self, name: str) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=self._folder)
