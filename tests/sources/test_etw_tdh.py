"""Schemas asked of Windows: TDH's structs, made here by hand, become a dump that decodes events."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from tests.sources.etl_support import Recorder
from tests.sources.etw_shim import FakeWindows, installed
from tests.sources.schema_support import decode
from tracerd.cli.main import cli
from tracerd.errors import ConfigError, SourceError
from tracerd.sources.base import LinkRequest
from tracerd.sources.etw.api import load
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.etw.tdh import SchemaCache, Tdh, registered_here
from tracerd.sources.schema.tdh_cache import read_cache

pytestmark = pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning")       # pywintrace's thread calls it

GUID = UUID("11111111-2222-3333-4444-555555555555")
STRUCT, LENGTH_FIELD, COUNT_FIELD, FIXED_LENGTH, FIXED_COUNT = 0x1, 0x2, 0x4, 0x10, 0x20


@dataclass
class Property:
    """One EVENT_PROPERTY_INFO."""

    name: str
    first: int = 0               # InType, or the first member of a struct
    second: int = 0              # OutType, or how many members
    flags: int = 0
    count: int = 1
    length: int = 0
    map: str = ""


class Blob:
    """A struct with texts behind it, which it names by their offset."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.texts = b""

    def text(self, text: str) -> int:
        at = self.size + len(self.texts)
        self.texts += text.encode("utf-16-le") + b"\0\0"
        return at


def descriptor(number: int, version: int, task: int = 1) -> bytes:
    return struct.pack("<HBBBBHQ", number, version, 0, 4, 1, task, 0x10)


def event_info(
    number: int, task: str, properties: Sequence[Property], top: int | None = None, opcode: str = "", version: int = 0
) -> bytes:
    """Return a TRACE_EVENT_INFO; the first `top` properties are not in structs."""
    blob = Blob(112 + 24 * len(properties))
    offsets = [0] * 16
    offsets[5] = blob.text(task) if task else 0
    offsets[6] = blob.text(opcode) if opcode else 0
    offsets[13], offsets[14] = len(properties), len(properties) if top is None else top
    rows = b"".join(
        struct.pack(
            "<IIHHIHHI", each.flags, blob.text(each.name), each.first, each.second,
            blob.text(each.map) if each.map else 0, each.count, each.length, 0,
        )
        for each in properties
    )
    head = GUID.bytes_le + bytes(16) + descriptor(number, version) + struct.pack("<16I", *offsets)
    return head + rows + blob.texts


def listed(layout: str, rows: list[tuple[Any, ...]], texts: Blob | None = None) -> bytes:
    """Return {u32 count, u32, rows …} with texts behind."""
    body = b"".join(struct.pack(layout, *row) for row in rows)
    return struct.pack("<II", len(rows), 0) + body + (texts.texts if texts else b"")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWindows]:
    with installed(monkeypatch) as fake:
        yield fake


def register(windows: FakeWindows, *events: tuple[int, bytes]) -> None:
    """Register My-Provider with these events, all of version 0."""
    names = Blob(8 + 24)
    windows.providers = listed("<16sII", [(GUID.bytes_le, 0, names.text("My-Provider"))], names)
    rows = [tuple(struct.unpack("<HBBBBHQ", descriptor(number, 0))) for number, _ in events]
    windows.manifests[GUID.bytes_le] = listed("<HBBBBHQ", rows)
    windows.events = {(GUID.bytes_le, descriptor(number, 0)): info for number, info in events}


COPIED = event_info(
    1, "Copied",
    [
        Property("Count", 4, map="Kind"),
        Property("Names", 1, flags=COUNT_FIELD, count=0),
        Property("Blob", 14, flags=LENGTH_FIELD, length=0),
        Property("Status", 8, 31),
        Property("Address", 14, 24),
        Property("Items", 6, 2, flags=STRUCT | FIXED_COUNT, count=2),
        Property("Id", 8),
        Property("Port", 6, 22),
    ],
    top=6,
)  # fmt: skip


def test_a_dump_decodes_events_of_the_provider(windows: FakeWindows, tmp_path: Path) -> None:
    """Maps, texts by count, bytes by length, structs, keywords, types by OutType: to the last byte."""
    register(windows, (1, COPIED))
    kinds, words = Blob(16 + 16), Blob(8 + 16)
    rows = struct.pack("<IIII", kinds.text("None"), 0, kinds.text("Two "), 2)
    windows.maps["Kind"] = struct.pack("<IIII", 0, 1, 2, 0) + rows + kinds.texts
    windows.keywords[GUID.bytes_le] = listed("<IIQ", [(words.text("Disk"), 0, 1 << 40)], words)
    output = tmp_path / "mine.json"
    done = CliRunner().invoke(cli, ["etw", "schema", "my-provider", "-o", str(output)])
    assert (done.exit_code, done.stderr) == (0, f"{output}: 1 events of My-Provider\n")
    (provider,) = read_cache(output)
    assert (provider.name, provider.guid, provider.keywords) == ("My-Provider", GUID, {"Disk": 1 << 40})
    assert (provider.events[1, 0].level, provider.events[1, 0].keyword) == (4, 0x10)
    payload = (
        b"\2" + "a\0b\0".encode("utf-16-le") + b"\xfe\xff" + b"\5\0\0\xc0" + b"\0" * 15 + b"\1"
        + b"\1\0\0\0\x01\xbb" + b"\2\0\0\0\x00\x50"
    )
    found = decode(payload, [provider])
    assert found["fields"] == {
        "Count": 2, "Names": ["a", "b"], "Blob": "feff", "Status": "0xc0000005", "Address": "::1",
        "Items": [{"Id": 1, "Port": 443}, {"Id": 2, "Port": 80}],
    }
    assert found["labels"] == {"Count": "Two"}


