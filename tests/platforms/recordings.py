"""Recordings for the hooks of eBPF for Windows: payloads of any shipped event and version, and sessions over them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracerd.config import Probe
from tracerd.runtime import Session, Settings
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.snapshot import HookStatistics
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.model import Event, Provider
from tracerd.vm.policy import Asked

OBJECTS = Path(__file__).parent / "objects"
USER = bytes.fromhex("010500000000000515000000") + bytes(range(16))
"""S-1-5-21-…: 28 bytes."""

_NUMBERS = {"u8": 1, "u16": 2, "u32": 4, "x32": 4, "i32": 4, "u64": 8, "x64": 8, "filetime": 8}


def provider(name: str) -> Provider:
    return next(Catalog().by_name(name))


def versions(name: str, event: str) -> list[Event]:
    """Return every shipped version of an event, the oldest first."""
    return [each for each in provider(name).events.values() if each.name == event]


def payload(event: Event, values: Mapping[str, Any], *, pointer_size: int = 8) -> bytes:
    """Return an event's payload; fields without a value are 0, empty, or numbered so that a mix-up shows."""
    made = b""
    for number, field in enumerate(event.fields, 1):
        value = values.get(field.name)
        if field.type in ("ptr", "size"):
            made += int(value or 0x1000 + number).to_bytes(pointer_size, "little")
        elif field.type in _NUMBERS:
            word = (value if value is not None else number) & (1 << 64) - 1
            made += word.to_bytes(8, "little")[: _NUMBERS[field.type]]
        elif field.type == "utf16z":
            made += (value or "").encode("utf-16-le") + b"\0\0"
        elif field.type == "ansiz":
            made += (value or "").encode() + b"\0"
        elif field.type == "sid":
            made += value or bytes.fromhex("010100000000001000200000")
        elif field.type == "wbemsid":
            made += bytes(range(1, 1 + 2 * pointer_size)) + value if value else bytes(4)
        elif field.count == "rest" or field.type == "rest":
            made += b""
        else:                                            # bytes or an address, as many as the field before it says
            assert field.type in ("bytes", "sockaddr")
            made += value or b""
    return made


def sockaddr(address: tuple[int, int, int, int], port: int) -> bytes:
    """Return a struct sockaddr_in of Windows."""
    return struct.pack("<H", 2) + struct.pack(">H", port) + bytes(address) + bytes(8)


def replay(
    name: str, program: str, recording: Path, sources: Sequence[str], engine: Asked = "interpreter"
) -> tuple[SessionSnapshot, dict[str, list[dict[str, Any]]], dict[str, HookStatistics]]:
    """Run a test object over a recording; return what was collected, its tables by name, and its hooks by source."""
    probe = Probe(name, OBJECTS / f"{name}.bpf.o", "auto", tuple((program, source) for source in sources), ())
    with Session(Settings(recording=recording, wait_for_code=True, engine=engine)) as session:
        session.add(probe)
        session.start()
        assert session.wait(30)
        final = session.stop()
        tables = {table.name: table.rows() for _, table in session.tables(final)}
    (statistics,) = final.programs
    return final, tables, {hook.source: hook for hook in statistics.hooks}


def text(units: Sequence[int]) -> str:
    """Return UTF-16 in an array of bytes up to its first zero."""
    return bytes(units).decode("utf-16-le").partition("\0")[0]
