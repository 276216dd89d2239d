"""What feeds the hooks of eBPF for Windows: events of shipped schemas, and what each of them says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

CREATE, DELETE = 0, 1
BOUND, UNBIND = 1, 2


@dataclass(frozen=True, slots=True)
class Feed:
    """Events of one provider that feed a hook: their names, and what each says has happened."""

    provider: str
    prefix: str                          # of attach names: "etw" or "etw-kernel"
    operations: Mapping[str, int]

    def names(self) -> Iterator[str]:
        """Yield the attach name of every event."""
        yield from (f"{self.prefix}:{self.provider}:{event}" for event in self.operations)


FEEDS: Mapping[str, tuple[Feed, ...]] = {
    "process": (
        Feed("Microsoft-Windows-Kernel-Process", "etw", {"ProcessStart": CREATE, "ProcessStop": DELETE}),
        Feed("Process", "etw-kernel", {"Start": CREATE, "End": DELETE}),
    ),
    "bind": (
        Feed("Microsoft-Windows-TCPIP", "etw", {"TcpBindEndpointComplete": BOUND, "TcpCloseEndpoint": UNBIND}),
        Feed("Microsoft-Windows-TCPIP", "etw", {"TcpListenerActivated": BOUND, "TcpListenerUnbound": UNBIND}),
    ),
    "xdp": (
        Feed("Microsoft-Windows-NDIS-PacketCapture", "etw", {"PacketFragment": 0}),
        Feed("Microsoft-Windows-PktMon", "etw", {"FramePayload": 0, "FrameDropPayload": 0}),
    ),
    "netevent_monitor": (
        Feed("Microsoft-Windows-PktMon", "etw", {"FramePayload": 0, "FrameDropPayload": 0}),
        Feed("Microsoft-Windows-NDIS-PacketCapture", "etw", {"PacketFragment": 0}),
    ),
}
"""What feeds a program type, what a bare object is attached to before what only a probe.toml asks for."""

_DEFAULT_FEEDS = {"process": 1, "bind": 1, "xdp": 2, "netevent_monitor": 1}


def default_sources(program_type: str) -> tuple[str, ...]:
    """Return what a program of a type is attached to where nobody says it."""
    return tuple(name for feed in FEEDS[program_type][: _DEFAULT_FEEDS[program_type]] for name in feed.names())