def test_events_that_share_a_task_are_told_apart(windows: FakeWindows) -> None:
    """By their opcode, then by their number."""
    register(
        windows, (1, event_info(1, "Process", [], opcode="Start")), (2, event_info(2, "Process", [], opcode="Stop")),
        (3, event_info(3, "Image", [])), (4, event_info(4, "Image", [])), (5, event_info(5, "", [])),
    )  # fmt: skip
    events = Tdh(load()).dump("My-Provider", GUID).document["providers"][0]["events"]
    assert [each["name"] for each in events] == ["ProcessStart", "ProcessStop", "Image_3", "Image_4", "Event5"]


def test_an_event_that_a_dump_cannot_have_is_left_out(windows: FakeWindows, tmp_path: Path) -> None:
    """With the reason; the others stay."""
    loop = [Property("Outer", 0, 1, flags=STRUCT)]
    register(
        windows, (1, COPIED), (2, event_info(2, "Odd", [Property("Dump", 309)])),
        (3, event_info(3, "NoLength", [Property("Blob", 14)])), (4, event_info(4, "Loop", loop)),
        (5, b"short"), (6, event_info(6, "Behind", [Property("A", 14, flags=LENGTH_FIELD, length=9)])),
    )  # fmt: skip
    output = tmp_path / "mine.json"
    done = CliRunner().invoke(cli, ["etw", "schema", str(GUID), "-o", str(output)])
    assert done.exit_code == 0
    assert [line.partition(":")[2].split(":")[0] for line in done.stderr.splitlines()[1:]] == [
        f" event {number} version 0" for number in (2, 3, 4, 5, 6)
    ]
    assert "InType 309" in done.stderr
    assert [event for event, _ in read_cache(output)[0].events] == [1]


def test_what_windows_does_not_know_is_a_sentence(windows: FakeWindows, tmp_path: Path) -> None:
    register(windows, (1, COPIED))
    with pytest.raises(ConfigError, match="Other: is no provider that is registered here"):
        Tdh(load()).find("Other")
    windows.manifests.clear()
    with pytest.raises(SourceError, match="Windows has no manifest"):
        Tdh(load()).dump("My-Provider", GUID)
    windows.providers = struct.pack("<II", 1000, 0)
    with pytest.raises(SourceError, match="Windows' answer makes no sense: shorter than it says"):
        Tdh(load()).find("My-Provider")
    assert list(tmp_path.iterdir()) == []


def test_windows_is_asked_once_for_a_provider(windows: FakeWindows, tmp_path: Path) -> None:
    register(windows, (1, COPIED))
    first = SchemaCache(Tdh(load()), tmp_path / "schemas").provider(GUID)
    windows.manifests.clear()
    again = SchemaCache(Tdh(load()), tmp_path / "schemas").provider(GUID)
    assert first == again is not None
    assert SchemaCache(Tdh(load()), tmp_path / "schemas").provider(UUID(int=7)) is None


def test_events_are_decoded_by_what_this_machine_knows(
    windows: FakeWindows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tracerd events --fields` on Windows, of a provider that is neither shipped nor added."""
    from tracerd.sources.etl_writer import EtlWriter

    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr("tracerd.sources.etw.tdh.on_windows", lambda: True)
    register(windows, (1, event_info(1, "Told", [Property("Number", 8)])))
    path = tmp_path / "mine.etl"
    with EtlWriter(path) as writer:
        writer.manifest_event(2_000_000, GUID, 1, b"\7\0\0\0")
    done = CliRunner().invoke(cli, ["events", str(path), "--provider", str(GUID), "--json", "--fields"])
    assert json.loads(done.stdout)["fields"] == {"Number": 7}


def test_other_systems_ask_nobody() -> None:
    assert registered_here() is None


def test_a_provider_that_only_windows_knows_can_be_attached_to(windows: FakeWindows) -> None:
    """By its name, and an event of it by name or id."""
    register(windows, (1, event_info(1, "Told", [])), (2, event_info(2, "Said", [])))
    recorder = Recorder()
    source = EtwSource(EtwOptions(), 4)
    names = ["etw:My-Provider:Said", "etw:My-Provider:1"]
    try:
        source.open([LinkRequest(name, recorder.program, 96) for name in names])
        assert windows.sessions["tracerd"].enabled == {GUID.bytes_le: (255, 0, (1, 2))}
        assert set(names) <= set(source.statistics())
        with pytest.raises(ConfigError, match="My-Provider has no event 'Sung'"):
            source.relink([LinkRequest("etw:My-Provider:Sung", recorder.program, 96)], lambda work: work())
    finally:
        source.close()
        recorder.free()
