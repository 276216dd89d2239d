"""Hooks of eBPF for Windows, fed from events: which events a hook's programs run on, and what came of it.

A hook is a native program between an event and its target (border/hooks.h): it is linked like any other, makes the
context that the target expects, and counts the verdict, which has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracerd.errors import ConfigError, RunError
from tracerd.native import ffi, lib
from tracerd.snapshot import HookStatistics
from tracerd.sources.etl_names import parse_name
from tracerd.sources.hook_feeds import FEEDS
from tracerd.sources.names import AttachKind, parse_attach
from tracerd.sources.schema.c_names import field_number

EVENT_BYTES = 96
"""Context bytes that a hook reads of an ETW event, and below of a packet."""
PACKET_BYTES = int(ffi.sizeof("struct tr_packet_context"))

KINDS = {
    "process": lib.TR_HOOK_PROCESS,
    "bind": lib.TR_HOOK_BIND,
    "xdp": lib.TR_HOOK_XDP,
    "netevent_monitor": lib.TR_HOOK_NETEVENT,
}
"""Hooks by the program type of platform windows. Linux's xdp programs have one too, for packets."""

_FRAME = {
    lib.TR_PART_FRAME: ("Fragment", "Payload"),
    lib.TR_PART_INTERFACE: ("MiniportIfIndex",),
    lib.TR_PART_MEDIUM: ("PacketType",),
}

PARTS = {
    "process": {
        lib.TR_PART_PID: ("ProcessID", "ProcessId"),
        lib.TR_PART_PARENT: ("ParentProcessID", "ParentId"),
        lib.TR_PART_CREATED: ("CreateTime",),
        lib.TR_PART_EXITED: ("ExitTime",),
        lib.TR_PART_EXIT_CODE: ("ExitCode", "ExitStatus"),
        lib.TR_PART_COMMAND: ("CommandLine",),
        lib.TR_PART_IMAGE: ("ImageName", "ImageFileName"),
        lib.TR_PART_SID: ("UserSID",),
    },
    "bind": {
        lib.TR_PART_PID: ("ProcessID", "ProcessId"),
        lib.TR_PART_ADDRESS: ("LocalAddress", "SocketAddress"),
        lib.TR_PART_STATUS: ("Status",),
    },
    "xdp": _FRAME,
    "netevent_monitor": _FRAME,
}
"""Which fields of an event a part of a hook's context is made of: the first name that the event has."""


class Hook:
    """One link's hook. `native` is the `struct tr_program *` to link, `need` the context bytes that it reads, and
    `fields` says whether it asks for fields of ETW events.
    """

    def __init__(
        self, program_type: str, source: str, target: Any, verdicts: Mapping[int, str], *, linux: bool = False
    ) -> None:
        """Make what runs `target` on the events of an attach name; with `linux` it is an xdp program of that platform.

        Raises:
            ConfigError: the name's events cannot feed a program of that type.
            RunError: no memory.
        """
        self.source = source
        self._verdicts = verdicts
        self._hook: Any = None
        self.native: Any = lib.tr_program_new()
        try:
            if parse_attach(source).kind is AttachKind.PACKET:
                self._take_packets(program_type, lib.TR_HOOK_XDP_LINUX if linux else KINDS[program_type], target)
            else:
                self._take_events(program_type, target)
        except BaseException:
            self.close()
            raise

    def statistics(self) -> HookStatistics:
        """Return what came of the events so far."""
        counts: Any = ffi.new("struct tr_hook_counts *")
        lib.tr_hook_counts(self._hook, counts)
        found = ((int(counts.values[at]), int(counts.runs[at])) for at in range(counts.used))
        return HookStatistics(
            self.source,
            tuple((value, self._verdicts.get(value, ""), runs) for value, runs in found),
            int(counts.others),
            int(counts.passed),
            int(counts.unknown),
        )

    def close(self) -> None:
        """Free it; no source may run it any more. May be called twice."""
        if self._hook is not None:
            lib.tr_hook_free(self._hook)
            self._hook = None
        if self.native is not None:
            lib.tr_program_free(self.native)
            self.native = None

    def _take_packets(self, program_type: str, kind: int, target: Any) -> None:
        if program_type not in ("xdp", "netevent_monitor"):
            raise ConfigError(self.source, _refusal(program_type))
        self.need, self.fields = PACKET_BYTES, False
        self._make(kind, 0, ffi.NULL, target)
        lib.tr_hook_link_packets(self._hook, self.native)

    def _take_events(self, program_type: str, target: Any) -> None:
        operation = _operation(program_type, self.source)
        if operation is None:
            raise ConfigError(self.source, _refusal(program_type))
        self.need, self.fields = EVENT_BYTES, True
        self._make(KINDS[program_type], operation, _field_numbers(program_type), target)
        lib.tr_hook_link_events(self._hook, self.native)

    def _make(self, kind: int, operation: int, fields: Any, target: Any) -> None:
        self._hook = lib.tr_hook_new(kind, operation, fields, target)
        if self._hook == ffi.NULL or self.native == ffi.NULL:
            raise RunError(self.source, "no memory for its hook")


def _operation(program_type: str, source: str) -> int | None:
    """Return what the event of an attach name means to programs of the type; None if it does not feed them."""
    wanted = parse_name(source)
    for feed in FEEDS[program_type]:
        for name, operation in feed.operations.items():
            fed = parse_name(f"{feed.prefix}:{feed.provider}:{name}")
            if wanted.event is not None and (wanted.provider, wanted.event) == (fed.provider, fed.event):
                return operation
    return None


def _field_numbers(program_type: str) -> Any:
    numbers: Any = ffi.new("uint32_t[]", lib.TR_PARTS * lib.TR_PART_NAMES)
    for part, names in PARTS[program_type].items():
        for at, name in enumerate(names):
            numbers[part * lib.TR_PART_NAMES + at] = field_number(name)
    return numbers


def _refusal(program_type: str) -> str:
    names = ", ".join(name for feed in FEEDS[program_type] for name in feed.names())
    packets = " or packet:FILE.pcap" if program_type in ("xdp", "netevent_monitor") else ""
    return f"does not feed {program_type} programs of eBPF for Windows; these do: {names}{packets}"
