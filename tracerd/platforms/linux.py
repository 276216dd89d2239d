"""Platform "linux": numbers of linux/bpf.h, contexts of the kernel, and tracerd's own program types.

Sources: include/uapi/linux/bpf.h (enum bpf_map_type, ___BPF_FUNC_MAPPER, struct xdp_md);
kernel/trace/bpf_trace.c tp_prog_is_valid_access (a tracepoint program may not read the first 8 bytes).
"""

from __future__ import annotations

from tracerd.platforms.contexts import (
    ETW_CONTEXT,
    INTERVAL_CONTEXT,
    NET_CONTEXT,
    PROCESS_CONTEXT,
    SAMPLE_CONTEXT,
)
from tracerd.platforms.model import (
    Argument,
    Context,
    ContextField,
    FieldKind,
    Helper,
    MapKind,
    Platform,
    ProgramType,
    Return,
)

_A, _R = Argument, Return

HELPERS = (
    Helper(1, "map_lookup_elem", _R.MAP_VALUE_OR_NULL, (_A.MAP, _A.MAP_KEY)),
    Helper(2, "map_update_elem", _R.ERROR, (_A.MAP, _A.MAP_KEY, _A.MAP_VALUE, _A.ANYTHING)),
    Helper(3, "map_delete_elem", _R.ERROR, (_A.MAP, _A.MAP_KEY)),
    Helper(4, "probe_read", _R.ERROR, (_A.WRITABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(5, "ktime_get_ns", _R.NUMBER, ()),
    Helper(6, "trace_printk", _R.NUMBER, (_A.READABLE, _A.SIZE, _A.PRINTED, _A.PRINTED, _A.PRINTED)),
    Helper(7, "get_prandom_u32", _R.NUMBER, ()),
    Helper(8, "get_smp_processor_id", _R.NUMBER, ()),
    Helper(14, "get_current_pid_tgid", _R.NUMBER, ()),
    Helper(15, "get_current_uid_gid", _R.NUMBER, ()),
    Helper(16, "get_current_comm", _R.ERROR, (_A.WRITABLE, _A.SIZE)),
    Helper(112, "probe_read_user", _R.ERROR, (_A.WRITABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(113, "probe_read_kernel", _R.ERROR, (_A.WRITABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(114, "probe_read_user_str", _R.NUMBER, (_A.WRITABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(115, "probe_read_kernel_str", _R.NUMBER, (_A.WRITABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(130, "ringbuf_output", _R.ERROR, (_A.RINGBUF, _A.READABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(
        131, "ringbuf_reserve", _R.RING_RECORD_OR_NULL, (_A.RINGBUF, _A.CONSTANT_SIZE, _A.ANYTHING), acquires=True
    ),
    Helper(132, "ringbuf_submit", _R.NUMBER, (_A.RING_RECORD, _A.ANYTHING), releases=True),
    Helper(133, "ringbuf_discard", _R.NUMBER, (_A.RING_RECORD, _A.ANYTHING), releases=True),
)

ETW_HELPERS = (
    Helper(0x10000, "etw_field_number", _R.ERROR, (_A.CONTEXT, _A.ANYTHING, _A.WRITABLE, _A.SIZE)),
    Helper(0x10001, "etw_field_text", _R.NUMBER, (_A.CONTEXT, _A.ANYTHING, _A.WRITABLE, _A.SIZE, _A.ANYTHING)),
    Helper(0x10002, "etw_field_bytes", _R.NUMBER, (_A.CONTEXT, _A.ANYTHING, _A.WRITABLE, _A.SIZE)),
    Helper(0x10003, "etw_field_address", _R.ERROR, (_A.CONTEXT, _A.ANYTHING, _A.WRITABLE, _A.SIZE)),
)
"""tracerd's own, of programs of type etw: fields of the event's payload (native/src/etw_helpers.c). No kernel has these
numbers; a program type's own helpers start at 0x10000, as in eBPF for Windows."""

_EVERY_HELPER = frozenset(helper.id for helper in HELPERS)
_WITHOUT_TASK = _EVERY_HELPER - {14, 15, 16}

PERF_MAX_TRACE_SIZE = 8192
"""Largest tracepoint record (include/linux/trace_events.h)."""

TRACEPOINT = ProgramType(
    "tracepoint",
    ("tracepoint", "tp"),
    Context(PERF_MAX_TRACE_SIZE, first=8),
    _EVERY_HELPER,
)

XDP = ProgramType(
    "xdp",
    ("xdp",),
    Context(
        24,
        (
            ContextField("data", 0, 4, FieldKind.DATA, native_offset=0),
            ContextField("data_end", 4, 4, FieldKind.DATA_END, native_offset=8),
            ContextField("ingress_ifindex", 12, 4, native_offset=16),
            ContextField("rx_queue_index", 16, 4, native_offset=20),
            ContextField("egress_ifindex", 20, 4, native_offset=24),
        ),
    ),
    _WITHOUT_TASK,
    verdicts={0: "aborted", 1: "drop", 2: "pass", 3: "tx", 4: "redirect"},
)

ETW = ProgramType(
    "etw", ("etw", "etw-kernel"), ETW_CONTEXT, _EVERY_HELPER | frozenset(helper.id for helper in ETW_HELPERS)
)
PROCESS = ProgramType("process", ("process",), PROCESS_CONTEXT, _EVERY_HELPER)
NET = ProgramType("net", ("net",), NET_CONTEXT, _EVERY_HELPER)
SAMPLE = ProgramType("sample", ("sample", "system"), SAMPLE_CONTEXT, _EVERY_HELPER)
INTERVAL = ProgramType("interval", ("interval", "begin", "end"), INTERVAL_CONTEXT, _EVERY_HELPER)

LINUX = Platform(
    "linux",
    HELPERS + ETW_HELPERS,
    {kind.value: kind for kind in MapKind},
    (TRACEPOINT, XDP, ETW, PROCESS, NET, SAMPLE, INTERVAL),
)
