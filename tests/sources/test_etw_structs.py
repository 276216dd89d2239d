"""The structs that pywintrace hands to Windows for us are those of Windows' headers, as mingw-w64 has them."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sources.etw_shim import installed
from tracerd.sources.etw.api import load

COMPILER = "x86_64-w64-mingw32-gcc"
NATIVE = Path(__file__).parents[2] / "tracerd" / "native"

OTHERWISE_NAMED = {"Linkage", "MajorVersion", "MinorVersion", "SubVersion", "SubMinorVersion"}
"""Members that are bit fields in Windows' headers, or in a union that has a name there."""

OURS = {
    "EVENT_RECORD": ("tr_event_record", {
        "EventHeader": "header", "BufferContext": "buffer", "ExtendedDataCount": "extended_count",
        "UserDataLength": "user_data_length", "ExtendedData": "extended", "UserData": "user_data",
        "UserContext": "user_context",
    }),
    "EVENT_HEADER": ("tr_event_header", {
        "Size": "size", "Flags": "flags", "ThreadId": "thread_id", "ProcessId": "process_id",
        "TimeStamp": "time_stamp", "ProviderId": "provider_id", "EventDescriptor": "descriptor",
        "ActivityId": "activity_id",
    }),
    "EVENT_DESCRIPTOR": ("tr_event_descriptor", {
        "Id": "id", "Version": "version", "Channel": "channel", "Level": "level", "Opcode": "opcode", "Task": "task",
        "Keyword": "keyword",
    }),
    "EVENT_HEADER_EXTENDED_DATA_ITEM": ("tr_extended_item", {
        "ExtType": "type", "DataSize": "data_size", "DataPtr": "data_ptr",
    }),
    "ETW_BUFFER_CONTEXT": ("tr_buffer_context", {"LoggerId": "logger_id"}),
}  # fmt: skip
"""The core's own, by Windows' names."""


def compiles(folder: Path, lines: list[str]) -> str:
    """Return what the compiler says to static assertions over Windows' headers."""
    if shutil.which(COMPILER) is None:
        pytest.skip(f"{COMPILER} is not installed")
    source = folder / "structs.c"
    headers = ("windows.h", "wmistr.h", "evntrace.h", "evntcons.h", "evntprov.h")
    source.write_text("\n".join([*(f"#include <{name}>" for name in headers), '#include "etw_record.h"', *lines, ""]))
    command = [COMPILER, f"-I{NATIVE / 'src'}", "-c", str(source), "-o", str(folder / "structs.o")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def same(condition: str) -> str:
    return f'_Static_assert({condition}, "{condition}");'


def test_structs_of_the_core_are_those_of_windows(tmp_path: Path) -> None:
    lines = []
    for theirs, (ours, members) in OURS.items():
        lines.append(same(f"sizeof({theirs}) == sizeof(struct {ours})"))
        lines += [same(f"offsetof({theirs}, {a}) == offsetof(struct {ours}, {b})") for a, b in members.items()]
    lines.append("static void TR_WINAPI callback(EVENT_RECORD *record) { (void)record; }")
    lines.append("PEVENT_RECORD_CALLBACK pointer = callback;")
    assert compiles(tmp_path, lines) == ""


def test_structs_of_pywintrace_are_those_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(monkeypatch):
        lines = [line for name, struct in _structs() for line in _assertions(name, struct)]
    assert compiles(tmp_path, lines) == ""
    assert len(lines) > 60


def _structs() -> Iterator[tuple[str, Any]]:
    api = load()
    for module, names in (
        (api.evntrace, ("EVENT_TRACE_PROPERTIES", "EVENT_TRACE_LOGFILE", "ENABLE_TRACE_PARAMETERS", "WNODE_HEADER",
                        "TRACE_LOGFILE_HEADER")),
        (api.evntprov, ("EVENT_FILTER_DESCRIPTOR", "EVENT_DESCRIPTOR")),
        (api.evntcons, ("EVENT_RECORD", "EVENT_HEADER", "EVENT_HEADER_EXTENDED_DATA_ITEM", "ETW_BUFFER_CONTEXT")),
    ):  # fmt: skip
        yield from ((name, getattr(module, name)) for name in names)


def _assertions(name: str, struct: Any) -> Iterator[str]:
    yield same(f"sizeof({name}) == {ctypes.sizeof(struct)}")
    for member, *_ in struct._fields_:
        if member not in OTHERWISE_NAMED:
            yield same(f"offsetof({name}, {member}) == {getattr(struct, member).offset}")
