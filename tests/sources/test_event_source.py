"""EventSources whose manifest is in the recording: whole, in pieces, hostile."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tracerd.sources import etl_descriptions
from tracerd.sources.etl_decoding import EtlDecoding, Selection
from tracerd.sources.etl_descriptions import read_descriptions
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.event_source import MANIFEST_EVENT, MAX_BYTES
from tracerd.sources.schema.manifest import read_manifest

GUID = UUID("aaaaaaaa-1111-2222-3333-444444444444")
OTHER = UUID("bbbbbbbb-1111-2222-3333-444444444444")
MANIFEST = f"""<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events">
 <instrumentation xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:win="http://manifests.microsoft.com/win/2004/08/windows/events">
  <events xmlns="http://schemas.microsoft.com/win/2004/08/events">
<provider name="Shop-Orders" guid="{{{GUID}}}" resourceFileName="Shop" messageFileName="Shop" symbol="ShopOrders">
 <tasks><task name="Placed" value="65533"/></tasks>
 <maps><valueMap name="Kind"><map value="0x1" message="$(string.map_KindGift)"/></valueMap></maps>
 <events>
  <event value="1" version="0" level="win:Informational" symbol="Placed" task="Placed" template="PlacedArgs"/>
 </events>
 <templates>
  <template tid="PlacedArgs">
   <data name="customer" inType="win:UnicodeString"/>
   <data name="kind" inType="win:UInt32" map="Kind"/>
   <data name="express" inType="win:Boolean"/>
   <data name="blobSize" inType="win:UInt32"/>
   <data name="blob" inType="win:Binary" length="blobSize"/>
  </template>
 </templates>
</provider></events></instrumentation>
<localization><resources culture="en-US"><stringTable><string id="map_KindGift" value="Gift"/></stringTable></resources>
</localization></instrumentationManifest>""".encode()
MANY = b'<data name="x" inType="win:Int8"/>' * 1100
PLACED = "Ann\0".encode("utf-16-le") + struct.pack("<III", 1, 1, 2) + b"\x0a\x0b"


def chunks(manifest: bytes, size: int = 700) -> list[bytes]:
    """Return a manifest as the payloads of its events."""
    parts = [manifest[at:at + size] for at in range(0, len(manifest), size)]
    return [struct.pack("<4B2H", 1, 1, 0, 0x5B, len(parts), at) + part for at, part in enumerate(parts)]


def write(path: Path, payloads: Iterable[tuple[int, bytes]], *, provider: UUID = GUID) -> Path:
    """Write events of one provider: (pid, payload) of its manifest, before them an event of its own."""
    with EtlWriter(path) as etl:
        etl.manifest_event(1_000_001, provider, 1, PLACED, pid=7)
        for at, (pid, payload) in enumerate(payloads):
            etl.manifest_event(1_000_002 + at, provider, MANIFEST_EVENT, payload, version=1, opcode=0xFE, task=0xFFFE,
                               level=0, pid=pid)
    return path


def decode(path: Path, *names: str, catalog: Catalog | None = None) -> list[dict[str, Any]]:
    """Return the provider's events as JSON objects."""
    with closing(EtlDecoding(path, catalog or Catalog(), Selection(providers=names))) as decoding:
        events = [json.loads(line) for line in b"".join(decoding.pieces("json")).splitlines()]
    return [each for each in events if each["guid"] == str(GUID)]


def test_the_manifest_in_the_stream_decodes_events_before_and_after_it(tmp_path: Path) -> None:
    """Chunks of two processes in between each other, one of them backwards; texts, a map, a blob with its length."""
    one, two = chunks(MANIFEST), chunks(MANIFEST)[::-1]
    mixed = [each for first, second in zip(one, two, strict=True) for each in ((1, first), (2, second))]
    path = write(tmp_path / "a.etl", mixed)
    first, *rest = decode(path)
    assert (first["provider"], first["event"]) == ("Shop-Orders", "Placed")
    assert first["fields"] == {"customer": "Ann", "kind": 1, "express": True, "blobSize": 2, "blob": "0a0b"}
    assert first["labels"] == {"kind": "Gift"}
    assert {each["event"] for each in rest} == {"ManifestData"}
    assert all("reason" not in each for each in rest)
    assert rest[0]["fields"]["TotalChunks"] == len(one)
    assert read_descriptions(path).refused == 0


