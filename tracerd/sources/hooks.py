"""Hooks of eBPF for Windows, fed from events: which events a hook's programs run on, and what came of it.

A hook is a native program between an event and its target (border/hooks.h): it is linked like any other, makes the
context that the target expects, and counts the verdict, which has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tracerd.errors import ConfigError, RunError
from tracerd.native import ffi, lib
from tracerd.snapshot import HookStatistics
from tracerd.sources.etl_names import EtwMatch, parse_name
from tracerd.sources.etw_schemas import EtwSchemas, event_keys
from tracerd.sources.hook_feeds import FEEDS
from tracerd.sources.names import AttachKind, parse_attach
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.model import Event, Provider

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

PARTS = {
    lib.TR_PART_PID: ("ProcessID", "ProcessId"),
    lib.TR_PART_PARENT: ("ParentProcessID", "ParentId"),
    lib.TR_PART_CREATED: ("CreateTime",),
    lib.TR_PART_EXITED: ("ExitTime",),
    lib.TR_PART_EXIT_CODE: ("ExitCode", "ExitStatus"),
    lib.TR_PART_COMMAND: ("CommandLine",),
    lib.TR_PART_IMAGE: ("ImageName", "ImageFileName"),
    lib.TR_PART_SID: ("UserSID",),
    lib.TR_PART_ADDRESS: ("LocalAddress", "SocketAddress"),
    lib.TR_PART_STATUS: ("Status",),
    lib.TR_PART_FRAME: ("Fragment", "Payload"),
    lib.TR_PART_INTERFACE: ("MiniportIfIndex",),
    lib.TR_PART_MEDIUM: ("PacketType",),
}
"""Which fields of the shipped schemas a part of a context is made of."""


class Hook:
    """One link's hook. `native` is the `struct tr_program *` to link, `need` the context bytes that it reads."""

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
        self._schemas: EtwSchemas | None = None
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
        if self._schemas is not None:
            self._schemas.close()

    def _take_packets(self, program_type: str, kind: int, target: Any) -> None:
        if program_type not in ("xdp", "netevent_monitor"):
            raise ConfigError(self.source, _refusal(program_type))
        self.need = PACKET_BYTES
        self._make(kind, ffi.NULL, target)
        lib.tr_hook_link_packets(self._hook, self.native)

    def _take_events(self, program_type: str, target: Any) -> None:
        shapes = list(_shapes(program_type, self.source))
        if not shapes:
            raise ConfigError(self.source, _refusal(program_type))
        self.need = EVENT_BYTES
        self._schemas = EtwSchemas()
        self._make(KINDS[program_type], self._schemas.native, target)
        for provider, event, operation in shapes:
            self._schemas.add(provider)
            for key in event_keys(provider, event):
                if lib.tr_hook_add(self._hook, key, operation, _parts(event)) < 0:
                    raise RunError(self.source, f"its event {event.name} version {event.version} cannot be taken apart")
        lib.tr_hook_link_events(self._hook, self.native)

    def _make(self, kind: int, schemas: Any, target: Any) -> None:
        self._hook = lib.tr_hook_new(kind, schemas, target)
        if self._hook == ffi.NULL or self.native == ffi.NULL:
            raise RunError(self.source, "no memory for its hook")


def _shapes(program_type: str, source: str) -> Iterator[tuple[Provider, Event, int]]:
    """Yield every version of the event that an attach name means, if it feeds programs of the type."""
    wanted = parse_name(source)
    for feed in FEEDS[program_type]:
        for name, operation in feed.operations.items():
            if not _is(wanted, parse_name(f"{feed.prefix}:{feed.provider}:{name}")):
                continue
            for provider in Catalog().by_name(feed.provider):
                yield from (
                    (provider, event, operation) for event in provider.events.values() if event.number == wanted.event
                )


def _is(wanted: EtwMatch, fed: EtwMatch) -> bool:
    return wanted.event is not None and (wanted.provider, wanted.event) == (fed.provider, fed.event)


def _parts(event: Event) -> list[int]:
    """Return the index of each part's field; in such events no structs lie before them."""
    names = [each.name for each in event.fields]
    parts = [lib.TR_NO_PART] * lib.TR_PARTS
    for part, known in PARTS.items():
        for name in known:
            if name in names:
                parts[part] = names.index(name)
    return parts


def _refusal(program_type: str) -> str:
    names = ", ".join(name for feed in FEEDS[program_type] for name in feed.names())
    packets = " or packet:FILE.pcap" if program_type in ("xdp", "netevent_monitor") else ""
    return f"does not feed {program_type} programs of eBPF for Windows; these do: {names}{packets}"
