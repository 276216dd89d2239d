"""Names of events that a program of some type can be attached to, to be offered while one is typed."""

from __future__ import annotations

import platform

from tracerd.daemon.feed import Look
from tracerd.views.syscalls import SYSCALLS

BY_TYPE = {
    "process": ("process:start", "process:exit", "process:sample"),
    "net": ("net:open", "net:close"),
    "sample": ("system:sample",),
    "interval": ("interval:1s", "interval:10s", "interval:1m", "begin", "end"),
}


EXAMPLES = {"tracepoint": "syscall:openat:enter, tracepoint:sched:sched_switch", "etw": "etw:PROVIDER:EVENT"}


def example(program_type: str) -> str:
    """Return what a name looks like."""
    return EXAMPLES.get(program_type) or ", ".join(BY_TYPE.get(program_type, ()))


def known_events(look: Look | None, program_type: str) -> list[str]:
    """Return what a type of program runs on, what runs already first. A kernel's tracepoints are not all known here."""
    linked = [link.source for link in look.links] if look is not None else []
    if program_type != "tracepoint":
        return [*dict.fromkeys((*linked, *BY_TYPE.get(program_type, ())))]
    calls = ("*", *sorted(SYSCALLS.get(platform.machine(), {}).values()))
    return [*dict.fromkeys((*linked, *(f"syscall:{call}:{side}" for call in calls for side in ("enter", "exit"))))]