def test_a_provider_is_found_by_the_name_that_only_its_manifest_has(tmp_path: Path) -> None:
    """Its GUID is no hash of the name here."""
    path = write(tmp_path / "a.etl", [(1, part) for part in chunks(MANIFEST)])
    (found,) = decode(path, "shop-orders:Placed")
    assert found["fields"]["customer"] == "Ann"


@pytest.mark.parametrize(
    ("payloads", "refused"),
    [
        pytest.param([part for part in chunks(MANIFEST) if part[6]], 1, id="the first chunk is missing"),
        pytest.param([b"", b"\1\1\0\x5b\1\0"], 2, id="no envelope"),
        pytest.param([struct.pack("<4B2H", 1, 1, 0, 0x5A, 1, 0) + MANIFEST], 1, id="another magic number"),
        pytest.param([struct.pack("<4B2H", 1, 1, 0, 0x5B, 1, 1) + MANIFEST], 1, id="a chunk beyond the last"),
        pytest.param([struct.pack("<4B2H", 1, 1, 0, 0x5B, 0xFFFF, 0)], 1, id="65,535 chunks announced"),
        pytest.param(chunks(b"<provider"), 1, id="no XML"),
        pytest.param(chunks(b"\xff\xfe\0\0" * 100), 1, id="no text"),
        pytest.param(chunks(b"<!DOCTYPE a [<!ENTITY b 'bb'>]>" + MANIFEST), 1, id="entities"),
        pytest.param(chunks(b"<a>" * 100 + b"</a>" * 100), 1, id="deep"),
        pytest.param(chunks(MANIFEST.replace(b"win:UInt32", b"win:Nothing")), 1, id="a type that there is not"),
        pytest.param(chunks(MANIFEST.replace(str(GUID).encode(), str(OTHER).encode())), 1, id="somebody else's"),
        pytest.param(chunks(MANIFEST.replace(b"</template>", MANY + b"</template>"), 9999), 1, id="too many fields"),
    ],
)
def test_a_manifest_of_no_use_is_counted_and_its_events_keep_their_payload(
    tmp_path: Path, payloads: list[bytes], refused: int
) -> None:
    """Nothing is decoded by it, nothing fails."""
    path = write(tmp_path / "a.etl", [(1, part) for part in payloads])
    assert read_descriptions(path).refused == refused
    first = decode(path)[0]
    assert first["payload"] == PLACED.hex()
    assert "fields" not in first


def test_a_manifest_may_not_grow_without_end(tmp_path: Path) -> None:
    """More bytes than any has: what is kept of it is dropped each time that it gets there."""
    part = b" " * 60000
    needed = MAX_BYTES // len(part) + 1
    payloads = [struct.pack("<4B2H", 1, 1, 0, 0x5B, 0xFFFF, at) + part for at in range(needed)]
    assert read_descriptions(write(tmp_path / "a.etl", [(1, each) for each in payloads])).refused == 1


def test_descriptions_beyond_the_budget_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Number and weight."""
    path = write(tmp_path / "a.etl", [(pid, part) for pid in (1, 2) for part in chunks(MANIFEST)])
    parts = len(chunks(MANIFEST))
    monkeypatch.setattr(etl_descriptions, "MAX_DESCRIPTIONS", parts)
    assert read_descriptions(path).refused == parts
    monkeypatch.setattr(etl_descriptions, "MAX_DESCRIPTIONS", 100)
    monkeypatch.setattr(etl_descriptions, "MAX_BYTES", 10)
    assert read_descriptions(path).refused == 2 * parts
    monkeypatch.setattr(etl_descriptions, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(etl_descriptions, "MAX_WEIGHT", 3)
    assert read_descriptions(path).refused == 2           # the event with five fields, and ManifestData


def test_what_a_user_adds_comes_before_what_the_recording_says(tmp_path: Path) -> None:
    """Its events by the schema that was named."""
    own = tmp_path / "own.man"
    own.write_bytes(MANIFEST.replace(b"customer", b"buyer"))
    path = write(tmp_path / "a.etl", [(1, part) for part in chunks(MANIFEST)])
    first = decode(path, catalog=Catalog(read_manifest(own)))[0]
    assert first["fields"]["buyer"] == "Ann"
