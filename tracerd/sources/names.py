"""Attach names: what `source = "…"` in a probe means (DESIGN §7). Pure: whether an event exists is its source's answer.

    tracepoint:CATEGORY:NAME
    syscall:NAME:enter|exit          NAME `*`: every system call, one record layout for all
    process:start|exit|sample        processes of this machine, on any OS
    net:open|close                   its connections
    system:sample                    its cores, memory, disks and interfaces
    interval:5s, begin, end          by time
    packet:FILE.pcap                 packets of a capture (pcap, pcapng)
    etw:… etw-kernel:… etl:…         what follows is read by `etl_names`
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import Enum, unique

from tracerd.errors import ConfigError, NotSupported


@unique
class AttachKind(Enum):
    """The part of an attach name before the first colon."""

    TRACEPOINT = "tracepoint"
    SYSCALL = "syscall"
    ETW = "etw"
    ETW_KERNEL = "etw-kernel"
    ETL = "etl"
    PROCESS = "process"
    NET = "net"
    SYSTEM = "system"
    INTERVAL = "interval"
    PACKET = "packet"
    BEGIN = "begin"
    END = "end"

    @property
    def live_linux(self) -> bool:
        """True for events of this machine's kernel, served by `perf.PerfSource`."""
        return self in (AttachKind.TRACEPOINT, AttachKind.SYSCALL)

    @property
    def etw(self) -> bool:
        """True for Windows events, which `etl_names` tells apart."""
        return self in (AttachKind.ETW, AttachKind.ETW_KERNEL, AttachKind.ETL)

    @property
    def system(self) -> bool:
        """True for what any machine has: `system.SystemSource`."""
        return self in (AttachKind.PROCESS, AttachKind.NET, AttachKind.SYSTEM)

    @property
    def program_type(self) -> str:
        """The type of the programs that its events run: what is proved of their context holds for no other kind."""
        if self.live_linux:
            return "tracepoint"
        if self.etw:
            return "etw"
        if self.timed:
            return "interval"
        if self is AttachKind.PACKET:
            return "xdp"
        return "sample" if self is AttachKind.SYSTEM else self.value

    @property
    def timed(self) -> bool:
        """True for programs that run by time: `ticks`."""
        return self in (AttachKind.INTERVAL, AttachKind.BEGIN, AttachKind.END)


EVENTS: dict[AttachKind, tuple[str, ...]] = {
    AttachKind.PROCESS: ("start", "exit", "sample"),
    AttachKind.NET: ("open", "close"),
    AttachKind.SYSTEM: ("sample",),
}
"""The events of the kinds that every machine has."""

LATER = ("kprobe", "kretprobe", "uprobe", "uretprobe", "usdt")
"""Kinds that tracerd knows by name but this version does not serve."""

SHAPES = {
    AttachKind.TRACEPOINT: "tracepoint:CATEGORY:NAME",
    AttachKind.SYSCALL: "syscall:NAME:enter or syscall:NAME:exit (NAME * means all)",
    AttachKind.ETW: "etw:PROVIDER[:EVENT]",
    AttachKind.ETW_KERNEL: "etw-kernel:GROUP[:EVENT]",
    AttachKind.ETL: "etl:FILE[:PROVIDER[:EVENT]]",
    AttachKind.PROCESS: "process:start, process:exit or process:sample",
    AttachKind.NET: "net:open or net:close",
    AttachKind.SYSTEM: "system:sample",
    AttachKind.INTERVAL: "interval:TIME, such as interval:500ms, interval:5s or interval:1m",
    AttachKind.PACKET: "packet:FILE.pcap or packet:FILE.pcapng",
    AttachKind.BEGIN: "begin",
    AttachKind.END: "end",
}

_UNITS_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}

SHORTEST_INTERVAL_NS = 10**6
LONGEST_INTERVAL_NS = 366 * 24 * 3600 * 10**9

# System calls whose tracepoint has another name: SYSCALL_DEFINEn in the kernel's source, not the table, names it.
_TRACED_AS = {
    "stat": "newstat",
    "fstat": "newfstat",
    "lstat": "newlstat",
    "uname": "newuname",
    "sendfile": "sendfile64",
    "umount2": "umount",
}

_WORD = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class AttachName:
    """One attach name, taken apart. `category` and `event` name the tracepoint of a live Linux event."""

    text: str
    kind: AttachKind
    rest: str                    # after the kind and its colon
    category: str = ""
    event: str = ""
    interval_ns: int = 0         # of an interval


def begins_as_name(text: str) -> bool:
    """True if a text begins as an attach name does, whatever follows."""
    return text.partition(":")[0] in (kind.value for kind in AttachKind)


