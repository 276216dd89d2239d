"""Structures that come from Windows lie as its headers say: what the writer writes is their bytes, and the walker reads
each of their members where they have it.
"""

from __future__ import annotations

import json
import struct
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.native.windows_headers import RELOGGER, constant, layout, needs_mingw, numbers
from tests.sources.etl_support import Seen, walk
from tests.sources.schema_support import fields_of, filetime_text
from tracerd import clock
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_decoding import EtlDecoding, Selection
from tracerd.sources.etl_writer import EXTENDED_INFO, EtlWriter
from tracerd.sources.schema.catalog import Catalog

pytestmark = needs_mingw

PROVIDER = UUID("01020304-0506-0708-090a-0b0c0d0e0f10")
ACTIVITY = UUID("11121314-1516-1718-191a-1b1c1d1e1f20")
GUIDS = {
    guid: f"{{0x{guid.hex[:8]}, 0x{guid.hex[8:12]}, 0x{guid.hex[12:16]}, {{"
    + ", ".join(f"0x{byte:02x}" for byte in guid.bytes[8:]) + "}}"
    for guid in (PROVIDER, ACTIVITY)
}
BUFFER = 1024
HEADER, EVENTS = 0x48, BUFFER + 0x48                     # of the first events: of the header's buffer, of the next one
TICKS = 0x1122334455667788
BOOT, START, END = 133_444_735_000_000_002, 133_444_735_500_000_003, 133_444_736_000_000_001     # FILETIMEs
TASK = {"pid": 0x21222324, "tid": 0x31323334}


def written(path: Path, **of: Any) -> EtlWriter:
    return EtlWriter(path, buffer_size=BUFFER, start_ticks=TICKS, **of)


def only_event(path: Path) -> tuple[bytes, Seen]:
    """Return the bytes of a recording's one event, up to the buffer's end, and what a program sees of it."""
    _, seen = walk(path)
    return path.read_bytes()[EVENTS : 2 * BUFFER], seen


def test_a_manifest_event_begins_with_an_event_header(tmp_path: Path) -> None:
    """EVENT_HEADER of evntcons.h, with its EVENT_DESCRIPTOR."""
    path = tmp_path / "made.etl"
    with written(path) as writer:
        writer.manifest_event(
            TICKS + 1, PROVIDER, 0x4142, b"payload", version=0x43, channel=0x44, level=0x45, opcode=0x46, task=0x4748,
            keyword=0x5152535455565758, activity=ACTIVITY, flags=0x0240, **TASK,
        )
    raw, seen = only_event(path)
    theirs = constant("EVENT_HEADER", f"""{{
        .Size = sizeof(EVENT_HEADER) + 7, .HeaderType = 0xc013,
        .Flags = EVENT_HEADER_FLAG_64_BIT_HEADER | EVENT_HEADER_FLAG_PROCESSOR_INDEX,
        .ThreadId = 0x31323334, .ProcessId = 0x21222324, .TimeStamp = {{.QuadPart = {TICKS + 1}}},
        .ProviderId = {GUIDS[PROVIDER]}, .ActivityId = {GUIDS[ACTIVITY]}, .EventDescriptor = {{
            .Id = 0x4142, .Version = 0x43, .Channel = 0x44, .Level = 0x45, .Opcode = 0x46, .Task = 0x4748,
            .Keyword = 0x5152535455565758}}}}""")
    assert raw[: len(theirs) + 7] == theirs + b"payload"
    assert (seen.pid, seen.tid, seen.number, seen.version) == (TASK["pid"], TASK["tid"], 0x4142, 0x43)
    assert (seen.keyword, seen.provider, seen.activity) == (0x5152535455565758, PROVIDER, ACTIVITY)
    assert (seen.kind, seen.payload) == (19, b"payload")


def test_a_classic_event_begins_with_an_event_trace_header(tmp_path: Path) -> None:
    """EVENT_TRACE_HEADER of evntrace.h."""
    path = tmp_path / "made.etl"
    with written(path) as writer:
        writer.classic_event(TICKS + 1, PROVIDER, 0x41, b"payload", version=0x42, level=0x43, **TASK)
    raw, seen = only_event(path)
    theirs = constant("EVENT_TRACE_HEADER", f"""{{
        .Size = sizeof(EVENT_TRACE_HEADER) + 7, .HeaderType = 20, .MarkerFlags = 0xc0,
        .Class = {{.Type = 0x41, .Level = 0x43, .Version = 0x42}}, .ThreadId = 0x31323334, .ProcessId = 0x21222324,
        .TimeStamp = {{.QuadPart = {TICKS + 1}}}, .Guid = {GUIDS[PROVIDER]}}}""")
    assert raw[: len(theirs) + 7] == theirs + b"payload"
    assert (seen.pid, seen.tid, seen.number, seen.version) == (TASK["pid"], TASK["tid"], 0x41, 0x42)
    assert (seen.provider, seen.payload) == (PROVIDER, b"payload")


