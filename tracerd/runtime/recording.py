"""Record events into a `.trec`: sources, the core's recorder, and the thread that writes what it has kept.

Live events are kept or counted as dropped, never waited for; events of a file wait until there is room for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from tracerd.errors import RunError, TracerdError
from tracerd.runtime.pump import Pump, stop_all
from tracerd.runtime.recorded_events import Plan
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.files import refuse_own_input
from tracerd.sources.trec.format import Codec
from tracerd.sources.trec.meta import End, end_of
from tracerd.sources.trec.recorder import BLOCKS, Counts, Filter, Recorder
from tracerd.sources.trec.writer import Full, TrecWriter

FLUSH_SECONDS = 1.0
"""What is recorded is on its way to disk after that long, however little it is: a crash loses no more."""

_PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """Where a recording goes and how. `size` is the most bytes of the file."""

    output: Path
    codec: Codec = Codec.ZSTD
    keep: Filter = field(default_factory=Filter)
    size: int | None = None
    force: bool = False
    blocks: int = BLOCKS


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of it. The ledger's `delivered` is what is in the file."""

    path: Path
    events: int
    bytes: int
    seconds: float
    cpu_ns: int                  # of the whole process while it recorded
    full: bool                   # ended as the file had reached its size
    ledger: Mapping[str, Ledger]
    error: TracerdError | None   # why it ended before its time: what is in the file is a whole recording all the same


class Recording:
    """Use as a context manager: `with Recording(plan, options) as recording: recording.start(); … recording.stop()`."""

    def __init__(self, plan: Plan, options: RecordOptions) -> None:
        self._plan = plan
        self._options = options
        self._recorder = Recorder(options.keep, patient=plan.from_file, blocks=options.blocks)
        self._pumps = [Pump(serving, lambda: None) for serving in plan.servings]
        self._numbers: dict[str, int] = {}       # name of the link -> number of the event
        self._writing: _Writing | None = None
        self._began, self._cpu = 0.0, 0

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Make the links, then the file, and let the events in.

        Raises:
            TracerdError: whatever stands in the way, as one sentence; no file is left behind.
        """
        options = self._options
        if self._plan.reads is not None:
            refuse_own_input(options.output, [self._plan.reads])
        links = self._links()
        for pump, serving in zip(self._pumps, self._plan.servings, strict=True):
            pump.open([link for link in links if link.event in serving.events])
        writer = TrecWriter(options.output, options.codec, force=options.force, limit=options.size)
        self._writing = _Writing(self._recorder, writer)
        writer.begin(self._plan.meta(), self._plan.layouts.btf())
        self._began, self._cpu = time.monotonic(), time.process_time_ns()
        self._writing.start()
        for pump in self._pumps:
            pump.start()

    @property
    def over(self) -> bool:
        """True once every source has ended, or nothing can be written any more."""
        return self._live().over.is_set() or all(pump.ended.is_set() for pump in self._pumps)

    def wait(self, seconds: float) -> None:
        """Wait that long, or until it is over."""
        deadline = time.monotonic() + seconds
        while not self.over and (left := deadline - time.monotonic()) > 0:
            self._live().over.wait(min(left, 0.05))

    @property
    def events(self) -> int:
        """Events in the file so far."""
        return self._live().writer.events

    @property
    def bytes(self) -> int:
        """The file's size so far."""
        return self._live().writer.bytes

    def stop(self) -> Summary:
        """Stop the events, write what is still in memory and the final ledger."""
        errors = stop_all(reversed(self._pumps))
        writing = self._live()
        writing.stop()
        seconds, cpu = time.monotonic() - self._began, time.process_time_ns() - self._cpu
        ledger = self._ledger()
        errors += writing.finish(end_of(writing.writer.events, ledger))
        written, first = writing.writer, errors[0] if errors else None
        return Summary(written.path, written.events, written.bytes, seconds, cpu, writing.full, ledger, first)

    def close(self) -> None:
        """Detach and release everything. May be called twice."""
        self._recorder.hurry()
        for pump in self._pumps:
            pump.close()
        self._pumps.clear()
        if self._writing is not None:
            self._writing.close()
        self._recorder.close()
        self._plan.close()

    def _live(self) -> _Writing:
        assert self._writing is not None, "not started"
        return self._writing

    def _links(self) -> list[LinkRequest]:
        links = []
        for number, (name, event) in enumerate(self._plan.links):
            program, need = self._recorder.add(event, self._plan.only if event.type == "etw" else None)
            links.append(LinkRequest(name, program, need))
            self._numbers[name] = number
        return links

    def _ledger(self) -> dict[str, Ledger]:
        """What the sources say of each event, with what became of those that the recorder was given."""
        rows: dict[str, Ledger] = {}
        for pump in self._pumps:
            rows.update(pump.statistics())
        for name, number in self._numbers.items():
            rows[name] = _charged(rows[name], self._recorder.counts(number))
        return rows


def _charged(row: Ledger, counts: Counts) -> Ledger:
    return replace(
        row,
        delivered=counts.recorded,
        filtered=row.filtered + counts.filtered,
        dropped_in_ring=row.dropped_in_ring + counts.dropped,
    )


class _Writing:
    """The thread that writes. When it cannot go on it gives the blocks back unwritten, so that nobody waits for it."""

    def __init__(self, recorder: Recorder, writer: TrecWriter) -> None:
        self.writer = writer
        self.over = threading.Event()
        self.full = False
        self._recorder = recorder
        self._error: TracerdError | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracerd-trec-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end the thread. Nothing may be recorded any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def finish(self, end: End) -> list[TracerdError]:
        """Write the last block and close the file; return what stood in the way, the first cause first."""
        errors = [self._error] if self._error is not None else []
        try:
            self.writer.finish(end)
            self.writer.close()
        except TracerdError as error:
            errors.append(error)
        return errors

    def close(self) -> None:
        """End the thread and close the file, whatever became of it."""
        self.stop()
        self.writer.close()

    def _run(self) -> None:
        flushed = time.monotonic()
        while True:
            last_round = self._stopping.is_set()         # asked first: what is recorded after that is for the next
            now = time.monotonic()
            if self._write(partial=last_round or now - flushed >= FLUSH_SECONDS):
                flushed = now
            elif last_round:
                return
            else:
                time.sleep(_PAUSE)

    def _write(self, *, partial: bool) -> bool:
        try:
            writer = None if self.over.is_set() else self.writer
            return self._recorder.write_next(writer, partial=partial, past=self.full)
        except Full:
            self.full = True
        except TracerdError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  memory, say: without this thread a patient source would wait for ever
            self._error = RunError("recorder", f"cannot write: {error!r}")
            self._error.__cause__ = error
        self.over.set()
        return True
