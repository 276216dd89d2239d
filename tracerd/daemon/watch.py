"""Notice that files have changed, by looking at them: a few system calls every other second, on any file system."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Seen = dict[Path, tuple[int, ...] | None]


class FileWatch:
    """Tells when one of some files has become another. What changes twice between two looks has changed once."""

    def __init__(self, files: Iterable[Path], *, missed: bool = False) -> None:
        """`missed`: something has changed already since the files were read."""
        self._seen = _look(files)
        self._changing = missed

    def differs(self, files: Iterable[Path]) -> bool:
        """True if they are not those of the last look, or not as they were."""
        return _look(files) != self._seen

    def changed(self, files: Iterable[Path]) -> bool:
        """Look; true once when something is different from last time and has then stayed the same for one look, so that
        a file that is being written is not read half."""
        now = _look(files)
        if now != self._seen:
            self._seen = now
            self._changing = True
            return False
        settled, self._changing = self._changing, False
        return settled


def _look(files: Iterable[Path]) -> Seen:
    seen: Seen = {}
    for file in files:
        try:
            status = file.stat()
        except OSError:
            seen[file] = None
        else:
            # The change time, mode and owner too: a file that was not trusted is mended by chmod and chown alone.
            seen[file] = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size,
                          status.st_mode, status.st_uid, status.st_gid)  # fmt: skip
    return seen