def test_extended_items_are_told_by_the_flag_and_typed_as_in_memory(tmp_path: Path) -> None:
    """On disk the data follows what is, in memory, before the pointer of EVENT_HEADER_EXTENDED_DATA_ITEM."""
    path = tmp_path / "made.etl"
    with written(path) as writer:
        writer.manifest_event(TICKS + 1, PROVIDER, 1, b"payload", extended=[(1, bytes(16)), (3, b"four")])
    raw, seen = only_event(path)
    assert numbers("EVENT_HEADER_FLAG_EXTENDED_INFO") == (EXTENDED_INFO,)
    pointer, first = numbers("offsetof(EVENT_HEADER_EXTENDED_DATA_ITEM, DataPtr)", "sizeof(EVENT_HEADER)")
    related = constant("EVENT_HEADER_EXTENDED_DATA_ITEM", f"""{{
        .Reserved1 = {pointer} + sizeof(EVENT_EXTENDED_ITEM_RELATED_ACTIVITYID),
        .ExtType = EVENT_HEADER_EXT_TYPE_RELATED_ACTIVITYID, .Linkage = 1,
        .DataSize = sizeof(EVENT_EXTENDED_ITEM_RELATED_ACTIVITYID)}}""")
    session = constant("EVENT_HEADER_EXTENDED_DATA_ITEM", f"""{{
        .Reserved1 = {pointer} + 8, .ExtType = EVENT_HEADER_EXT_TYPE_TS_ID, .Linkage = 0,
        .DataSize = sizeof(EVENT_EXTENDED_ITEM_TS_ID)}}""")
    assert raw[first : first + pointer] == related[:pointer]
    assert raw[first + pointer + 16 : first + 2 * pointer + 16] == session[:pointer]
    assert seen.payload == b"payload"


@pytest.mark.parametrize(
    ("flag", "what"),
    [("EVENT_HEADER_FLAG_32_BIT_HEADER", "pointers of 4 bytes"), ("EVENT_HEADER_FLAG_CLASSIC_HEADER", "an opcode")],
)
def test_flags_mean_what_they_are_called(tmp_path: Path, flag: str, what: str) -> None:
    """A 32-bit header has short pointers, a classic one is numbered by opcode."""
    path = tmp_path / "made.etl"
    with written(path) as writer:
        writer.manifest_event(TICKS + 1, PROVIDER, 0, opcode=9, flags=numbers(flag)[0])
    by_opcode = walk(path, f"etw:{PROVIDER}:9")
    _, seen = only_event(path)
    assert (seen.pointer_size == 4) is (what == "pointers of 4 bytes")
    assert len(by_opcode) == (what == "an opcode")


@pytest.mark.parametrize("pointer_size", [8, 4])
def test_a_recording_begins_with_a_trace_logfile_header(tmp_path: Path, pointer_size: int) -> None:
    """TRACE_LOGFILE_HEADER of either size, its TIME_ZONE_INFORMATION and SYSTEMTIMEs: facts and decoded fields."""
    path = tmp_path / "made.etl"
    with written(path, pointer_size=pointer_size):
        pass
    theirs = constant(f"TRACE_LOGFILE_HEADER{pointer_size * 8}", f"""{{
        .BufferSize = {BUFFER}, .VersionDetail = {{10, 11, 12, 13}}, .ProviderVersion = 22621, .NumberOfProcessors = 5,
        .EndTime = {{.QuadPart = {END}}}, .TimerResolution = 156250, .MaximumFileSize = 77,
        .LogFileMode = 0x10001, .BuffersWritten = 9, .StartBuffers = 1, .PointerSize = {pointer_size}, .EventsLost = 88,
        .CpuSpeedInMHz = 2500, .LoggerName = 0, .LogFileName = 0, .TimeZone = {{
            .Bias = -60, .StandardBias = 1,
            .StandardName = L"Standard", .StandardDate = {{2023, 10, 0, 29, 3, 4, 5, 6}},
            .DaylightName = L"Daylight", .DaylightDate = {{2023, 3, 0, 26, 2, 1, 0, 0}}, .DaylightBias = -61}},
        .BootTime = {{.QuadPart = {BOOT}}}, .PerfFreq = {{.QuadPart = 3000000}},
        .StartTime = {{.QuadPart = {START}}}, .ReservedFlags = 1, .BuffersLost = 99}}""")
    data = bytearray(path.read_bytes())
    assert len(theirs) == {8: 280, 4: 272}[pointer_size]
    data[HEADER + 32 : HEADER + 32 + len(theirs)] = theirs
    path.write_bytes(data)
    with closing(EtlSource(path)) as source:
        facts = source.facts()
    assert (facts.os_version, facts.processors, facts.pointer_size) == ("10.11.22621", 5, pointer_size)
    assert (facts.events_lost, facts.buffers_lost, facts.buffers_written) == (88, 99, 9)
    assert (facts.frequency, facts.clock, facts.buffer_size) == (3_000_000, "qpc", BUFFER)
    ends = [clock.unix_ns(each) for each in (BOOT, START, END)]
    assert [facts.boot_ns, facts.start_ns, facts.end_ns] == ends
    assert shown(path) == {
        "BufferSize": BUFFER, "Version": "0xd0c0b0a", "ProviderVersion": 22621, "NumberOfProcessors": 5,
        "EndTime": filetime_text(END), "TimerResolution": 156250, "MaxFileSize": 77, "LogFileMode": "0x10001",
        "BuffersWritten": 9, "StartBuffers": 1, "PointerSize": pointer_size, "EventsLost": 88, "CPUSpeed": 2500,
        "LoggerName": "0x0", "LogFileName": "0x0", "Bias": -60, "StandardName": "Standard", "StandardBias": 1,
        "StandardDate": "2023-10-29T03:04:05.006Z", "DaylightName": "Daylight", "DaylightBias": -61,
        "DaylightDate": "2023-03-26T02:01:00.000Z", "Padding": 0, "BootTime": filetime_text(BOOT),
        "PerfFreq": 3_000_000, "StartTime": filetime_text(START), "ReservedFlags": 1, "BuffersLost": 99,
        "SessionName": "tracerd", "LogFile": "tracerd.etl",
    }


