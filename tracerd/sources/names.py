"""Attach names: what `source = "…"` in a probe means (DESIGN §7). Pure: whether an event exists is its source's answer.

    tracepoint:CATEGORY:NAME
    syscall:NAME:enter|exit          NAME `*`: every system call, one record layout for all
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

    @property
    def live_linux(self) -> bool:
        """True for events of this machine's kernel, served by `perf.PerfSource`."""
        return self in (AttachKind.TRACEPOINT, AttachKind.SYSCALL)


LATER = ("process", "net", "interval", "packet", "kprobe", "kretprobe", "uprobe", "uretprobe", "usdt")
"""Kinds that tracerd knows by name but this version does not serve."""

SHAPES = {
    AttachKind.TRACEPOINT: "tracepoint:CATEGORY:NAME",
    AttachKind.SYSCALL: "syscall:NAME:enter or syscall:NAME:exit (NAME * means all)",
    AttachKind.ETW: "etw:PROVIDER[:EVENT]",
    AttachKind.ETW_KERNEL: "etw-kernel:GROUP[:EVENT]",
    AttachKind.ETL: "etl:FILE[:PROVIDER[:EVENT]]",
}

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
    if not colon or not rest:
        raise ConfigError(text, f"is not complete: {SHAPES[kind]}")
    if kind is AttachKind.TRACEPOINT:
        return AttachName(text, kind, rest, *_tracepoint(text, rest))
    if kind is AttachKind.SYSCALL:
        return AttachName(text, kind, rest, *_syscall(text, rest))
    return AttachName(text, kind, rest)


def _kind(text: str, head: str) -> AttachKind:
    valid = [kind.value for kind in AttachKind]
    if head in valid:
        return AttachKind(head)
    near = difflib.get_close_matches(head, [*valid, *LATER], 1)
    hint = f"did you mean {near[0] + ':'!r}?" if near else f"valid: {', '.join(f'{kind}:' for kind in valid)}"
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
        near = difflib.get_close_matches(side, ["enter", "exit"], 1)
        hint = f"; did you mean {near[0]!r}?" if near and name else ""
        raise ConfigError(text, f"must end in :enter or :exit{hint}")
    if name == "*":
        return "raw_syscalls", f"sys_{side}"
    if not re.fullmatch(r"\w+", name):
        raise ConfigError(text, f"is not a system call's name: {SHAPES[AttachKind.SYSCALL]}")
    return "syscalls", f"sys_{side}_{_TRACED_AS.get(name, name)}"
