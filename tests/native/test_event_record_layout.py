"""What a live session exchanges with Windows lies as mingw-w64's headers say: the core's EVENT_RECORD, the structs that
pywintrace fills for us, and the answers of TDH.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.native.windows_headers import HEADERS, constant, layout, needs_mingw, numbers
from tests.sources.etw_shim import installed
from tracerd.sources.etw import api, tdh_info

pytestmark = needs_mingw

RECORD = {
    ("struct tr_event_descriptor", "EVENT_DESCRIPTOR"): {
        "id": "Id", "version": "Version", "channel": "Channel", "level": "Level", "opcode": "Opcode", "task": "Task",
        "keyword": "Keyword",
    },
    ("struct tr_event_header", "EVENT_HEADER"): {
        "size": "Size", "header_type": "HeaderType", "flags": "Flags", "event_property": "EventProperty",
        "thread_id": "ThreadId", "process_id": "ProcessId", "time_stamp": "TimeStamp", "provider_id": "ProviderId",
        "descriptor": "EventDescriptor", "processor_time": "ProcessorTime", "activity_id": "ActivityId",
    },
    ("struct tr_buffer_context", "ETW_BUFFER_CONTEXT"): {"processor": "ProcessorIndex", "logger_id": "LoggerId"},
    ("struct tr_extended_item", "EVENT_HEADER_EXTENDED_DATA_ITEM"): {
        "reserved": "Reserved1", "type": "ExtType", "data_size": "DataSize", "data_ptr": "DataPtr",
    },
    ("struct tr_event_record", "EVENT_RECORD"): {
        "header": "EventHeader", "buffer": "BufferContext", "extended_count": "ExtendedDataCount",
        "user_data_length": "UserDataLength", "extended": "ExtendedData", "user_data": "UserData",
        "user_context": "UserContext",
    },
}
"""The core's structs (native/src/etw_record.h) and Windows': each member with its name there."""

CONSTANTS = {
    "TR_RECORD_EXTENDED_INFO": "EVENT_HEADER_FLAG_EXTENDED_INFO",
    "TR_RECORD_TRACE_MESSAGE": "EVENT_HEADER_FLAG_TRACE_MESSAGE",
    "TR_RECORD_32_BIT_HEADER": "EVENT_HEADER_FLAG_32_BIT_HEADER",
    "TR_RECORD_64_BIT_HEADER": "EVENT_HEADER_FLAG_64_BIT_HEADER",
    "TR_RECORD_CLASSIC_HEADER": "EVENT_HEADER_FLAG_CLASSIC_HEADER",
    "TR_RECORD_PROCESSOR_INDEX": "EVENT_HEADER_FLAG_PROCESSOR_INDEX",
}

PYWINTRACE = {
    ("evntcons", "EVENT_HEADER"): "EVENT_HEADER",
    ("evntcons", "EVENT_RECORD"): "EVENT_RECORD",
    ("evntcons", "ETW_BUFFER_CONTEXT"): "ETW_BUFFER_CONTEXT",
    ("evntprov", "EVENT_DESCRIPTOR"): "EVENT_DESCRIPTOR",
    ("evntprov", "EVENT_FILTER_DESCRIPTOR"): "EVENT_FILTER_DESCRIPTOR",
    ("evntrace", "WNODE_HEADER"): "WNODE_HEADER",
    ("evntrace", "EVENT_TRACE_PROPERTIES"): "EVENT_TRACE_PROPERTIES",
    ("evntrace", "EVENT_TRACE_HEADER"): "EVENT_TRACE_HEADER",
    ("evntrace", "EVENT_TRACE"): "EVENT_TRACE",
    ("evntrace", "TRACE_LOGFILE_HEADER"): "TRACE_LOGFILE_HEADER",
    ("evntrace", "EVENT_TRACE_LOGFILE"): "EVENT_TRACE_LOGFILEW",
    ("evntrace", "ENABLE_TRACE_PARAMETERS"): "ENABLE_TRACE_PARAMETERS",
}
"""pywintrace's structs that sessions use, by module, and what they are in Windows' headers."""

RENAMED = {
    "MajorVersion": "VersionDetail.MajorVersion", "MinorVersion": "VersionDetail.MinorVersion",
    "SubVersion": "VersionDetail.SubVersion", "SubMinorVersion": "VersionDetail.SubMinorVersion",
}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[api.Api]:
    """Return pywintrace as Windows' ctypes lays it out: a character has 16 bits there, and 32 here."""
    monkeypatch.setattr(ctypes, "c_wchar", ctypes.c_uint16)
    with installed(monkeypatch):
        yield api.load()


@pytest.mark.parametrize(("ours", "theirs"), RECORD, ids=lambda name: name.split()[-1])
def test_the_core_reads_an_event_record_where_windows_has_it(ours: str, theirs: str) -> None:
    """Offset and size of every member, and of the whole."""
    members = RECORD[ours, theirs]
    mine = layout(ours, *members, headers=(*HEADERS, "etw_record.h"))
    assert list(mine.values()) == list(layout(theirs, *members.values()).values())


def test_the_core_knows_flags_by_windows_numbers() -> None:
    """EVENT_HEADER_FLAG_* of evntcons.h."""
    headers = (*HEADERS, "etw_record.h")
    assert numbers(*CONSTANTS, headers=headers) == numbers(*CONSTANTS.values(), headers=headers)


@pytest.mark.parametrize(("module", "name"), PYWINTRACE)
def test_pywintrace_lays_structs_out_as_windows_does(windows: api.Api, module: str, name: str) -> None:
    """Offset and size of every member that pywintrace has, and of the whole."""
    kind: Any = getattr(getattr(windows, module), name)
    theirs = layout(PYWINTRACE[module, name], *(RENAMED.get(each, each) for each, _ in kind._fields_))
    members = {RENAMED.get(each, each): getattr(kind, each) for each, _ in kind._fields_}
    mine = {each: (place.offset, place.size) for each, place in members.items()}
    assert {"": (0, ctypes.sizeof(kind)), **mine} == theirs


