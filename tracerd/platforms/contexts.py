"""Contexts of tracerd's own program types: what this process makes events of, on every platform. Tables, not logic.

Offsets are those of the native structs (tracerd/native/border/{contexts,ticks,etl}.h).
"""

from __future__ import annotations

from tracerd.platforms.model import Context, ContextField, FieldKind

_DATA, _DATA_END = FieldKind.DATA, FieldKind.DATA_END
_SIGNED, _TEXT = FieldKind.SIGNED, FieldKind.TEXT

ETW_CONTEXT = Context(
    96,
    (
        ContextField("data", 0, 8, _DATA),
        ContextField("data_end", 8, 8, _DATA_END),
        ContextField("time_ns", 16, 8),
        ContextField("provider", 24, 16),
        ContextField("activity", 40, 16),
        ContextField("keyword", 56, 8),
        ContextField("pid", 64, 4),
        ContextField("tid", 68, 4),
        ContextField("cpu", 72, 4),
        ContextField("pointer_size", 76, 4),
        ContextField("hook", 80, 4),
        ContextField("id", 84, 2),
        ContextField("task", 86, 2),
        ContextField("version", 88, 1),
        ContextField("channel", 89, 1),
        ContextField("level", 90, 1),
        ContextField("opcode", 91, 1),
        ContextField("flags", 92, 2),
        ContextField("kind", 94, 1),
    ),
)

PROCESS_CONTEXT = Context(
    280,
    (
        ContextField("data", 0, 8, _DATA),
        ContextField("data_end", 8, 8, _DATA_END),
        ContextField("time_ns", 16, 8),
        ContextField("start_ns", 24, 8),
        ContextField("lifetime_ns", 32, 8),
        ContextField("interval_ns", 40, 8),
        ContextField("user_ns", 48, 8),
        ContextField("system_ns", 56, 8),
        ContextField("cpu_ns", 64, 8),
        ContextField("memory_bytes", 72, 8),
        ContextField("virtual_bytes", 80, 8),
        ContextField("read_bytes", 88, 8),
        ContextField("write_bytes", 96, 8),
        ContextField("interval_read_bytes", 104, 8),
        ContextField("interval_write_bytes", 112, 8),
        ContextField("kind", 120, 4),
        ContextField("known", 124, 4),
        ContextField("pid", 128, 4),
        ContextField("parent", 132, 4),
        ContextField("uid", 136, 4),
        ContextField("exit_code", 140, 4, _SIGNED),
        ContextField("threads", 144, 4),
        ContextField("handles", 148, 4),
        ContextField("name", 152, 64, _TEXT),
        ContextField("user", 216, 64, _TEXT),
    ),
)

NET_CONTEXT = Context(
    160,
    (
        ContextField("time_ns", 0, 8),
        ContextField("opened_ns", 8, 8),
        ContextField("lifetime_ns", 16, 8),
        ContextField("kind", 24, 4),
        ContextField("known", 28, 4),
        ContextField("pid", 32, 4),
        ContextField("uid", 36, 4),
        ContextField("family", 40, 4),
        ContextField("protocol", 44, 4),
        ContextField("state", 48, 4),
        ContextField("local_port", 52, 4),
        ContextField("remote_port", 56, 4),
        ContextField("local", 64, 16),
        ContextField("remote", 80, 16),
        ContextField("name", 96, 64, _TEXT),
    ),
)

SAMPLE_CONTEXT = Context(
    216,
    (
        ContextField("time_ns", 0, 8),
        ContextField("interval_ns", 8, 8),
        ContextField("kind", 16, 4),
        ContextField("index", 20, 4),
        *(ContextField(f"value{i}", 24 + 8 * i, 8) for i in range(16)),
        ContextField("name", 152, 64, _TEXT),
    ),
)

INTERVAL_CONTEXT = Context(
    40,
    (
        ContextField("time_ns", 0, 8),
        ContextField("interval_ns", 8, 8),
        ContextField("count", 16, 8),
        ContextField("missed", 24, 8),
        ContextField("kind", 32, 4),
    ),
)