def shown(path: Path) -> dict[str, Any]:
    """Return the decoded fields of the first event."""
    with closing(EtlDecoding(path, Catalog(), Selection())) as decoding:
        first = b"".join(decoding.pieces("json")).splitlines()[0]
    fields: dict[str, Any] = json.loads(first)["fields"]
    return fields


def test_a_buffer_begins_as_a_wnode_does(tmp_path: Path) -> None:
    """WMI_BUFFER_HEADER is in no public header; it grew out of WNODE_HEADER, and has an ETW_BUFFER_CONTEXT."""
    path = tmp_path / "made.etl"
    with written(path, cpus=3) as writer:
        writer.manifest_event(TICKS + 1, PROVIDER, 1, cpu=2)
    buffer = path.read_bytes()[BUFFER:]
    at = layout("WNODE_HEADER", "BufferSize", "TimeStamp", "ClientContext", "Flags")
    assert struct.unpack_from("<I", buffer, at["BufferSize"][0]) == (BUFFER,)
    assert struct.unpack_from("<q", buffer, at["TimeStamp"][0]) == (TICKS + 1,)
    context = constant("ETW_BUFFER_CONTEXT", "{.ProcessorIndex = 2, .LoggerId = 1}")
    assert at["ClientContext"] == (0x28, len(context))
    assert buffer[0x28:0x2C] == context
    assert walk(path)[1].run_cpu == 2


@pytest.mark.parametrize(
    ("kind", "value", "field", "text"),
    [
        ("SYSTEMTIME", "{2024, 2, 4, 29, 23, 58, 57, 123}", "systemtime", "2024-02-29T23:58:57.123Z"),
        ("FILETIME", "{.dwLowDateTime = 0xd53e8001, .dwHighDateTime = 0x19db1de}", "filetime",
         "1970-01-01T00:00:00.0000001Z"),
        ("GUID", GUIDS[PROVIDER], "guid", str(PROVIDER)),
        ("struct {SID sid; DWORD more[3];}", "{{1, 4, {{0, 0, 0, 0, 0, 5}}, {21}}, {1, 2, 1001}}", "sid",
         "S-1-5-21-1-2-1001"),
        ("struct {TOKEN_USER user; SID sid; DWORD more;}",
         "{{{(PSID)1, SE_GROUP_ENABLED}}, {1, 2, {{0, 0, 0, 0, 0, 16}}, {8192}}, 7}", "wbemsid", "S-1-16-8192-7"),
        ("struct sockaddr_in", "{AF_INET, 0xbb01, {{{10, 2, 3, 4}}}, {0}}", "sockaddr[16]", "10.2.3.4:443"),
        ("struct sockaddr_in6", "{AF_INET6, 0x3500, 0, {{{0x20, 1, 0xd, 0xb8, [15] = 9}}}, {0}}", "sockaddr[28]",
         "[2001:db8::9]:53"),
    ],
)
def test_values_of_windows_types_are_decoded(kind: str, value: str, field: str, text: str) -> None:
    """What a payload holds, as Windows' own compiler lays it out."""
    raw = constant(kind, value)
    assert fields_of(raw, f"Value:{field}") == {"Value": text}


def test_all_headers_lay_an_event_record_out_alike() -> None:
    """evntcons.h for sessions and relogger.h for relogging have the same EVENT_RECORD: 112 bytes."""
    members = {
        "EVENT_RECORD": ("EventHeader", "BufferContext", "ExtendedDataCount", "UserDataLength", "ExtendedData",
                         "UserData", "UserContext"),
        "EVENT_HEADER": ("Size", "HeaderType", "Flags", "EventProperty", "ThreadId", "ProcessId", "TimeStamp",
                         "ProviderId", "EventDescriptor", "ProcessorTime", "ActivityId"),
        "EVENT_HEADER_EXTENDED_DATA_ITEM": ("ExtType", "DataSize", "DataPtr"),
        "ETW_BUFFER_CONTEXT": ("ProcessorNumber", "LoggerId"),
    }
    for kind, names in members.items():
        assert layout(kind, *names) == layout(kind, *names, headers=RELOGGER), kind
    assert layout("EVENT_RECORD")[""] == (0, 112)