def parse_attach(text: str) -> AttachName:
    """Take an attach name apart.

    Raises:
        ConfigError: the kind is unknown or the name does not have the kind's shape.
        NotSupported: a kind of a later version.
    """
    head, colon, rest = text.partition(":")
    if head in LATER:
        raise NotSupported(f"attach to {text!r}", f"this version has no source for {head}: events")
    kind = _kind(text, head)
    if kind in (AttachKind.BEGIN, AttachKind.END):
        if colon:
            raise ConfigError(text, f"must be {kind.value!r} alone")
        return AttachName(text, kind, "")
    if not colon or not rest:
        raise ConfigError(text, f"is not complete: {SHAPES[kind]}")
    if kind is AttachKind.TRACEPOINT:
        return AttachName(text, kind, rest, *_tracepoint(text, rest))
    if kind is AttachKind.SYSCALL:
        return AttachName(text, kind, rest, *_syscall(text, rest))
    if kind is AttachKind.INTERVAL:
        return AttachName(text, kind, rest, interval_ns=_interval(text, rest))
    if kind in EVENTS and rest not in EVENTS[kind]:
        near = difflib.get_close_matches(rest, EVENTS[kind], 1)
        hint = f"did you mean '{kind.value}:{near[0]}'?" if near else f"valid: {SHAPES[kind]}"
        raise ConfigError(text, f"{kind.value} has no event {rest!r}; {hint}")
    return AttachName(text, kind, rest)


def _interval(text: str, rest: str) -> int:
    """Return an interval in ns."""
    found = re.fullmatch(r"(\d{1,9})(ms|s|m|h)", rest)
    ns = int(found[1]) * _UNITS_NS[found[2]] if found else 0
    if not SHORTEST_INTERVAL_NS <= ns <= LONGEST_INTERVAL_NS:
        raise ConfigError(text, f"is not an interval from 1ms to a year: {SHAPES[AttachKind.INTERVAL]}")
    return ns


def _kind(text: str, head: str) -> AttachKind:
    valid = [kind.value for kind in AttachKind]
    if head in valid:
        return AttachKind(head)
    near = difflib.get_close_matches(head, [*valid, *LATER], 1)
    shapes = (kind if kind in (AttachKind.BEGIN.value, AttachKind.END.value) else f"{kind}:" for kind in valid)
    hint = f"did you mean {near[0] + text[len(head) :]!r}?" if near else f"valid: {', '.join(shapes)}"
    raise ConfigError(text, f"unknown kind of event {head!r}; {hint}")


def _tracepoint(text: str, rest: str) -> tuple[str, str]:
    category, _, event = rest.partition(":")
    if not _WORD.fullmatch(category) or not _WORD.fullmatch(event) or {category, event} & {".", ".."}:
        raise ConfigError(text, f"is not a tracepoint's name: {SHAPES[AttachKind.TRACEPOINT]}")
    return category, event


def _syscall(text: str, rest: str) -> tuple[str, str]:
    """Return the tracepoint of a system call's entry or exit."""
    name, _, side = rest.rpartition(":")
    if side not in ("enter", "exit"):
        near = difflib.get_close_matches(side, ["enter", "exit"], 1) if name else ["enter"]
        meant = f"syscall:{name or side}:{near[0]}" if near else ""
        raise ConfigError(text, "must end in :enter or :exit" + (f"; did you mean {meant!r}?" if meant else ""))
    if name == "*":
        return "raw_syscalls", f"sys_{side}"
    if not re.fullmatch(r"\w+", name):
        raise ConfigError(text, f"is not a system call's name: {SHAPES[AttachKind.SYSCALL]}")
    return "syscalls", f"sys_{side}_{_TRACED_AS.get(name, name)}"


def overlap(one: str, other: str) -> bool:
    """True if two attach names that are not the same mean an event in common: a program on both runs twice for it."""
    if one == other:
        return False
    first, second = parse_attach(one), parse_attach(other)
    if first.kind.live_linux and second.kind.live_linux:
        return _traces(first, second) or _traces(second, first)
    if first.kind is not second.kind:
        return False
    if first.kind is AttachKind.INTERVAL:
        return first.interval_ns == second.interval_ns
    parts, others = first.rest.lower().split(":"), second.rest.lower().split(":")
    shorter = min(len(parts), len(others))
    return first.kind in (AttachKind.ETW, AttachKind.ETW_KERNEL) and parts[:shorter] == others[:shorter]


def _traces(wide: AttachName, narrow: AttachName) -> bool:
    """True if a tracepoint has all events of another: it is the same, or that of all system calls."""
    same = (wide.category, wide.event) == (narrow.category, narrow.event)
    every = wide.category == "raw_syscalls" and narrow.category == "syscalls"
    return same or (every and narrow.event.startswith(f"{wide.event}_"))
