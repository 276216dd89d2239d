"""The core's recorder: native programs that keep the events they are given, in blocks of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.sources.etw_matcher import CONTEXT_BYTES, EtwMatcher
from tracerd.sources.trec.meta import RecordedEvent
from tracerd.sources.trec.writer import Full, TrecWriter

BLOCKS = 64
"""Of 1 MiB: at 100 MB/s of events the writer may be held up for more than half a second."""

NEVER = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the events that come are kept. Times are on the events' clock, both ends included."""

    since_ns: int = 0
    until_ns: int = NEVER
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the events that the recorder was given."""

    recorded: int
    filtered: int
    dropped: int                 # there was no room, or they could not be written


class Recorder:
    """A `struct tr_recorder` with one program for each event. Any thread may run the programs; one writes."""

    def __init__(self, keep: Filter, *, patient: bool, blocks: int = BLOCKS) -> None:
        """`patient`: events come from a file and wait for room, instead of being dropped.

        Raises:
            SourceError: no memory for the blocks.
        """
        native: Any = {
            "since_ns": keep.since_ns, "until_ns": keep.until_ns, "pid": keep.pid or 0, "by_pid": keep.pid is not None,
        }
        self._programs: list[Any] = []
        self._native: Any = lib.tr_recorder_new(blocks, ffi.new("struct tr_recorder_filter *", native), patient)
        if self._native == ffi.NULL:
            raise SourceError("recorder", f"no memory for {blocks} blocks of 1 MiB")

    def add(self, event: RecordedEvent, only: EtwMatcher | None = None) -> tuple[Any, int]:
        """Return the program that records the next event, and the context bytes it reads.

        `only` leaves out ETW events that none of its names wants; it must outlive the recorder.
        """
        program: Any = lib.tr_program_new()
        self._programs.append(program)
        matcher = only.native if only is not None else ffi.NULL
        if lib.tr_recorder_add_event(self._native, program, event.payload, matcher) < 0:
            raise SourceError("recorder", "more than 4,096 events")
        return program, CONTEXT_BYTES if only is not None else 16 if event.payload else 0

    def counts(self, number: int) -> Counts:
        """Return what became of an event so far."""
        raw: Any = ffi.new("struct tr_recorder_counts *")
        lib.tr_recorder_counts(self._native, number, raw)
        return Counts(raw.recorded, raw.filtered, raw.dropped)

    def write_next(self, writer: TrecWriter | None, *, partial: bool, past: bool = False) -> bool:
        """Write the oldest block; with `partial` one that is not full too. Returns False if there is none.

        Without a writer the block's events are dropped, or, `past` the recording's end, filtered.

        Raises:
            Full: the writer has reached its size; the block's events are past it.
            SourceError: what the writer met; the block's events are dropped.
        """
        block: Any = ffi.new("struct tr_recorder_block *")
        if not lib.tr_recorder_take(self._native, partial, block):
            return False
        outcome = lib.TR_RECORDER_PAST if past else lib.TR_RECORDER_LOST
        try:
            if writer is not None:
                data = ffi.buffer(block.data, block.bytes)
                writer.events_block(data, block.events, block.first_ns, block.last_ns)
                outcome = lib.TR_RECORDER_KEPT
        except Full:
            outcome = lib.TR_RECORDER_PAST
            raise
        finally:
            lib.tr_recorder_release(self._native, outcome)
        return True

    def hurry(self) -> None:
        """Wait for room no more."""
        lib.tr_recorder_hurry(self._native)

    def close(self) -> None:
        """Release it; its programs must not run any more. May be called twice."""
        if self._native is not None:
            lib.tr_recorder_free(self._native)
            for program in self._programs:
                lib.tr_program_free(program)
            self._native = None
