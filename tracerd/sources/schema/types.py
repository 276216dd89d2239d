"""The types of fields: words of `.events` files, and what the core, manifests and TDH call the same. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracerd.native import lib


@dataclass(frozen=True, slots=True)
class Type:
    """How a value lies in a payload (`native`), how it is shown, and where its length is (`length`, 0: it has one)."""

    native: int
    show: int = 0
    length: int = 0
    bytes: int | None = None     # of one value, where that is always the same


_FIXED = lib.TR_ETW_FIXED
_COUNTED = lib.TR_ETW_COUNTED

TYPES: Mapping[str, Type] = {
    "i8": Type(lib.TR_ETW_INT8, bytes=1),
    "u8": Type(lib.TR_ETW_UINT8, bytes=1),
    "i16": Type(lib.TR_ETW_INT16, bytes=2),
    "u16": Type(lib.TR_ETW_UINT16, bytes=2),
    "i32": Type(lib.TR_ETW_INT32, bytes=4),
    "u32": Type(lib.TR_ETW_UINT32, bytes=4),
    "i64": Type(lib.TR_ETW_INT64, bytes=8),
    "u64": Type(lib.TR_ETW_UINT64, bytes=8),
    "f32": Type(lib.TR_ETW_FLOAT, bytes=4),
    "f64": Type(lib.TR_ETW_DOUBLE, bytes=8),
    "x8": Type(lib.TR_ETW_UINT8, lib.TR_ETW_HEX, bytes=1),
    "x16": Type(lib.TR_ETW_UINT16, lib.TR_ETW_HEX, bytes=2),
    "x32": Type(lib.TR_ETW_UINT32, lib.TR_ETW_HEX, bytes=4),
    "x64": Type(lib.TR_ETW_UINT64, lib.TR_ETW_HEX, bytes=8),
    "bool8": Type(lib.TR_ETW_UINT8, lib.TR_ETW_BOOL, bytes=1),
    "bool32": Type(lib.TR_ETW_UINT32, lib.TR_ETW_BOOL, bytes=4),
    "char8": Type(lib.TR_ETW_UINT8, lib.TR_ETW_CHAR, bytes=1),
    "char16": Type(lib.TR_ETW_UINT16, lib.TR_ETW_CHAR, bytes=2),
    "ptr": Type(lib.TR_ETW_POINTER, lib.TR_ETW_HEX),
    "size": Type(lib.TR_ETW_POINTER),
    "guid": Type(lib.TR_ETW_GUID, bytes=16),
    "filetime": Type(lib.TR_ETW_FILETIME, bytes=8),
    "systemtime": Type(lib.TR_ETW_SYSTEMTIME, bytes=16),
    "sid": Type(lib.TR_ETW_SID),
    "wbemsid": Type(lib.TR_ETW_WBEM_SID),
    "port": Type(lib.TR_ETW_UINT16, lib.TR_ETW_PORT, bytes=2),
    "ipv4": Type(lib.TR_ETW_UINT32, lib.TR_ETW_IPV4, bytes=4),
    "ipv6": Type(lib.TR_ETW_BYTES, lib.TR_ETW_IPV6, _FIXED, bytes=16),
    "utf16z": Type(lib.TR_ETW_UTF16, length=lib.TR_ETW_ZERO),
    "ansiz": Type(lib.TR_ETW_ANSI, length=lib.TR_ETW_ZERO),
    "utf16n": Type(lib.TR_ETW_UTF16, length=_COUNTED),
    "ansin": Type(lib.TR_ETW_ANSI, length=_COUNTED),
    "bytesn": Type(lib.TR_ETW_BYTES, length=_COUNTED),
    "rest": Type(lib.TR_ETW_BYTES, length=lib.TR_ETW_REST),
    "hole": Type(lib.TR_ETW_BYTES, length=lib.TR_ETW_HOLE),
    "utf16": Type(lib.TR_ETW_UTF16),
    "ansi": Type(lib.TR_ETW_ANSI),
    "bytes": Type(lib.TR_ETW_BYTES),
    "sockaddr": Type(lib.TR_ETW_BYTES, lib.TR_ETW_SOCKADDR),
    "struct": Type(lib.TR_ETW_STRUCT),
}

SIZED = frozenset({"utf16", "ansi", "bytes", "sockaddr"})
"""Types that take a length in brackets."""

NUMBERS = frozenset({"i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "x8", "x16", "x32", "x64", "bool8", "bool32",
                     "port"})
"""Types whose value may be a length or a count."""

IN_TYPES: Mapping[str, str] = {
    "UnicodeString": "utf16z", "AnsiString": "ansiz", "Int8": "i8", "UInt8": "u8", "Int16": "i16", "UInt16": "u16",
    "Int32": "i32", "UInt32": "u32", "Int64": "i64", "UInt64": "u64", "Float": "f32", "Double": "f64",
    "Boolean": "bool32", "Binary": "bytes", "GUID": "guid", "Pointer": "ptr", "SizeT": "ptr", "FILETIME": "filetime",
    "SYSTEMTIME": "systemtime", "SID": "sid", "HexInt32": "x32", "HexInt64": "x64", "UnicodeChar": "char16",
    "AnsiChar": "char8", "CountedUnicodeString": "utf16n", "CountedAnsiString": "ansin", "CountedBinary": "bytesn",
    "CountedString": "utf16n", "ManifestCountedString": "utf16n", "ManifestCountedAnsiString": "ansin",
    "ManifestCountedBinary": "bytesn", "WbemSid": "wbemsid", "NonNullTerminatedString": "utf16z",
    "NonNullTerminatedAnsiString": "ansiz",
}
"""InTypes of manifests ("win:" left out) and of TDH, as they lie in a payload."""

TDH_IN_TYPES: Mapping[int, str] = {
    **dict(enumerate((
        "UnicodeString", "AnsiString", "Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64",
        "Float", "Double", "Boolean", "Binary", "GUID", "Pointer", "FILETIME", "SYSTEMTIME", "SID", "HexInt32",
        "HexInt64", "ManifestCountedString", "ManifestCountedAnsiString",
    ), 1)),
    25: "ManifestCountedBinary", 300: "CountedString", 301: "CountedAnsiString", 306: "UnicodeChar", 307: "AnsiChar",
    308: "SizeT", 310: "WbemSid",
}
"""The numbers of InTypes (TDH_INTYPE_ of tdh.h)."""

TDH_OUT_TYPES: Mapping[int, str] = {
    1: "string", 4: "unsignedByte", 8: "unsignedInt", 10: "unsignedLong", 13: "boolean", 15: "HexBinary", 16: "HexInt8",
    17: "HexInt16", 18: "HexInt32", 19: "HexInt64", 22: "Port", 23: "IPv4", 24: "IPv6", 25: "SocketAddress",
    29: "ErrorCode", 30: "Win32Error", 31: "NTSTATUS", 32: "HResult", 37: "CodePointer",
}
"""The numbers of OutTypes (TDH_OUTTYPE_) that change how a value is shown."""

_HEX = {"i8": "x8", "u8": "x8", "i16": "x16", "u16": "x16", "i32": "x32", "u32": "x32", "i64": "x64", "u64": "x64"}

OUT_TYPES: Mapping[str, Mapping[str, str]] = {
    "Port": {"u16": "port"},
    "IPv4": {"u32": "ipv4"},
    "IPv6": {"bytes": "ipv6"},
    "SocketAddress": {"bytes": "sockaddr"},
    "HexInt8": _HEX, "HexInt16": _HEX, "HexInt32": _HEX, "HexInt64": _HEX, "HexBinary": {},
    "Win32Error": _HEX, "NTSTATUS": _HEX, "HResult": _HEX, "ErrorCode": _HEX, "CodePointer": _HEX,
    "boolean": {"u8": "bool8", "u32": "bool32", "i32": "bool32"},
    "string": {"u8": "char8", "i8": "char8", "u16": "char16"},
    "unsignedByte": {"ptr": "size"}, "unsignedInt": {"ptr": "size"}, "unsignedLong": {"ptr": "size"},
}
"""OutTypes ("win:" and "xs:" left out): what a type becomes by them. Others are as they lie."""


def from_manifest(in_type: str, out_type: str) -> str | None:
    """Return our type for an InType with an OutType, or None for one that there is not."""
    lies = IN_TYPES.get(in_type.rpartition(":")[2])
    return OUT_TYPES.get(out_type.rpartition(":")[2], {}).get(lies, lies) if lies is not None else None
