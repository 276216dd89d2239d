"""The container of BTF: header, bounds, and the string section. What the types in it mean is `parse`'s question.

Everything in a blob may be hostile: an offset is used only after it was compared with the bytes that are there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tracerd.errors import TracerdError

MAGIC = 0xEB9F
VERSION = 1

# struct btf_header after magic, version and flags: hdr_len, type_off, type_len, str_off, str_len (linux/btf.h).
_PREFIX = struct.Struct("<HBB")
_HEADER = struct.Struct("<HBBIIIII")

MAX_NAME = 1024
"""Longest name in bytes (the kernel allows 512): overlapping strings make a small blob a huge answer otherwise."""

MAX_TEXT = 512
"""Most bytes kept of a source line's text; the rest is cut."""


@dataclass(eq=False)
class BtfError(TracerdError):
    """BTF is damaged or asks for something not supported. `type_id` is the type it was found in, 0 where none is."""

    cause: str
    type_id: int = 0

    def __str__(self) -> str:
        return f"BTF type {self.type_id}: {self.cause}" if self.type_id else f"BTF: {self.cause}"


class Strings:
    """The string section: NUL-terminated UTF-8, addressed by byte offset. Offset 0 is the empty string."""

    __slots__ = ("_data", "_known")

    def __init__(self, data: bytes) -> None:
        if data and (data[0] or data[-1]):
            raise BtfError("the string section must begin and end with a NUL byte")
        self._data = data or b"\0"
        self._known: dict[int, str] = {}

    def name(self, offset: int) -> str:
        """Return the name at an offset.

        Raises:
            BtfError: it is outside the section, too long, or has characters that cannot be printed.
        """
        found = self._known.get(offset)
        if found is None:
            found = self._known[offset] = self._read(offset)
        return found

    def _read(self, offset: int) -> str:
        self._check(offset)
        end = self._data.find(b"\0", offset, offset + MAX_NAME + 1)
        if end < 0:
            raise BtfError(f"the name at string offset {offset} is longer than {MAX_NAME} bytes")
        name = self._data[offset:end].decode("utf-8", "backslashreplace")
        # Names reach terminals; escape sequences must not.
        if not name.isprintable():
            raise BtfError(f"the name {name!r} at string offset {offset} has unprintable characters")
        return name

    def text(self, offset: int) -> str:
        """Return free text: at most `MAX_TEXT` bytes, whatever cannot be printed (but for tabs) replaced by '?'."""
        self._check(offset)
        end = self._data.find(b"\0", offset, offset + MAX_TEXT)
        raw = self._data[offset : end if end >= 0 else offset + MAX_TEXT].decode("utf-8", "replace")
        if raw.isprintable():
            return raw
        return "".join(each if each.isprintable() or each == "\t" else "?" for each in raw)

    def _check(self, offset: int) -> None:
        if offset >= len(self._data):
            raise BtfError(f"string offset {offset} is outside the string section of {len(self._data)} bytes")


def check_prefix(data: bytes, what: str) -> None:
    """Check magic, version and flags, which .BTF and .BTF.ext share.

    Raises:
        BtfError: not BTF, another byte order, or a version that does not exist yet.
    """
    if len(data) < 8:
        raise BtfError(f"{what} is truncated: {len(data)} bytes cannot hold its header")
    magic, version, flags = _PREFIX.unpack_from(data)
    if magic == int.from_bytes(MAGIC.to_bytes(2, "big"), "little"):
        raise BtfError(f"{what} is big-endian; compile for little-endian eBPF (clang -target bpfel)")
    if magic != MAGIC:
        raise BtfError(f"{what} starts with {magic:#06x}, BTF starts with {MAGIC:#06x}")
    if version != VERSION or flags:
        raise BtfError(f"{what} has version {version} and flags {flags:#x}; supported are {VERSION} and 0")


@dataclass(frozen=True, slots=True)
class Blob:
    """A .BTF blob taken apart. `types` are the bytes of the type section."""

    types: bytes
    strings: Strings


def open_blob(data: bytes) -> Blob:
    """Take a .BTF blob apart.

    Raises:
        BtfError: the header is damaged, or a section lies outside the blob.
    """
    check_prefix(data, ".BTF")
    if len(data) < _HEADER.size:
        raise BtfError(f".BTF is truncated: {len(data)} bytes cannot hold its header")
    _, _, _, header, type_offset, type_length, string_offset, string_length = _HEADER.unpack_from(data)
    if header < _HEADER.size or header > len(data):
        raise BtfError(f"the header's length is {header}, it must be {_HEADER.size} to {len(data)}")
    types = _part(data, header, type_offset, type_length, "type")
    strings = _part(data, header, string_offset, string_length, "string")
    if type_offset < string_offset + string_length and string_offset < type_offset + type_length:
        raise BtfError("the type and string sections overlap")
    return Blob(types, Strings(strings))


def _part(data: bytes, header: int, offset: int, length: int, what: str) -> bytes:
    start = header + offset
    if start + length > len(data):
        raise BtfError(f"the {what} section ends at byte {start + length}, the blob has {len(data)}: it is truncated")
    return data[start : start + length]
