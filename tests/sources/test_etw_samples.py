"""Real recordings, decoded: no byte is left over, or the reason is listed here."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.sources.etl_support import SAMPLES, needs_samples
from tracerd.errors import NotSupported
from tracerd.sources.etl_decoding import EtlDecoding, Selection
from tracerd.sources.etw_decoder import Decoded
from tracerd.sources.schema.catalog import Catalog

pytestmark = needs_samples

FILES = sorted(SAMPLES.glob("*.etl")) if SAMPLES.is_dir() else []


SCHEMA, OWN = "schema", "own description"
COVERAGE: dict[str, dict[str, int]] = {
    "airbus_AMSITrace.etl": {SCHEMA: 2, OWN: 19},
    "airbus_ShutdownPerfDiagLogger.etl": {SCHEMA: 17078},
    "airbus_lxcore_kernel.etl": {SCHEMA: 2, OWN: 2},
    "demikernel_PktMon.etl": {SCHEMA: 467},
    "krabsetw_powershell.etl": {SCHEMA: 114},
    "perfview_SelfDescribingSingleEvent.etl": {SCHEMA: 22, OWN: 1},
    "perfview_gcevents.etl": {SCHEMA: 71},
    "perfview_primitive-types.etl": {SCHEMA: 2, OWN: 5},
    "perfview_smallEtlFile.etl": {SCHEMA: 2},
    "syzygy_image_data_64_v2.etl": {SCHEMA: 27},
    "syzygy_process_data_32_v1.etl": {SCHEMA: 3},
    "syzygy_process_data_64_v3.etl": {SCHEMA: 9},
    "syzygy_test_data_32_v0.etl": {SCHEMA: 27},
}
"""What became of every event of every recording: by what it was decoded, or the reason why it was not (none today)."""


def decode(path: Path) -> tuple[list[dict[str, Any]], Decoded]:
    """Return all events, and what became of them."""
    try:
        decoding = EtlDecoding(path, Catalog(), Selection())
    except NotSupported as refusal:
        pytest.skip(f"this version of the reader: {refusal}")
    with closing(decoding):
        lines = b"".join(decoding.pieces("json")).splitlines()
        return [json.loads(line) for line in lines], decoding.counts()


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in FILES])
def test_every_event_is_decoded_to_its_last_byte(path: Path) -> None:
    """With nothing left over and nothing missing, but for what COVERAGE lists; a recording that is not there is new."""
    events, counts = decode(path)
    found = Counter({SCHEMA: counts.decoded - counts.self_described, OWN: counts.self_described, **counts.unknown})
    print(f"{path.name}: {counts.events:,} events, {dict(+found)}")
    assert counts.lost == 0
    assert counts.events == len(events)
    assert sum("reason" in each for each in events) == sum(counts.unknown.values())
    assert +found == COVERAGE[path.name]


def test_no_recording_is_missing() -> None:
    """The table above has those that are there."""
    assert {path.name for path in FILES} == set(COVERAGE)


def test_all_primitive_types_of_trace_logging() -> None:
    """A real provider's event with one field of each type, against what was written (the field names say it)."""
    events, counts = decode(SAMPLES / "perfview_primitive-types.etl")
    assert counts.self_described == 5
    first = next(each for each in events if each["provider"] == "solar_system")
    assert (first["event"], first["id"], first["pid"]) == ("PrimitiveTypesTest", 0, 33984)
    assert first["fields"]["string_type"] == "Mercury"
    assert (first["fields"]["boolean_type"], first["fields"]["char_type"]) == (False, "M")
    assert [first["fields"][name] for name in ("int16_type", "int32_type", "uint16_type", "uint32_type")] == [
        -51, -102, 51, 102
    ]
    assert first["fields"]["guid_type"] == "0ad614c4-0ef4-4225-8013-f44f37cb0397"
    assert first["fields"]["file_time_type"].startswith("2021-09-09T14:59:35.")
    assert first["fields"]["system_time_type"].startswith("2021-09-09T14:59:35.")


def test_an_event_of_an_event_source_describes_itself() -> None:
    """A compressed recording of one self-describing event."""
    events, counts = decode(SAMPLES / "perfview_SelfDescribingSingleEvent.etl")
    assert counts.self_described == 1
    assert any(each["fields"] for each in events if "fields" in each and "hook" not in each)


def test_processes_of_a_real_machine() -> None:
    """Kernel events by hook: ids, users, images and command lines of Windows 10."""
    events, _ = decode(SAMPLES / "airbus_ShutdownPerfDiagLogger.etl")
    started = [each["fields"] for each in events if each["provider"] == "Process" and each["event"] == "DCStart"]
    system = next(each for each in started if each["ProcessId"] == 4)
    assert (system["ImageFileName"], system["UserSID"]) == ("System", "S-1-5-18")
    assert all(each["ImageFileName"].isprintable() and each["ProcessId"] % 4 == 0 for each in started)


def test_payloads_of_a_64_bit_kernel_in_32_bit_headers() -> None:
    """A 32-bit program handed them on: pointers are as wide as fits the payload."""
    events, _ = decode(SAMPLES / "syzygy_process_data_64_v3.etl")
    notepad = [each for each in events if each.get("fields", {}).get("ImageFileName") == "notepad.exe"]
    assert {each["event"] for each in notepad} >= {"Start", "End"}
