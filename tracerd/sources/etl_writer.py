"""Write `.etl` files: for the shipped demonstration and for tests, never for capturing.

Events go into one buffer per CPU and are flushed when it is full, as a real session does, so buffers of several CPUs
lie in the file in flush order. All header kinds that the walker reads can be written. Layouts: phnt `ntwmi.h`
(WMI_BUFFER_HEADER, SYSTEM_TRACE_HEADER …), evntrace.h (EVENT_TRACE_HEADER), evntcons.h (EVENT_HEADER).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from uuid import UUID

from tracerd import clock as clocks

_BUFFER_HEADER = struct.Struct("<IIIiqqQHHIIHHqq")
_BUFFER_HEADER_SIZE = 72
_KERNEL = struct.Struct("<HBBHBB")                       # version, type, flags, size, opcode, group
_TASK = struct.Struct("<IIq")                            # tid, pid, ticks
_CLASSIC = struct.Struct("<HBBBBHIIq16sII")              # EVENT_TRACE_HEADER
_MANIFEST = struct.Struct("<HBBHHIIq16sHBBBBHQQ16s")     # EVENT_HEADER
_NOBODY = UUID(int=0)

EXTENDED_INFO = 0x0001
_TICKS_PER_SECOND = 10_000_000                           # of FILETIME


class _Cpu:
    """The buffer that one CPU fills."""

    def __init__(self) -> None:
        self.events = bytearray()
        self.ticks = -(1 << 63)


class EtlWriter:
    """A recording being written. Times are ticks of its clock; events of one CPU must come in time order.

    `start_ns` is the unix time at `start_ticks`. `clock` is 1 (QPC, `frequency` ticks per second), 2 (system time:
    ticks are FILETIMEs) or 3 (CPU cycles, `frequency` of them per second, a whole number of MHz).
    """

    def __init__(
        self,
        path: Path,
        *,
        cpus: int = 1,
        buffer_size: int = 65536,
        pointer_size: int = 8,
        frequency: int = 10_000_000,
        clock: int = 1,
        start_ns: int = 1_700_000_000_000_000_000,
        start_ticks: int = 1_000_000,
        events_lost: int = 0,
        os_version: tuple[int, int, int] = (10, 0, 19045),
        name: str = "tracerd",
    ) -> None:
        if buffer_size % 8 or not 1024 <= buffer_size <= 16 << 20:
            raise ValueError("a buffer is 1 KiB to 16 MiB, a multiple of 8")
        self._file = path.open("wb")
        self._cpus = [_Cpu() for _ in range(cpus)]
        self._size = buffer_size
        self._wide = pointer_size == 8
        self._frequency = frequency
        self._clock = clock
        self._start_ns = start_ns
        self._start_ticks = start_ticks
        self._last_ticks = start_ticks
        self._lost = events_lost
        self._os = os_version
        self._name = name
        self._written = 0
        self._file.write(bytes(buffer_size))             # buffer 0 is written last: it holds the totals

    def __enter__(self) -> EtlWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def manifest_event(
        self, ticks: int, provider: UUID, event: int, payload: bytes = b"", *, cpu: int = 0, version: int = 0,
        channel: int = 0, level: int = 4, opcode: int = 0, task: int = 0, keyword: int = 0, pid: int = 0, tid: int = 0,
        activity: UUID = _NOBODY, flags: int = 0, extended: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        """Write an event with an EVENT_HEADER. `extended` are (ExtType, data) items."""
        items = _extended_items(extended)
        size = _MANIFEST.size + len(items) + len(payload)
        flags |= EXTENDED_INFO if extended else 0
        header = _MANIFEST.pack(
            size, self._kind(18, 19), 0xC0, flags, 0, tid, pid, ticks, provider.bytes_le, event, version, channel,
            level, opcode, task, keyword, 0, activity.bytes_le,
        )
        self._append(cpu, ticks, header + items + payload)

    def classic_event(
        self, ticks: int, provider: UUID, opcode: int, payload: bytes = b"", *, cpu: int = 0, version: int = 0,
        level: int = 0, pid: int = 0, tid: int = 0,
    ) -> None:
        """Write an event of a MOF class with an EVENT_TRACE_HEADER."""
        size = _CLASSIC.size + len(payload)
        header = _CLASSIC.pack(
            size, self._kind(10, 20), 0xC0, opcode, level, version, tid, pid, ticks, provider.bytes_le, 0, 0
        )
        self._append(cpu, ticks, header + payload)

    def instance_event(
        self, ticks: int, provider: UUID, opcode: int, payload: bytes = b"", *, cpu: int = 0, version: int = 0,
        pid: int = 0, tid: int = 0, instance: int = 0, parent: int = 0, parent_provider: UUID = _NOBODY,
    ) -> None:
        """Write an event with an EVENT_INSTANCE_GUID_HEADER."""
        size = _CLASSIC.size + 24 + len(payload)
        header = _CLASSIC.pack(
            size, self._kind(11, 21), 0xC0, opcode, 0, version, tid, pid, ticks, provider.bytes_le, 0, 0
        )
        self._append(cpu, ticks, header + struct.pack("<II16s", instance, parent, parent_provider.bytes_le) + payload)

    def system_event(
        self, ticks: int, hook: int, payload: bytes = b"", *, cpu: int = 0, version: int = 0, pid: int = 0, tid: int = 0
    ) -> None:
        """Write a kernel event with a SYSTEM_TRACE_HEADER."""
        self._append(cpu, ticks, self._system(ticks, hook, payload, version, pid, tid))

    def compact_event(
        self, ticks: int, hook: int, payload: bytes = b"", *, cpu: int = 0, version: int = 0, pid: int = 0, tid: int = 0
    ) -> None:
        """Write a kernel event with the header that lacks CPU times."""
        header = self._kernel(self._kind(3, 4), 24 + len(payload), hook, version)
        self._append(cpu, ticks, header + _TASK.pack(tid, pid, ticks) + payload)

    def perfinfo_event(
        self, ticks: int, hook: int, payload: bytes = b"", *, cpu: int = 0, version: int = 0, pebs: bool = False,
        counters: int = 0,
    ) -> None:
        """Write a kernel event with a PERFINFO_TRACE_HEADER, which names no thread; `counters` is 0 to 7."""
        extra = bytes(8 * (counters + pebs))
        version |= (0x8000 if pebs else 0) | counters << 8
        header = self._kernel(self._kind(16, 17), 16 + len(extra) + len(payload), hook, version)
        self._append(cpu, ticks, header + struct.pack("<q", ticks) + extra + payload)

    def message_event(
        self, ticks: int | None, number: int, payload: bytes = b"", *, cpu: int = 0, provider: UUID | None = None,
        component: int | None = None, sequence: int | None = None, task: tuple[int, int] | None = None,
    ) -> None:
        """Write a WPP message; everything but its number is optional. `task` is (pid, tid)."""
        options = 0x80 if self._wide else 0x40
        body = b""
        if sequence is not None:
            options, body = options | 0x01, body + struct.pack("<I", sequence)
        if provider is not None:
            options, body = options | 0x02, body + provider.bytes_le
        elif component is not None:
            options, body = options | 0x04, body + struct.pack("<I", component)
        if ticks is not None:
            options, body = options | 0x08, body + struct.pack("<q", ticks)
        if task is not None:
            options, body = options | 0x20, body + struct.pack("<II", task[1], task[0])
        size = 8 + len(body) + len(payload)
        last = self._cpus[cpu].ticks
        header = struct.pack("<HBBHH", size, 0, 0x90, number, options)
        self._append(cpu, last if ticks is None else ticks, header + body + payload)

    def flush(self, cpu: int) -> None:
        """Write out a CPU's buffer, full or not."""
        events = bytes(self._cpus[cpu].events)
        if events:
            self._cpus[cpu].events.clear()
            self._written += 1
            self._file.write(self._buffer(events, cpu, self._written, buffer_type=0))

    def close(self) -> None:
        """Write what is buffered and the header buffer. May be called twice."""
        if self._file.closed:
            return
        for cpu in range(len(self._cpus)):
            self.flush(cpu)
        self._file.seek(0)
        self._file.write(self._buffer(self._header_event(), 0, 0, buffer_type=4))
        self._file.close()

    def unix_ns(self, ticks: int) -> int:
        """Return the unix time of a timestamp, rounded down to ns as the walker does."""
        if self._clock == 2:
            return clocks.unix_ns(ticks)
        start = self._start_ns // 100 * 100
        return start + (ticks - self._start_ticks) * 1_000_000_000 // self._frequency

    def _kind(self, narrow: int, wide: int) -> int:
        return wide if self._wide else narrow

    @staticmethod
    def _kernel(kind: int, size: int, hook: int, version: int) -> bytes:
        return _KERNEL.pack(version, kind, 0xC0, size, hook & 0xFF, hook >> 8)

    def _system(self, ticks: int, hook: int, payload: bytes, version: int, pid: int, tid: int) -> bytes:
        header = self._kernel(self._kind(1, 2), 32 + len(payload), hook, version)
        return header + _TASK.pack(tid, pid, ticks) + bytes(8) + payload

    def _append(self, cpu: int, ticks: int, event: bytes) -> None:
        state = self._cpus[cpu]
        padded = event + bytes(-len(event) % 8)
        if len(padded) > self._size - _BUFFER_HEADER_SIZE:
            raise ValueError(f"an event of {len(event)} bytes does not fit a buffer of {self._size}")
        if ticks < state.ticks:
            raise ValueError(f"CPU {cpu}: tick {ticks} comes before {state.ticks}")
        if len(state.events) + len(padded) > self._size - _BUFFER_HEADER_SIZE:
            self.flush(cpu)
        state.ticks = ticks
        state.events += padded
        self._last_ticks = max(self._last_ticks, ticks)

    def _buffer(self, events: bytes, cpu: int, sequence: int, *, buffer_type: int) -> bytes:
        """Return a whole buffer; behind the events it is filled with 0xFF, as Windows does."""
        used = _BUFFER_HEADER_SIZE + len(events)
        header = _BUFFER_HEADER.pack(
            self._size, used, used, 0, self._last_ticks if sequence else 0, sequence,
            self._clock | self._frequency << 3, cpu, 1, 3, used, 0x20, buffer_type,
            clocks.filetime(self._start_ns), self._start_ticks,
        )
        return (header + events).ljust(self._size, b"\xff")

    def _header_event(self) -> bytes:
        """Return the TRACE_LOGFILE_HEADER event, first in every recording."""
        end = clocks.filetime(self.unix_ns(self._last_ticks))
        major, minor, build = self._os
        mhz = self._frequency // 1_000_000 if self._clock == 3 else 3000
        fixed = struct.pack(
            "<IBBBBIIqIIIIIIII", self._size, major, minor, 1, 5, build, len(self._cpus), end, 156250, 0, 1,
            self._written + 1, 1, 8 if self._wide else 4, self._lost, mhz,
        )
        pointers = bytes(16 if self._wide else 8)
        zone = bytes(172) + bytes(4)                     # UTC, then up to a multiple of 8
        boot = clocks.filetime(self._start_ns) - self._start_ticks * _TICKS_PER_SECOND // self._frequency
        clock = struct.pack("<qqqII", boot, self._frequency, clocks.filetime(self._start_ns), self._clock, 0)
        texts = f"{self._name}\0{self._name}.etl\0".encode("utf-16-le")
        return self._system(self._start_ticks, 0, fixed + pointers + zone + clock + texts, 2, 4, 4)


def _extended_items(items: Sequence[tuple[int, bytes]]) -> bytes:
    """Return EVENT_HEADER_EXTENDED_DATA_ITEMs as they lie on disk: 8 bytes of header, data, padding to 8."""
    out = b""
    for i, (kind, data) in enumerate(items):
        total = (8 + len(data) + 7) & ~7
        out += struct.pack("<HHHH", total, kind, int(i + 1 < len(items)), len(data)) + data.ljust(total - 8, b"\0")
    return out
