"""EVENT_RECORDs made of a recording, as Windows hands them to a callback, and only of events that a session lets in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cffi import FFI

from tests.sources.etw_shim import FakeSession, FakeWindows
from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource

records = FFI()
records.cdef(
    """
    struct descriptor { uint16_t id; uint8_t version, channel, level, opcode; uint16_t task; uint64_t keyword; };
    struct item { uint16_t reserved, type, linkage, data_size; uint64_t data_ptr; };
    struct record {
        uint16_t size, header_type, flags, event_property;
        uint32_t thread_id, process_id;
        int64_t time_stamp;
        uint8_t provider_id[16];
        struct descriptor descriptor;
        uint64_t processor_time;
        uint8_t activity_id[16];
        uint16_t processor, logger_id, extended_count, user_data_length;
        struct item *extended;
        const uint8_t *user_data;
        void *user_context;
    };
    """
)
CLASSIC, MESSAGE, EXTENDED, PROCESSOR_INDEX = 0x100, 0x8, 0x1, 0x200
KERNEL = (1, 2, 3, 4, 16, 17)
PERFINFO = (16, 17)
NO_TASK = 0xFFFFFFFF


def set_clock(windows: FakeWindows, path: Path) -> None:
    """Have Windows' clocks say what those of the recorded machine said: then times are the same as in a replay."""
    source = EtlSource(path)
    facts = source._facts
    system = facts.clock == 2
    windows.frequency = 10_000_000 if system else facts.frequency
    windows.ticks = lib.tr_etl_clock_ns(facts, facts.start_ticks) // 100 if system else facts.start_ticks
    windows.filetime = facts.start_time
    source.close()


def replayed(path: Path, windows: FakeWindows) -> Callable[[Callable[[Any], None], int], None]:
    """Return what plays a recording into a callback: every event that a session has enabled which is there now."""
    sessions = list(windows.sessions.values())

    def play(callback: Callable[[Any], None], session: int) -> None:
        player = _Player(windows, sessions, callback, session)
        source = EtlSource(path)
        try:
            source.open([LinkRequest("etl:any.etl", player.program, 96)])
            while source.pump(1000) >= 0:
                pass
        finally:
            source.close()
            player.close()

    return play


class _Player:
    """A program on every event of a recording that makes a record of it and hands it on."""

    def __init__(
        self, windows: FakeWindows, sessions: list[FakeSession], callback: Callable[[Any], None], session: int
    ) -> None:
        self._windows = windows
        self._sessions = sessions
        self._callback = callback
        self._record = records.new("struct record *", {"user_context": records.cast("void *", session)})
        self._items = records.new("struct item[2]")
        self._address = int(records.cast("uintptr_t", self._record))
        self.program: Any = lib.tr_program_new()
        self._entry = ffi.callback("tr_entry", self._run)
        lib.tr_program_set_entry(self.program, self._entry, ffi.NULL)

    def close(self) -> None:
        lib.tr_program_free(self.program)

    def _run(self, context: Any, run: Any) -> int:
        event: Any = ffi.cast("struct tr_etw_context *", context)
        self._fill(event, run)
        if any(lets_in(session, self._record) for session in self._sessions):
            self._callback(self._address)
        return 0

    def _fill(self, event: Any, run: Any) -> None:
        record = self._record
        record.flags = 0x20 if event.pointer_size == 4 else 0x40
        if event.kind in (18, 19):
            record.flags |= event.flags & ~0x60
        elif event.kind == 15:
            record.flags |= MESSAGE
        else:
            record.flags |= CLASSIC
        record.flags |= PROCESSOR_INDEX
        named = event.kind not in PERFINFO
        record.thread_id, record.process_id = (event.tid, event.pid) if named else (NO_TASK, NO_TASK)
        record.time_stamp = -(-run.now_ns * self._windows.frequency // 10**9)
        record.provider_id, record.activity_id = bytes(event.provider), bytes(event.activity)
        described = record.descriptor
        described.id, described.version, described.channel = event.id, event.version, event.channel
        described.level, described.opcode, described.task = event.level, event.opcode, event.task
        described.keyword = event.keyword
        record.processor = event.cpu
        record.user_data_length = event.data_end - event.data
        record.user_data = records.cast("uint8_t *", int(ffi.cast("uintptr_t", event.data)))
        self._describe(ffi.cast("struct tr_etw_described *", run.described))

    def _describe(self, described: Any) -> None:
        parts = ((0xB, described.schema, described.schema_bytes), (0xC, described.traits, described.traits_bytes))
        there = [(kind, data, size) for kind, data, size in parts if data != ffi.NULL]
        for item, (kind, data, size) in zip(self._items, there, strict=False):
            item.type, item.data_size, item.data_ptr = kind, size, int(ffi.cast("uintptr_t", data))
        self._record.extended_count, self._record.extended = len(there), self._items


def lets_in(session: FakeSession, record: Any) -> bool:
    """As Windows decides: an event without a keyword passes any mask, one of level 0 any level. A kernel session has
    the events of classes; which flag brings which is told by `tests.sources.test_etw_plan`.
    """
    provider, event = bytes(record.provider_id), record.descriptor
    if provider not in session.enabled:
        return bool(session.flags and record.flags & CLASSIC)
    level, keyword, ids = session.enabled[provider]
    passes = not event.level or event.level <= level
    passes &= not event.keyword or not keyword or bool(event.keyword & keyword)
    return passes and (not ids or event.id in ids)
