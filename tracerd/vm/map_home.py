"""Where a map's memory is kept: nowhere but in this process, or in a file, and the way from the one to the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.vm.map_blocks import asked, sync_block
from tracerd.vm.map_files import LockedFile, file_name

_ERROR_SIZE = 256


class Staging:
    """A draft that holds a copy of a live map, made beside running programs. Closed in the end, whatever happened."""

    def __init__(self, handle: Any, draft: LockedFile) -> None:
        """Copy the map.

        Raises:
            RunError: there is no memory to map the file.
        """
        self._handle = handle
        self.draft = draft
        self._memory = asked(
            file_name(draft.path), lambda error, size: lib.tr_map_stage(handle, draft.descriptor, error, size)
        )

    def settle(self) -> None:
        """Copy what changed and put the file in the place of the map's memory. Nobody may write meanwhile.

        Raises:
            RunError: the system refuses; the map is as it was.
        """
        error = ffi.new("char[]", _ERROR_SIZE)
        if lib.tr_map_settle(self._handle, self._memory, self.draft.descriptor, error, _ERROR_SIZE):
            text: Any = ffi.string(error)
            raise RunError(file_name(self.draft.path), text.decode())

    def close(self) -> None:
        """Release the copy. May be called twice."""
        lib.tr_map_unstage(self._handle, self._memory)
        self._memory = ffi.NULL


class Home:
    """A map's file, if it has one, and the pin that is being made, if one is. `Map` says what its methods promise."""

    def __init__(self, name: str) -> None:
        self._map = f"map {name!r}"
        self.file: LockedFile | None = None
        self._staging: Staging | None = None

    def prepare(self, handle: Any, size: int, path: Path) -> None:
        there = self.file or (self._staging and self._staging.draft)
        if there:
            raise RunError(self._map, f"is pinned as {str(there.path)!r} already; unpin it first")
        draft = LockedFile.draft(path, size)
        try:
            self._staging = Staging(handle, draft)
            draft.sync()
        except BaseException:
            if self._staging:
                self.abort()
            else:
                _discard(draft)
            raise

    def commit(self) -> None:
        """The name first: killed behind it, the file has what `prepare` copied. What fails leaves no file."""
        staging = self._staging
        if not staging:
            raise RunError(self._map, "there is no pin to commit; prepare it first")
        try:
            staging.draft.publish()
            staging.settle()
        except BaseException:
            self.abort()
            raise
        staging.close()
        self.file, self._staging = staging.draft, None

    def abort(self) -> None:
        staging, self._staging = self._staging, None
        if staging:
            staging.close()
            _discard(staging.draft)

    def leave(self) -> bool:
        """Remove the file; the memory stays, now of a file without a name, which ends with it."""
        if not self.file:
            raise RunError(self._map, "is not pinned")
        removed = self.file.remove()
        self.file.close()
        self.file = None
        return removed

    def sync(self, handle: Any, *, wait: bool) -> None:
        if self.file:
            sync_block(self.file.path, handle, wait=wait)
            if wait:
                self.file.sync()

    def close(self) -> None:
        self.abort()
        if self.file:
            self.file.close()
            self.file = None


def _discard(draft: LockedFile) -> None:
    try:
        draft.remove()
    finally:
        draft.close()
