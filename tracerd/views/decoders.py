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
    "guid": _guid,
    "ntstatus": _ntstatus,
}
"""Decoder functions by the name used in a view's `decode`."""
