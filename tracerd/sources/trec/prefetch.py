"""Read ahead: a thread that reads, checks and decompresses the next blocks while the core runs the one before."""

from __future__ import annotations

import queue
import threading

from tracerd.errors import SourceError
from tracerd.sources.trec.reader import Batch, Reader

DEPTH = 4
"""Blocks that wait to be run: 4 MiB of our own, at most 64 MiB of a hostile file."""

_PATIENCE = 0.1


class Prefetch:
    """Hands out a reader's batches in their order. The reader is the thread's until `close`, or until the end."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._ready: queue.Queue[Batch | None] = queue.Queue(DEPTH)
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="tracerd-trec-reader", daemon=True)
        self._thread.start()
        self.ended = False

    def next(self, timeout: float) -> Batch | None:
        """Return the next batch, or None: not read yet after `timeout` seconds, or `ended`.

        Raises:
            SourceError: the system refused a read.
        """
        if self.ended:
            return None
        try:
            batch = self._ready.get(timeout=timeout) if timeout > 0 else self._ready.get_nowait()
        except queue.Empty:
            return None
        if batch is None:
            self._thread.join()
            self.ended = True
            if self._error is not None:
                raise self._error
        return batch

    def close(self) -> None:
        """Stop reading. May be called twice."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for batch in self._reader.batches():
                if not self._put(batch):
                    return
        except OSError as error:
            self._error = SourceError(str(self._reader.path), f"cannot be read: {error.strerror}")
        except Exception as error:  # noqa: BLE001  raised again where somebody waits for the next batch
            self._error = error
        self._put(None)

    def _put(self, batch: Batch | None) -> bool:
        while not self._stopping.is_set():
            try:
                self._ready.put(batch, timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False
