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

KNOWN: dict[tuple[str, str, int, int], str] = {}
"""(provider, event, number, version) -> why events of a schema that we have are not decoded to their last byte."""


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
def test_every_event_with_a_schema_is_decoded_to_its_last_byte(path: Path) -> None:
    """TraceLogging and shipped schemas: nothing left over and nothing missing, but for what KNOWN lists."""
    events, counts = decode(path)
    assert counts.events == len(events)
    unsound = Counter(
        (each["provider"], each["event"], each["id"] or each["opcode"], each["version"], each["reason"])
        for each in events
        if "fields" in each and "reason" in each
    )
    assert {key[:4]: key[4] for key in unsound} == {
        key: why for key, why in KNOWN.items() if key in {each[:4] for each in unsound}
    }
    assert {each["reason"] for each in events if "fields" not in each} <= {
        "no schema for its provider", "no schema for its id", "no schema for its version",
        "a WPP message: its format is in the PDB of its program",
    }


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
