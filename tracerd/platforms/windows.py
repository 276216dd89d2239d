"""Platform "windows": the conventions of eBPF for Windows, so that its objects run as they are. Tables, not logic.

Sources: microsoft/ebpf-for-windows include/ebpf_structs.h (map types, helper ids), bpf_helper_defs.h (prototypes),
ebpf_nethooks.h (xdp_md_t, bind_md_t); microsoft/ntosebpfext include/ebpf_ntos_hooks.h (process_md_t) and
ebpf_netevent_hooks.h (netevent_event_md_t). Offsets are those of the native structs in border/hooks.h.
"""

from __future__ import annotations

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
_DATA, _DATA_END = FieldKind.DATA, FieldKind.DATA_END
_TARGET = (_A.TARGET, _A.SIZE_OR_ZERO, _A.READABLE, _A.SIZE_OR_ZERO)
_FORMAT = (_A.READABLE, _A.SIZE)

HELPERS = (
    Helper(1, "map_lookup_elem", _R.MAP_VALUE_OR_NULL, (_A.MAP, _A.MAP_KEY)),
    Helper(2, "map_update_elem", _R.ERROR, (_A.MAP, _A.MAP_KEY, _A.MAP_VALUE, _A.ANYTHING)),
    Helper(3, "map_delete_elem", _R.ERROR, (_A.MAP, _A.MAP_KEY)),
    Helper(4, "map_lookup_and_delete_elem", _R.MAP_VALUE_OR_NULL, (_A.MAP, _A.MAP_KEY)),
    Helper(5, "tail_call", _R.ERROR, (_A.CONTEXT, _A.MAP, _A.ANYTHING)),
    Helper(6, "get_prandom_u32", _R.NUMBER, ()),
    Helper(7, "ktime_get_boot_ns", _R.NUMBER, ()),
    Helper(8, "get_smp_processor_id", _R.NUMBER, ()),
    Helper(9, "ktime_get_ns", _R.NUMBER, ()),
    Helper(
        10,
        "csum_diff",
        _R.NUMBER,
        (_A.READABLE_OR_NULL, _A.SIZE_OR_ZERO, _A.READABLE_OR_NULL, _A.SIZE_OR_ZERO, _A.ANYTHING),
    ),
    Helper(11, "ringbuf_output", _R.ERROR, (_A.RINGBUF, _A.READABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(12, "trace_printk2", _R.NUMBER, _FORMAT),
    Helper(13, "trace_printk3", _R.NUMBER, (*_FORMAT, _A.ANYTHING)),
    Helper(14, "trace_printk4", _R.NUMBER, (*_FORMAT, _A.ANYTHING, _A.ANYTHING)),
    Helper(15, "trace_printk5", _R.NUMBER, (*_FORMAT, _A.ANYTHING, _A.ANYTHING, _A.ANYTHING)),
    Helper(16, "map_push_elem", _R.ERROR, (_A.MAP, _A.MAP_VALUE, _A.ANYTHING)),
    Helper(17, "map_pop_elem", _R.ERROR, (_A.MAP, _A.MAP_VALUE)),
    Helper(18, "map_peek_elem", _R.ERROR, (_A.MAP, _A.MAP_VALUE)),
    Helper(19, "get_current_pid_tgid", _R.NUMBER, ()),
    Helper(20, "get_current_logon_id", _R.NUMBER, (_A.CONTEXT,)),
    Helper(21, "is_current_admin", _R.ERROR, (_A.CONTEXT,)),
    Helper(22, "memcpy_s", _R.ERROR, _TARGET),
    Helper(23, "memcmp_s", _R.NUMBER, (_A.READABLE, _A.SIZE_OR_ZERO, _A.READABLE, _A.SIZE_OR_ZERO)),
    Helper(24, "memset", _R.ERROR, (_A.WRITABLE, _A.SIZE_OR_ZERO, _A.ANYTHING)),
    Helper(25, "memmove_s", _R.ERROR, _TARGET),
    Helper(26, "get_socket_cookie", _R.NUMBER, (_A.CONTEXT,)),
    Helper(27, "strncpy_s", _R.ERROR, (_A.WRITABLE, _A.SIZE_OR_ZERO, _A.READABLE, _A.SIZE_OR_ZERO)),
    Helper(28, "strncat_s", _R.ERROR, (_A.CHANGED, _A.SIZE_OR_ZERO, _A.READABLE, _A.SIZE_OR_ZERO)),
    Helper(29, "strnlen_s", _R.NUMBER, (_A.READABLE, _A.SIZE_OR_ZERO)),
    Helper(30, "ktime_get_boot_ms", _R.NUMBER, ()),
    Helper(31, "ktime_get_ms", _R.NUMBER, ()),
    Helper(32, "perf_event_output", _R.ERROR, (_A.CONTEXT, _A.MAP, _A.ANYTHING, _A.READABLE, _A.SIZE_OR_ZERO)),
    Helper(33, "get_current_process_start_key", _R.NUMBER, ()),
    Helper(34, "get_current_thread_create_time", _R.NUMBER, ()),
    Helper(35, "redirect_map", _R.NUMBER, (_A.MAP, _A.ANYTHING, _A.ANYTHING)),
)

UNSERVED_HELPERS = frozenset({4, 5, 16, 17, 18, 26, 32, 33, 34, 35})
"""Known by name only: they need maps or sockets that are not here, or ask what no event says of who caused it."""

SERVED = frozenset(helper.id for helper in HELPERS) - UNSERVED_HELPERS

MAPS = {
    1: MapKind.HASH,
    2: MapKind.ARRAY,
    4: MapKind.PERCPU_HASH,
    5: MapKind.PERCPU_ARRAY,
    13: MapKind.RINGBUF,
}

UNSERVED_MAPS = {
    3: "prog_array",
    6: "hash_of_maps",
    7: "array_of_maps",
    8: "lru_hash",
    9: "lpm_trie",
    10: "queue",
    11: "lru_percpu_hash",
    12: "stack",
    14: "perf_event_array",
}

OWN = 0x10000
"""The first id of a program type's own helpers; the ids of different types mean different helpers."""

PROCESS_CONTEXT = Context(
    144,
    (
        ContextField("command_start", 0, 8, _DATA),
        ContextField("command_end", 8, 8, _DATA_END),
        ContextField("process_id", 16, 8),
        ContextField("parent_process_id", 24, 8),
        ContextField("creating_process_id", 32, 8),
        ContextField("creating_thread_id", 40, 8),
        ContextField("creation_time", 48, 8),
        ContextField("exit_time", 56, 8),
        ContextField("process_exit_code", 64, 4),
        ContextField("operation", 68, 4),            # a field of 8 bits: compilers load one byte or all four
        ContextField("token_sid_size", 72, 4),
        ContextField("token_sid", 76, 68),
    ),
)

BIND_CONTEXT = Context(
    56,
    (
        ContextField("app_id_start", 0, 8, _DATA),
        ContextField("app_id_end", 8, 8, _DATA_END),
        ContextField("process_id", 16, 8),
        ContextField("socket_address", 24, 16),
        ContextField("socket_address_length", 40, 1),
        ContextField("operation", 44, 4),
        ContextField("protocol", 48, 1),
    ),
)

# data_meta == data: no bytes of metadata. Its type is a number or a pointer, as the header's author chose.
XDP_CONTEXT = Context(
    32,
    (
        ContextField("data", 0, 8, _DATA),
        ContextField("data_end", 8, 8, _DATA_END),
        ContextField("data_meta", 16, 8, _DATA),
        ContextField("ingress_ifindex", 24, 4),
    ),
)

NETEVENT_CONTEXT = Context(
    24,
    (
        ContextField("data_meta", 0, 8, _DATA),
        ContextField("data", 8, 8, _DATA),
        ContextField("data_end", 16, 8, _DATA_END),
    ),
)

_TEXT_OUT = (_A.CONTEXT, _A.WRITABLE, _A.SIZE)

PROCESS = ProgramType(
    "process",
    ("process",),
    PROCESS_CONTEXT,
    SERVED,
    verdicts={0: "permit", 0xC0000022: "deny: STATUS_ACCESS_DENIED"},
    own_helpers=(
        Helper(OWN, "process_get_image_path", _R.NUMBER, _TEXT_OUT),
        Helper(OWN + 1, "process_get_account_name", _R.NUMBER, _TEXT_OUT),
        Helper(OWN + 2, "process_get_account_domain", _R.NUMBER, _TEXT_OUT),
    ),
)
BIND = ProgramType("bind", ("bind",), BIND_CONTEXT, SERVED, verdicts={0: "permit", 1: "deny", 2: "redirect"})
XDP = ProgramType("xdp", ("xdp",), XDP_CONTEXT, SERVED, verdicts={1: "pass", 2: "drop", 3: "tx"})
NETEVENT = ProgramType("netevent_monitor", ("netevent_monitor",), NETEVENT_CONTEXT, SERVED, verdicts={0: "success"})

WINDOWS = Platform(
    "windows",
    HELPERS,
    MAPS,
    (PROCESS, BIND, XDP, NETEVENT),
    UNSERVED_MAPS,
    ("cgroup", "sockops", "sample_ext"),
)

CONTEXT_STRUCTS = frozenset(
    {
        "_process_md", "process_md_t", "_bind_md", "bind_md_t", "xdp_md_", "xdp_md_t", "_netevent_event_md",
        "netevent_event_md_t", "_sample_program_context", "bpf_sock_addr_t", "bpf_sock_ops_t", "_bpf_sock_ops",
    }
)  # fmt: skip
"""Names that only the headers of eBPF for Windows give to contexts."""

OWN_SECTIONS = frozenset({"bind", "netevent_monitor", "sample_ext"})
"""Sections of program types that no other platform has."""
