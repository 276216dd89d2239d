"""Attach names are taken apart, and wrong ones refused with the nearest right one."""

from __future__ import annotations

import pytest

from tracerd.errors import ConfigError, NotSupported
from tracerd.sources.names import LATER, AttachKind, parse_attach


@pytest.mark.parametrize(
    ("text", "kind", "category", "event"),
    [
        ("tracepoint:sched:sched_process_exec", AttachKind.TRACEPOINT, "sched", "sched_process_exec"),
        ("tracepoint:amd-pstate:x.y", AttachKind.TRACEPOINT, "amd-pstate", "x.y"),
        ("syscall:openat:enter", AttachKind.SYSCALL, "syscalls", "sys_enter_openat"),
        ("syscall:read:exit", AttachKind.SYSCALL, "syscalls", "sys_exit_read"),
        ("syscall:*:enter", AttachKind.SYSCALL, "raw_syscalls", "sys_enter"),
        ("syscall:*:exit", AttachKind.SYSCALL, "raw_syscalls", "sys_exit"),
        ("syscall:stat:enter", AttachKind.SYSCALL, "syscalls", "sys_enter_newstat"),
    ],
)
def test_live_names_mean_a_tracepoint(text: str, kind: AttachKind, category: str, event: str) -> None:
    """Tracepoints by their own name, system calls by the tracepoint that serves them."""
    name = parse_attach(text)
    assert (name.kind, name.category, name.event) == (kind, category, event)
    assert name.kind.live_linux


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("etl:C:\\traces\\boot.etl:Provider:5", AttachKind.ETL, "C:\\traces\\boot.etl:Provider:5"),
        ("etw:Kernel-Process:ProcessStart", AttachKind.ETW, "Kernel-Process:ProcessStart"),
        ("etw-kernel:process", AttachKind.ETW_KERNEL, "process"),
    ],
)
def test_etw_names_keep_their_rest(text: str, kind: AttachKind, rest: str) -> None:
    """What follows the kind belongs to the recording's own reader, colons and all."""
    name = parse_attach(text)
    assert (name.kind, name.rest) == (kind, rest)
    assert not name.kind.live_linux


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tracepiont:sched:sched_switch", "did you mean 'tracepoint:'?"),
        ("sycall:read:enter", "did you mean 'syscall:'?"),
        ("", "unknown kind of event ''"),
        ("zzz", "valid: tracepoint:, syscall:, etw:"),
        ("tracepoint", "tracepoint:CATEGORY:NAME"),
        ("tracepoint:", "is not complete"),
        ("tracepoint:sched", "tracepoint:CATEGORY:NAME"),
        ("tracepoint:sched:", "tracepoint:CATEGORY:NAME"),
        ("tracepoint:../..:passwd", "is not a tracepoint's name"),
        ("tracepoint:..:x", "is not a tracepoint's name"),
        ("tracepoint:a:b:c", "is not a tracepoint's name"),
        ("syscall:read", "must end in :enter or :exit"),
        ("syscall:read:entry", "did you mean 'enter'?"),
        ("syscall::enter", "is not a system call's name"),
        ("syscall:re*:enter", "is not a system call's name"),
    ],
)
def test_nonsense_is_refused_with_the_way_out(text: str, says: str) -> None:
    """The sentence names the shape, or the nearest valid word."""
    with pytest.raises(ConfigError) as refused:
        parse_attach(text)
    assert says in str(refused.value)


@pytest.mark.parametrize("kind", LATER)
def test_kinds_of_later_versions_are_refused_by_name(kind: str) -> None:
    """A name that is right but too early is not called a mistake."""
    with pytest.raises(NotSupported, match=f"{kind}: events"):
        parse_attach(f"{kind}:something")
