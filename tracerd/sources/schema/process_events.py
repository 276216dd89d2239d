"""Payloads of process events as Windows writes them: packed, in the order of the published layouts.

Sources: manifest of Microsoft-Windows-Kernel-Process (ProcessStart 3, ProcessRundown 1, ProcessStop 2, ThreadStart 1,
ImageLoad 0); MOF classes Process_V1 … Process_V4 of MicrosoftDocs/win32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tracerd.clock import filetime

SYSTEM_LABEL = bytes([1, 1, 0, 0, 0, 0, 0, 16]) + struct.pack("<I", 0x4000)     # S-1-16-16384
MEDIUM_LABEL = bytes([1, 1, 0, 0, 0, 0, 0, 16]) + struct.pack("<I", 0x2000)     # S-1-16-8192


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What process events say. Times are unix ns."""

    pid: int
    parent: int
    image: str                   # full path
    started_ns: int
    session: int = 1
    sequence: int = 0
    parent_sequence: int = 0
    label: bytes = MEDIUM_LABEL


def process_start(process: ProcessFacts, version: int = 3) -> bytes:
    """Return the payload of ProcessStart, versions 0 to 4 (ProcessRundown 1 and 2 are the same as versions 3 and 4)."""
    image = (process.image + "\0").encode("utf-16-le")
    created = filetime(process.started_ns)
    tail = struct.pack("<II", 0, 0) + b"\0\0" + b"\0\0" if version >= 2 else b""   # checksum, time stamp, package, app
    if version < 3:
        flags = struct.pack("<I", 0) if version >= 1 else b""
        return struct.pack("<IQII", process.pid, created, process.parent, process.session) + flags + image + tail
    fixed = struct.pack(
        "<IQQIQIIII", process.pid, process.sequence, created, process.parent, process.parent_sequence,
        process.session, 0, 1 if process.label == MEDIUM_LABEL else 2, int(process.label != MEDIUM_LABEL),
    )
    return fixed + process.label + image + tail + (struct.pack("<I", 0) if version >= 4 else b"")


def process_stop(process: ProcessFacts, ended_ns: int, exit_code: int, version: int = 2) -> bytes:
    """Return the payload of ProcessStop, versions 0 to 2. It has the image's file name only, at most 14 characters."""
    sequence = struct.pack("<Q", process.sequence) if version >= 2 else b""
    times = struct.pack("<QQ", filetime(process.started_ns), filetime(ended_ns))
    fixed = times + struct.pack("<IIIQQ", exit_code, 1, 57, 4 << 20, 5 << 20)
    usage = struct.pack("<QIIIII", 40_000_000, 12, 3, 96, 8, 5) if version >= 1 else b""
    image = file_name(process.image)[:14].encode("ascii", "replace") + b"\0"
    return struct.pack("<I", process.pid) + sequence + fixed + usage + image


def classic_process(process: ProcessFacts, exit_status: int, version: int, pointer_size: int, sid: bytes) -> bytes:
    """Return the payload of the classic Process class, versions 1 to 4. Without `sid` (b"") the user is a 0."""
    pointer = b"\x80\x10\x20\x30\x80\xfa\xff\xff"[:pointer_size]
    fixed = struct.pack("<IIIi", process.pid, process.parent, process.session, exit_status)
    table = (pointer if version >= 3 else b"") + (struct.pack("<I", 0) if version >= 4 else b"")
    user = pointer * 2 + sid if sid else bytes(4)
    image = file_name(process.image).encode("ascii", "replace") + b"\0"
    command = (process.image + "\0").encode("utf-16-le") if version >= 2 else b""
    package = b"\0\0\0\0" if version >= 4 else b""
    return pointer + fixed + table + user + image + command + package


def thread_start(pid: int, tid: int) -> bytes:
    """Return the payload of ThreadStart version 1, of a 64-bit system."""
    stack = 0xFFFFF80000000000 + tid * 0x8000
    return struct.pack("<IIQQQQQQQI", pid, tid, stack, stack - 0x6000, 0, 0, 0x7FFB12340000, 0x7FFB12340000, 0, 0)


def image_load(pid: int, image: str) -> bytes:
    """Return the payload of ImageLoad version 0, of a 64-bit system."""
    base = 0x7FFB00000000 + sum(image.encode()) * 0x10000
    fixed = struct.pack("<QQIIIQ", base, 0x1F8000, pid, 0, 0, base)
    return fixed + (image + "\0").encode("utf-16-le")


def file_name(path: str) -> str:
    """Return the part behind the last backslash."""
    return path.rpartition("\\")[2]
