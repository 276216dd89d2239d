"""Attach names are taken apart, and wrong ones refused with the nearest right one."""

from __future__ import annotations

import pytest

from tracerd.errors import ConfigError, NotSupported
from tracerd.sources.names import EVENTS, LATER, AttachKind, overlap, parse_attach


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


@pytest.mark.parametrize("text", [f"{kind.value}:{event}" for kind, events in EVENTS.items() for event in events])
def test_every_machine_s_events_are_known(text: str) -> None:
    """process:, net: and system: events are served on any OS."""
    name = parse_attach(text)
    assert name.kind.system
    assert name.text == text


@pytest.mark.parametrize(
    ("text", "ns"), [("interval:1ms", 10**6), ("interval:5s", 5 * 10**9), ("interval:2m", 12 * 10**10)]
)
def test_intervals_are_taken_apart(text: str, ns: int) -> None:
    """A number and its unit."""
    name = parse_attach(text)
    assert (name.kind, name.interval_ns) == (AttachKind.INTERVAL, ns)
    assert name.kind.timed


def test_begin_and_end_stand_alone() -> None:
    """They have no part after a colon."""
    assert [parse_attach(text).kind for text in ("begin", "end")] == [AttachKind.BEGIN, AttachKind.END]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("process:begin", "process has no event 'begin'"),
        ("process:strat", "did you mean 'process:start'?"),
        ("net:opened", "did you mean 'net:open'?"),
        ("system", "is not complete"),
        ("begin:now", "must be 'begin' alone"),
        ("interval:", "is not complete"),
        ("interval:5", "is not an interval from 1ms to a year"),
        ("interval:0s", "is not an interval"),
        ("interval:10us", "is not an interval"),
        ("interval:9000h", "is not an interval"),
        ("tracepiont:sched:sched_switch", "did you mean 'tracepoint:sched:sched_switch'?"),
        ("sycall:read:enter", "did you mean 'syscall:read:enter'?"),
        ("", "unknown kind of event ''"),
        ("zzz", "valid: tracepoint:, syscall:, etw:"),
        ("tracepoint", "tracepoint:CATEGORY:NAME"),
        ("tracepoint:", "is not complete"),
        ("tracepoint:sched", "tracepoint:CATEGORY:NAME"),
        ("tracepoint:sched:", "tracepoint:CATEGORY:NAME"),
        ("tracepoint:../..:passwd", "is not a tracepoint's name"),
        ("tracepoint:..:x", "is not a tracepoint's name"),
        ("tracepoint:a:b:c", "is not a tracepoint's name"),
        ("syscall:read", "must end in :enter or :exit; did you mean 'syscall:read:enter'?"),
        ("syscall:read:entry", "did you mean 'syscall:read:enter'?"),
        ("syscall:read:begin", "must end in :enter or :exit"),
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


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("syscall:*:enter", "syscall:openat:enter", True),
        ("syscall:*:enter", "syscall:openat:exit", False),
        ("syscall:read:enter", "syscall:openat:enter", False),
        ("syscall:*:enter", "syscall:*:enter", False),
        ("syscall:*:enter", "tracepoint:syscalls:sys_enter_openat", True),
        ("syscall:fstat:exit", "tracepoint:syscalls:sys_exit_newfstat", True),
        ("syscall:*:enter", "tracepoint:raw_syscalls:sys_exit", False),
        ("etw:Provider", "etw:Provider:5", True),
        ("etw:Provider:5", "etw:Provider:6", False),
        ("etw:Provider", "etw:Other:5", False),
        ("process:start", "process:exit", False),
        ("interval:1s", "interval:5s", False),
        ("interval:60s", "interval:1m", True),
        ("interval:1s", "begin", False),
    ],
)
def test_names_that_mean_an_event_in_common_overlap(one: str, other: str, both: bool) -> None:
    """Whichever comes first. The same name twice is no second one: it is refused."""
    assert overlap(one, other) is overlap(other, one) is both
