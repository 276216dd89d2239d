"""Decoders: from a column of numbers or bytes to what people call it.

A decoder maps each *distinct* value once, so a table of ten thousand rows costs as much as its variety.
"""

from __future__ import annotations

import errno
import ipaddress
import platform
import uuid
from collections.abc import Callable

import numpy as np

from tracerd.errors import ConfigError
from tracerd.snapshot import Column
from tracerd.views.syscalls import SYSCALLS


def decode(column: Column, decoder: str) -> Column:
    """Return the column as text.

    Raises:
        ConfigError: there is no decoder of that name.
    """
    function = DECODERS.get(decoder)
    if function is None:
        raise ConfigError(f"decoder {decoder!r}", f"unknown; valid: {', '.join(DECODERS)}")
    values, places = np.unique(column, return_inverse=True, axis=0 if column.ndim > 1 else None)
    names = np.array([function(value) for value in values], dtype=object)
    return names[places] if len(names) else np.array([], dtype=object)


def _syscall(value: np.generic) -> str:
    number = int(value) & 0xFFFFFFFF
    return SYSCALLS.get(platform.machine(), {}).get(number, f"syscall_{number}")


def _errno(value: np.generic) -> str:
    number = abs(int(value))
    return errno.errorcode.get(number, str(number))


def _hex(value: np.generic) -> str:
    return hex(int(value))


def _ipv4(value: np.generic) -> str:
    """An address as it lies in memory, most significant byte first."""
    return str(ipaddress.IPv4Address(int(value).to_bytes(4, "little")))


def _ip(value: np.ndarray) -> str:
    """Sixteen bytes in network order: an IPv6 address, or an IPv4 one as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2)."""
    address = ipaddress.IPv6Address(value.astype(np.uint8).tobytes())
    return str(address.ipv4_mapped or address)


_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


def _protocol(value: np.generic) -> str:
    """A number of the IANA registry of internet protocols."""
    return _PROTOCOLS.get(int(value), str(int(value)))


_TCP_STATES = (
    "", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait",
    "last_ack", "listen", "closing",
)


def _tcp_state(value: np.generic) -> str:
    """A number of the Linux kernel (include/net/tcp_states.h); 0 is none."""
    number = int(value)
    return _TCP_STATES[number] if number < len(_TCP_STATES) else str(number)


def _yes(value: np.generic) -> str:
    return "yes" if value else "no"


def _guid(value: np.ndarray) -> str:
    """Sixteen bytes as Windows stores a GUID (the first three parts little-endian)."""
    return str(uuid.UUID(bytes_le=value.astype(np.uint8).tobytes()))


def _ntstatus(value: np.generic) -> str:
    return f"0x{int(value) & 0xFFFFFFFF:08x}"


DECODERS: dict[str, Callable[..., str]] = {
    "syscall": _syscall,
    "errno": _errno,
    "hex": _hex,
    "ipv4": _ipv4,
    "ip": _ip,
    "protocol": _protocol,
    "tcp_state": _tcp_state,
    "yes": _yes,
    "guid": _guid,
    "ntstatus": _ntstatus,
}
"""Decoder functions by the name used in a view's `decode`."""
