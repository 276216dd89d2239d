"""TDH's descriptions of events and maps, as relogged recordings carry them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.etl_support import SAMPLES, needs_samples
from tests.sources.schema_support import decode
from tracerd.errors import ConfigError
from tracerd.sources import etl_descriptions
from tracerd.sources.etl_decoding import EtlDecoding, Selection
from tracerd.sources.etl_descriptions import EVENT_INFO, MAP_INFO, TRACE_EVENT_INFO, read_descriptions
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.event_info import read_event_info, read_map_info
from tracerd.sources.schema.model import Provider, ValueMap

GUID = UUID("cccccccc-1111-2222-3333-444444444444")
UINT8, UINT16, UINT32, TEXT, BINARY = 4, 6, 8, 1, 14
STRUCT, LENGTH_REF, COUNT_REF, FIXED_LENGTH, FIXED_COUNT = 1, 2, 4, 0x10, 0x20
HEAD, PROPERTY = 112, 24


class Texts:
    """Texts behind a description."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.data = b""

    def put(self, text: str) -> int:
        """Return the offset of a text; 0 for none."""
        if not text:
            return 0
        at = self.start + len(self.data)
        self.data += (text + "\0").encode("utf-16-le")
        return at


def event_info(
    properties: Sequence[tuple[Any, ...]], *, top: int | None = None, task: str = "Moved", opcode: str = "Start",
    source: int = 0, number: int = 5,
) -> bytes:
    """Return a TRACE_EVENT_INFO. A property is (name, flags, in or first, out or how many, count, length, map)."""
    texts = Texts(HEAD + PROPERTY * len(properties))
    rows = b"".join(
        struct.pack("<IIHHIHHI", flags, texts.put(name), first, second, texts.put(of_map), count, length, 0)
        for name, flags, first, second, count, length, of_map in properties
    )
    offsets = [texts.put("Store"), 0, 0, 0, texts.put(task + " "), texts.put(opcode), *[0] * 6]
    head = struct.pack(
        "<16s16sHBBBBHQ", GUID.bytes_le, bytes(16), number, 2, 0, 4, 1 if opcode else 0, 9, 0x20
    ) + struct.pack("<16I", source, *offsets, len(properties), len(properties) if top is None else top, 0)
    return head + rows + texts.data


def map_info(name: str, values: Mapping[int, str], *, kind: int = 1, count: int | None = None) -> bytes:
    """Return a MapInfo: a GUID and an EVENT_MAP_INFO."""
    texts = Texts(16 + 8 * len(values))
    at = texts.put(name)
    rows = b"".join(struct.pack("<II", texts.put(text), value) for value, text in values.items())
    head = struct.pack("<16s4I", GUID.bytes_le, at, kind, len(values) if count is None else count, 0)
    return head + rows + texts.data


SIZES = event_info([
    ("Kind", 0, UINT16, 0, 1, 2, "Kinds"),
    ("Size", 0, UINT8, 16, 1, 1, ""),
    ("Blob", LENGTH_REF, BINARY, 0, 1, 1, ""),
    ("Address", FIXED_LENGTH, BINARY, 24, 1, 16, ""),
    ("Items", STRUCT | COUNT_REF, 7, 2, 1, 0, ""),
    ("Three", FIXED_COUNT, UINT8, 0, 3, 1, ""),
    ("Word", FIXED_LENGTH, TEXT, 0, 1, 2, ""),
    ("Port", 0, UINT16, 22, 1, 2, ""),
    ("Name", 0, TEXT, 0, 1, 0, ""),
], top=7)
PAYLOAD = (
    struct.pack("<HB", 1, 1) + b"\xff" + bytes(15) + b"\1" + struct.pack(">H", 443) + "n\0".encode("utf-16-le")
    + b"\1\2\3" + "ab".encode("utf-16-le")
)


def test_an_event_is_decoded_by_its_description(tmp_path: Path) -> None:
    """Lengths and counts by property, a struct, an array, in- and OutTypes, a map; found wherever it is in the file."""
    with EtlWriter(tmp_path / "a.etl") as etl:
        etl.manifest_event(1_000_001, GUID, 5, PAYLOAD, version=2)
        etl.classic_event(1_000_002, TRACE_EVENT_INFO, EVENT_INFO, SIZES)
        etl.classic_event(1_000_003, TRACE_EVENT_INFO, MAP_INFO, map_info("Kinds", {1: "Fast "}))
    with closing(EtlDecoding(tmp_path / "a.etl", Catalog(), Selection(providers=("store",)))) as decoding:
        (found,) = [json.loads(line) for line in b"".join(decoding.pieces("json")).splitlines()]
        assert decoding.refused_descriptions == 0
    assert (found["provider"], found["event"]) == ("Store", "MovedStart")
    assert found["fields"] == {
        "Kind": 1, "Size": "0x1", "Blob": "ff", "Address": "::1", "Items": [{"Port": 443, "Name": "n"}],
        "Three": [1, 2, 3], "Word": "ab",
    }
    assert found["labels"] == {"Kind": "Fast"}
    assert "reason" not in found


