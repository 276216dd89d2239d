"""What a live session takes from Windows and tells it is what mingw-w64's headers say: flags, codes, TDH's answers.
Its structs are compared by tests/sources/test_etw_structs.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.native.windows_headers import HEADERS, constant, needs_mingw, numbers
from tests.sources.etw_shim import installed
from tracerd.sources.etw import api, kernel_flags, refusals, tdh_info

pytestmark = needs_mingw

CONSTANTS = {
    "TR_RECORD_TRACE_MESSAGE": "EVENT_HEADER_FLAG_TRACE_MESSAGE",
    "TR_RECORD_32_BIT_HEADER": "EVENT_HEADER_FLAG_32_BIT_HEADER",
    "TR_RECORD_CLASSIC_HEADER": "EVENT_HEADER_FLAG_CLASSIC_HEADER",
    "TR_RECORD_PROCESSOR_INDEX": "EVENT_HEADER_FLAG_PROCESSOR_INDEX",
}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[api.Api]:
    """Return pywintrace."""
    with installed(monkeypatch):
        yield api.load()


def test_the_core_knows_flags_by_windows_numbers() -> None:
    """EVENT_HEADER_FLAG_* of evntcons.h."""
    headers = (*HEADERS, "etw_record.h")
    assert numbers(*CONSTANTS, headers=headers) == numbers(*CONSTANTS.values(), headers=headers)


@pytest.mark.parametrize(
    "name",
    ["EVENT_TRACE_CONTROL_QUERY", "EVENT_TRACE_CONTROL_STOP", "EVENT_TRACE_CONTROL_UPDATE",
     "EVENT_CONTROL_CODE_DISABLE_PROVIDER", "EVENT_CONTROL_CODE_ENABLE_PROVIDER"],
)
def test_sessions_are_controlled_by_windows_numbers(windows: api.Api, name: str) -> None:
    """What ControlTrace and EnableTraceEx2 are told."""
    assert numbers(name) == (getattr(windows.evntrace, name),)


def test_recordings_are_read_by_windows_modes(windows: api.Api) -> None:
    """PROCESS_TRACE_MODE_* of evntcons.h."""
    names = ("PROCESS_TRACE_MODE_REAL_TIME", "PROCESS_TRACE_MODE_EVENT_RECORD", "PROCESS_TRACE_MODE_RAW_TIMESTAMP")
    assert numbers(*names) == tuple(getattr(windows.evntcons, name) for name in names)


def test_kernel_groups_are_enabled_by_windows_flags() -> None:
    """EVENT_TRACE_FLAG_* of evntrace.h; two are called otherwise there."""
    otherwise = {"PAGE_FAULTS": "MEMORY_PAGE_FAULTS", "HARD_FAULTS": "MEMORY_HARD_FAULTS"}
    ours = {name: value for name, value in vars(kernel_flags).items() if isinstance(value, int)}
    del ours["THREADS_KNOWN"]
    theirs = [f"EVENT_TRACE_FLAG_{otherwise.get(name, name)}" for name in ours]
    assert len(ours) == 18
    assert numbers(*theirs) == tuple(ours.values())


def test_refusals_are_told_by_windows_codes() -> None:
    """ERROR_* of winerror.h."""
    codes = {
        "ERROR_SUCCESS": refusals.SUCCESS, "ERROR_ACCESS_DENIED": refusals.ACCESS_DENIED,
        "ERROR_INSUFFICIENT_BUFFER": refusals.INSUFFICIENT_BUFFER, "ERROR_ALREADY_EXISTS": refusals.ALREADY_EXISTS,
        "ERROR_NOT_FOUND": refusals.NOT_FOUND, "ERROR_PRIVILEGE_NOT_HELD": refusals.PRIVILEGE_NOT_HELD,
        "ERROR_NO_SYSTEM_RESOURCES": refusals.NO_SYSTEM_RESOURCES,
        "ERROR_WMI_INSTANCE_NOT_FOUND": refusals.INSTANCE_NOT_FOUND, "ERROR_CTX_CLOSE_PENDING": refusals.CLOSE_PENDING,
    }
    assert numbers(*codes) == tuple(codes.values())


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