def test_the_modes_of_a_session_are_windows_numbers(windows: api.Api) -> None:
    """What a session is started, opened, stopped and asked with."""
    names = (
        "EVENT_TRACE_CONTROL_QUERY", "EVENT_TRACE_CONTROL_STOP", "EVENT_TRACE_CONTROL_UPDATE",
        "EVENT_CONTROL_CODE_DISABLE_PROVIDER", "EVENT_CONTROL_CODE_ENABLE_PROVIDER", "EVENT_TRACE_REAL_TIME_MODE",
        "EVENT_TRACE_SYSTEM_LOGGER_MODE", "WNODE_FLAG_TRACED_GUID",
    )
    known = [name for name in names if hasattr(windows.evntrace, name)]
    assert len(known) >= 5
    assert numbers(*known) == tuple(getattr(windows.evntrace, name) for name in known)


GUID = UUID("01020304-0506-0708-090a-0b0c0d0e0f10")
C_GUID = "{0x01020304, 0x0506, 0x0708, {9, 10, 11, 12, 13, 14, 15, 16}}"
NAMES = 'L"Task\\0Size\\0Blob\\0Map"'


def test_tdh_tells_an_event_as_tdh_h_has_it() -> None:
    """TRACE_EVENT_INFO with two EVENT_PROPERTY_INFO, one of which has its length in the other."""
    kind = "struct {TRACE_EVENT_INFO info; EVENT_PROPERTY_INFO more; WCHAR names[32];}"
    names = "sizeof(TRACE_EVENT_INFO) + sizeof(EVENT_PROPERTY_INFO)"
    data = constant(kind, f"""{{
        .info = {{
            .ProviderGuid = {C_GUID}, .EventDescriptor = {{
                .Id = 0x4142, .Version = 3, .Level = 4, .Opcode = 5, .Task = 0x61, .Keyword = 0x8000000000000010}},
            .TaskNameOffset = {names}, .PropertyCount = 2, .TopLevelPropertyCount = 2,
            .EventPropertyInfoArray = {{{{
                .NameOffset = {names} + 10, .nonStructType = {{8, 0, 0}}, .count = 1, .length = 4}}}}}},
        .more = {{
            .Flags = PropertyParamLength, .NameOffset = {names} + 20,
            .nonStructType = {{14, 0, {names} + 30}}, .count = 1, .lengthPropertyIndex = 0}},
        .names = {NAMES}}}""")
    assert tdh_info.event(data) == {
        "id": 0x4142, "version": 3, "name": "Task", "level": 4, "opcode": 5, "task": 0x61, "opcode_name": "",
        "keyword": 0x8000000000000010, "fields": [
            {"name": "Size", "in_type": "UInt32"},
            {"name": "Blob", "in_type": "Binary", "length": "Size", "map": "Map"},
        ],
    }


def test_tdh_tells_a_map_as_tdh_h_has_it() -> None:
    """EVENT_MAP_INFO with two EVENT_MAP_ENTRY."""
    kind = "struct {EVENT_MAP_INFO info; EVENT_MAP_ENTRY more; WCHAR names[32];}"
    names = "sizeof(EVENT_MAP_INFO) + sizeof(EVENT_MAP_ENTRY)"
    data = constant(kind, f"""{{
        .info = {{.NameOffset = {names} + 30, .Flag = EVENTMAP_INFO_FLAG_MANIFEST_BITMAP, .EntryCount = 2,
                  .MapEntryArray = {{{{.OutputOffset = {names}, .Value = 1}}}}}},
        .more = {{.OutputOffset = {names} + 10, .Value = 0x80000000}}, .names = {NAMES}}}""")
    assert tdh_info.value_map(data) == {"values": {"1": "Task", "2147483648": "Size"}, "bits": True}


def test_tdh_tells_providers_and_keywords_as_tdh_h_has_them() -> None:
    """PROVIDER_ENUMERATION_INFO and PROVIDER_FIELD_INFOARRAY."""
    listed = constant("struct {PROVIDER_ENUMERATION_INFO info; WCHAR names[32];}", f"""{{
        .info = {{.NumberOfProviders = 1, .TraceProviderInfoArray = {{{{
            .ProviderGuid = {C_GUID}, .ProviderNameOffset = sizeof(PROVIDER_ENUMERATION_INFO)}}}}}},
        .names = {NAMES}}}""")
    assert tdh_info.providers(listed) == {"Task": GUID}
    masks = constant("struct {PROVIDER_FIELD_INFOARRAY info; WCHAR names[32];}", f"""{{
        .info = {{.NumberOfElements = 1, .FieldType = EventKeywordInformation, .FieldInfoArray = {{{{
            .NameOffset = sizeof(PROVIDER_FIELD_INFOARRAY) + 10, .Value = 0x4000000000000001}}}}}},
        .names = {NAMES}}}""")
    assert tdh_info.keywords(masks) == {"Size": 0x4000000000000001}


def test_tdh_is_asked_with_an_event_descriptor() -> None:
    """A descriptor is an EVENT_DESCRIPTOR: what Windows is asked with next is its bytes."""
    descriptor = constant("EVENT_DESCRIPTOR", "{.Id = 7, .Version = 2, .Keyword = 1}")
    (found,) = tdh_info.descriptors(struct.pack("<II", 1, 0) + descriptor)
    assert (found.id, found.version, found.raw) == (7, 2, descriptor)