def test_a_bit_map_names_bits() -> None:
    """EVENTMAP_INFO_FLAG_MANIFEST_BITMAP."""
    guid, name, values = read_map_info(map_info("Flags", {1: "Read", 4: "Write"}, kind=2))
    assert (guid, name, values) == (GUID, "Flags", ValueMap({1: "Read", 4: "Write"}, bits=True))


def test_an_event_without_a_task_is_called_after_its_number() -> None:
    """And one without a map that is known has none."""
    described = read_event_info(event_info([("A", 0, UINT8, 0, 1, 1, "Nowhere")], task="", opcode=""), {})
    assert (described.event.name, described.event.fields[0].map) == ("Event5", "")


SELF = ("A", STRUCT, 0, 1, 1, 0, "")
SENSELESS = {
    "shorter than its head": SIZES[:HEAD - 1],
    "fewer properties than it says": SIZES[:HEAD + PROPERTY],
    "more at the top than there are": event_info([], top=3),
    "a classic event": event_info([], source=1),
    "an InType that there is not": event_info([("A", 0, 99, 0, 1, 1, "")]),
    "a length behind its field": event_info([("A", LENGTH_REF, BINARY, 0, 1, 1, ""), ("B", 0, UINT8, 0, 1, 1, "")]),
    "a length that is a text": event_info([("A", 0, TEXT, 0, 1, 0, ""), ("B", LENGTH_REF, BINARY, 0, 1, 0, "")]),
    "a length that another field's name hides": event_info([
        ("A", 0, UINT8, 0, 1, 1, ""), ("A", 0, UINT8, 0, 1, 1, ""), ("B", LENGTH_REF, BINARY, 0, 1, 0, ""),
    ]),
    "bytes without a length": event_info([("A", 0, BINARY, 0, 1, 0, "")]),
    "a struct in itself": event_info([SELF]),
    "members that are not there": event_info([("A", STRUCT, 1, 500, 1, 0, "")]),
    "structs that each have all behind them": event_info([("A", STRUCT, n + 1, 40 - n, 1, 0, "") for n in range(41)]),
}


@pytest.mark.parametrize("payload", SENSELESS.values(), ids=SENSELESS)
def test_a_senseless_description_is_refused(payload: bytes) -> None:
    """Whatever it says, it ends soon."""
    with pytest.raises(ConfigError, match="EventInfo"):
        read_event_info(payload, {})


@pytest.mark.parametrize(
    "payload",
    [b"", map_info("A", {1: "B"}, kind=4), map_info("A", {1: "B"}, count=99), map_info("A", {}, count=0xFFFFFFFF)],
    ids=["empty", "a map of patterns", "fewer entries than it says", "entries without end"],
)
def test_a_senseless_map_is_refused(payload: bytes) -> None:
    """Nothing is read beyond it."""
    with pytest.raises(ConfigError, match="MapInfo"):
        read_map_info(payload)


@given(st.integers(0, len(SIZES) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_description_is_read_or_refused(at: int, damage: bytes) -> None:
    """Any bytes anywhere: no other error, and what is read can be prepared or is refused by the core."""
    damaged = SIZES[:at] + damage + SIZES[at + len(damage):]
    try:
        described = read_event_info(damaged, {(GUID, "Kinds"): ValueMap({1: "x"})})
    except ConfigError:
        return
    key = (described.event.number, described.event.version)
    provider = Provider(
        described.name, described.provider, events={key: described.event}, maps={"Kinds": ValueMap({1: "x"})}
    )
    try:
        found = decode(PAYLOAD, [provider], guid=described.provider, id=key[0], version=key[1])
    except ConfigError:
        return
    assert found["event"] == described.event.name


def test_senseless_and_superfluous_descriptions_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the recording; the others are used. Too many labels are one map too many."""
    with EtlWriter(tmp_path / "a.etl") as etl:
        for at, payload in enumerate([SIZES, SIZES, *SENSELESS.values()]):
            etl.classic_event(1_000_001 + at, TRACE_EVENT_INFO, EVENT_INFO, payload)
        etl.classic_event(1_000_100, TRACE_EVENT_INFO, MAP_INFO, map_info("Kinds", {1: "Fast", 2: "Slow"}))
    described = read_descriptions(tmp_path / "a.etl")
    assert described.refused == len(SENSELESS)
    assert [(each.name, list(each.events)) for each in described.providers] == [("Store", [(5, 2)])]
    monkeypatch.setattr(etl_descriptions, "MAX_LABELS", 1)
    assert read_descriptions(tmp_path / "a.etl").refused == len(SENSELESS) + 1
    monkeypatch.setattr(etl_descriptions, "MAX_WEIGHT", 0)
    assert read_descriptions(tmp_path / "a.etl").providers == ()


@needs_samples
def test_the_shipped_pktmon_schema_says_what_windows_says_in_a_recording() -> None:
    """Names, types, lengths and maps of all events described there, and nearly all labels."""
    described = read_descriptions(SAMPLES / "demikernel_PktMon.etl")
    (own,) = described.providers
    (ours,) = Catalog().by_guid(own.guid)
    assert described.refused == 0
    assert own.name == ours.name
    assert len(own.events) == 12
    assert {key: event.fields for key, event in own.events.items()} == {
        key: ours.events[key].fields for key in own.events
    }
    assert {name: set(each.values) for name, each in own.maps.items()} == {
        name: set(ours.maps[name].values) for name in own.maps
    }
