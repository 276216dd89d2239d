"""Standard output as a target: whoever reads it may be slow, stuck or gone."""

from __future__ import annotations

import os
import select
import time

from tracerd.errors import ExportError

WAIT_SECONDS = 2.0
"""How long an export waits for the reader in all."""

_AT_ONCE = getattr(select, "PIPE_BUF", 512)


class Stream:
    """A descriptor that others share, so it stays blocking: written to only when there is room. Not thread-safe."""

    def __init__(self, descriptor: int = 1, name: str = "standard output") -> None:
        self._fd = descriptor
        self._name = name
        self._rest = b""                 # of a line that was written in part: it comes first

    def open(self) -> bool:
        """Say that what was written is with the reader: it takes lines in order, and cannot be begun anew."""
        return True

    def make_room(self, more: int) -> bool:  # noqa: ARG002
        """Say that nothing is begun anew: it has no end."""
        return False

    def append(self, data: bytes) -> None:
        """Write lines. A line that has begun is ended first thing the next time; those behind it are left out.

        Raises:
            ExportError: nobody reads, or not fast enough.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        self._rest = self._rest[self._put(self._rest, deadline) :]
        written = self._put(data, deadline) if not self._rest else 0
        if written == len(data):
            return
        if written and data[written - 1 : written] != b"\n":
            self._rest = data[written : data.index(b"\n", written) + 1]
        raise ExportError(self._name, f"its reader took {written} of {len(data)} bytes in {WAIT_SECONDS:.0f} s")

    def close(self) -> None:
        """Leave it open: it is not ours."""

    def _put(self, data: bytes, deadline: float) -> int:
        written = 0
        try:
            while written < len(data) and self._room(deadline - time.monotonic()):
                # No more than a pipe that has room is sure to have: it cannot block then.
                written += os.write(self._fd, data[written : written + _AT_ONCE])
        except OSError as error:
            raise ExportError(self._name, error.strerror or str(error)) from error
        return written

    def _room(self, seconds: float) -> bool:
        if not hasattr(select, "poll"):          # Windows: writing simply waits
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(max(seconds, 0) * 1000))
