"""Decoders: from a column of numbers, bytes or text to what people call it.

A decoder maps each *distinct* value once, so a table of ten thousand rows costs as much as its variety. What it cannot
make anything of it gives as it is: no bytes of a program make one fail.
"""

from __future__ import annotations

import errno
import ipaddress
import platform
from collections.abc import Callable

import numpy as np

from tracerd.errors import ConfigError
from tracerd.snapshot import Column
from tracerd.views.decoders_windows import WINDOWS_DECODERS
from tracerd.views.distinct import Value, map_distinct, number, plain, raw
from tracerd.views.syscalls import SYSCALLS

Decoder = Callable[[Value], str]


def decode(column: Column, decoder: str) -> Column:
    """Return the column as text.

    Raises:
        ConfigError: there is no decoder of that name.
    """
    function = DECODERS.get(decoder)
    if function is None:
        raise ConfigError(f"decoder {decoder!r}", f"unknown; valid: {', '.join(DECODERS)}")
    return map_distinct(column, function)


def _of_number(function: Callable[[int], str]) -> Decoder:
    """Make a decoder of numbers; what is none stays."""

    def decoder(value: Value) -> str:
        found = number(value)
        return plain(value) if found is None else function(found)

    return decoder


def _syscall(call: int) -> str:
    call &= 0xFFFFFFFF
    return SYSCALLS.get(platform.machine(), {}).get(call, f"syscall_{call}")


def _errno(code: int) -> str:
    return errno.errorcode.get(abs(code), str(abs(code)))


def _hex(value: Value) -> str:
    """A number as 0x…; bytes as they lie in memory."""
    return plain(value) if isinstance(value, np.ndarray) else _of_number(hex)(value)


def _uint(value: Value) -> str:
    """A number as unsigned in its field's width; bytes are one as it lies in memory."""
    found = number(value)
    if found is None:
        return plain(value)
    return str(found if isinstance(value, str) else found % (1 << 8 * value.nbytes))


def _string(value: Value) -> str:
    """Bytes up to the first NUL as UTF-8; numbers of two bytes as UTF-16."""
    if not isinstance(value, np.ndarray):
        return plain(value)
    if value.dtype.itemsize == 2:
        return value.tobytes().decode("utf-16-le", "replace").split("\0", 1)[0]
    return value.tobytes().split(b"\0", 1)[0].decode("utf-8", "replace")


def _ipv4(value: Value) -> str:
    """An address as it lies in memory, most significant byte first."""
    if isinstance(value, str | np.ndarray):
        return _ip(value)
    found = number(value)
    if found is None or not -(1 << 31) <= found < 1 << 32:
        return plain(value)
    return str(ipaddress.IPv4Address((found % (1 << 32)).to_bytes(4, "little")))


def _ip(value: Value) -> str:
    """Four or sixteen bytes in network order: IPv6, or IPv4 also as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2)."""
    if isinstance(value, str):
        return value
    if value.nbytes == 4:
        return str(ipaddress.IPv4Address(raw(value)))
    if value.nbytes != 16:
        return plain(value)
    address = ipaddress.IPv6Address(raw(value))
    return str(address.ipv4_mapped or address)


def _mac(value: Value) -> str:
    """Six bytes, or the low 48 bits of a number as they lie in memory."""
    if isinstance(value, np.ndarray):
        return raw(value).hex(":") if value.nbytes == 6 else plain(value)
    if isinstance(value, str):
        return value
    found = number(value)
    return plain(value) if found is None else (found % (1 << 48)).to_bytes(6, "little").hex(":")


def _major_minor(device: int) -> str:
    """A dev_t as the Linux kernel has it, and its tracepoints (include/linux/kdev_t.h): 12 bits and 20."""
    return f"{device >> 20 & 0xFFF}:{device & 0xFFFFF}" if -(1 << 31) <= device < 1 << 32 else str(device)


_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


def _protocol(protocol: int) -> str:
    """A number of the IANA registry of internet protocols."""
    return _PROTOCOLS.get(protocol, str(protocol))


_TCP_STATES = (
    "", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait",
    "last_ack", "listen", "closing",
)  # fmt: skip


def _tcp_state(state: int) -> str:
    """A number of the Linux kernel (include/net/tcp_states.h); 0 is none."""
    return _TCP_STATES[state] if 0 <= state < len(_TCP_STATES) else str(state)


def _yes(value: Value) -> str:
    return "yes" if (any(raw(value)) if isinstance(value, np.ndarray) else value) else "no"


DECODERS: dict[str, Decoder] = {
    "syscall": _of_number(_syscall),
    "errno": _of_number(_errno),
    "hex": _hex,
    "uint": _uint,
    "string": _string,
    "ipv4": _ipv4,
    "ip": _ip,
    "mac": _mac,
    "major_minor": _of_number(_major_minor),
    "protocol": _of_number(_protocol),
    "tcp_state": _of_number(_tcp_state),
    "yes": _yes,
    **WINDOWS_DECODERS,
}
"""Decoder functions by the name used in a view's `decode` and an attribute's."""
