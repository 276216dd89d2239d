"""Decoders of what Windows has in its events: GUIDs, SIDs, NTSTATUS, FILETIME, paths of the object manager, DNS."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from tracerd.views.distinct import Value, number, plain, raw
from tracerd.views.dns import DNS_STATUSES, DNS_TYPES
from tracerd.views.ntstatus import NTSTATUS


def _guid(value: Value) -> str:
    """Sixteen bytes as Windows stores a GUID (the first three parts little-endian)."""
    if not isinstance(value, np.ndarray) or value.nbytes != 16:
        return plain(value)
    return str(uuid.UUID(bytes_le=raw(value)))


_SID_HEADER = struct.Struct(">BBHI")     # revision, subauthorities, and 48 bits of identifier authority
_MOST_SUBAUTHORITIES = 15


def _sid(value: Value) -> str:
    """A security identifier (MS-DTYP §2.4.2); bytes behind it are a fixed field's. Damaged ones stay bytes."""
    if not isinstance(value, np.ndarray) or value.nbytes < _SID_HEADER.size:
        return plain(value)
    data = raw(value)
    revision, count, high, low = _SID_HEADER.unpack_from(data)
    if revision != 1 or count > _MOST_SUBAUTHORITIES or len(data) < _SID_HEADER.size + 4 * count:
        return plain(value)
    authority = f"0x{high:04X}{low:08X}" if high else str(low)
    return "-".join(("S-1", authority, *map(str, struct.unpack_from(f"<{count}I", data, _SID_HEADER.size))))


def _ntstatus(value: Value) -> str:
    """The name of a well-known NTSTATUS (MS-ERREF §2.3), hex of another."""
    found = number(value)
    if found is None:
        return plain(value)
    code = found & 0xFFFFFFFF
    return NTSTATUS.get(code, f"0x{code:08x}")


_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_PER_SECOND = 10**7
_LAST = 2_650_467_743_999_999_999        # the end of year 9999, RFC 3339's last


def _filetime(value: Value) -> str:
    """100 ns since 1601 as RFC 3339, in UTC; 0, which is none, and what is out of range stay numbers."""
    found = number(value)
    if found is None or not 0 < found <= _LAST:
        return plain(value) if found is None else str(found)
    seconds, rest = divmod(found, _PER_SECOND)
    second = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"{second}.{rest:07}Z" if rest else f"{second}Z"


_NT_PREFIXES = ("\\??\\", "\\\\?\\")


def _nt_path(value: Value) -> str:
    r"""A path without the prefix \??\ or \\?\. Only the machine itself knows which volume has which letter."""
    if isinstance(value, np.ndarray):
        wide = value.dtype.itemsize == 2
        text = raw(value).decode("utf-16-le" if wide else "utf-8", "replace").split("\0", 1)[0]
    else:
        text = plain(value)
    if not text.startswith(_NT_PREFIXES):
        return text
    rest = text[4:]
    return f"\\\\{rest[4:]}" if rest.upper().startswith("UNC\\") else rest


def _dns_type(value: Value) -> str:
    """A resource record type of IANA's registry; others as RFC 3597 §5 writes them."""
    found = number(value)
    return plain(value) if found is None else DNS_TYPES.get(found, f"TYPE{found}")


def _dns_status(value: Value) -> str:
    """What a query of Windows' DNS client ended with (winerror.h); others stay numbers."""
    found = number(value)
    return plain(value) if found is None else DNS_STATUSES.get(found, str(found))


WINDOWS_DECODERS: dict[str, Callable[[Value], str]] = {
    "guid": _guid,
    "sid": _sid,
    "ntstatus": _ntstatus,
    "filetime": _filetime,
    "nt_path": _nt_path,
    "dns_type": _dns_type,
    "dns_status": _dns_status,
}
