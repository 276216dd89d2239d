"""Instrumentation manifests: what is taken from them, and what is refused."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from uuid import UUID

import pytest

from tests.sources.schema_support import decode
from tracerd.errors import ConfigError
from tracerd.sources.schema.manifest import read_manifest
from tracerd.sources.schema.model import Field, ValueMap

WHOLE = """<?xml version="1.0" encoding="utf-8"?>
<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"
    xmlns:win="http://manifests.microsoft.com/win/2004/08/windows/events" xmlns:xs="http://www.w3.org/2001/XMLSchema">
 <instrumentation><events>
  <provider name="My-Provider" guid="{11111111-2222-3333-4444-555555555555}" symbol="P" resourceFileName="r">
   <keywords><keyword name="Disk" mask="0x1"/><keyword name="Net" mask="0x2"/></keywords>
   <tasks><task name="Copy" value="7"><opcodes><opcode name="Half" value="20"/></opcodes></task></tasks>
   <maps>
    <valueMap name="Kind"><map value="0" message="$(string.kind.none)"/><map value="1" message="Plain"/></valueMap>
    <bitMap name="Bits"><map value="0x1" message="$(string.missing)"/></bitMap>
   </maps>
   <templates>
    <template tid="T">
     <data name="Count" inType="win:UInt16"/>
     <data name="Names" inType="win:UnicodeString" count="Count"/>
     <data name="Fixed" inType="win:UnicodeString" length="2"/>
     <data name="Blob" inType="win:Binary" length="Count"/>
     <data name="Status" inType="win:UInt32" outType="win:NTSTATUS"/>
     <data name="Kind" inType="win:UInt8" map="Kind"/>
     <data name="Address" inType="win:Pointer"/>
     <struct name="Items" count="Count"><data name="Port" inType="win:UInt16" outType="win:Port"/></struct>
     <UserData><X xmlns="urn:x"/></UserData>
    </template>
   </templates>
   <events>
    <event value="1" version="2" symbol="CopyEvent" template="T" task="Copy" opcode="Half" level="win:Verbose"
           keywords="Disk Net"/>
    <event value="2" task="Copy" opcode="win:Start"/>
    <event value="3"/>
   </events>
  </provider>
 </events></instrumentation>
 <localization><resources culture="en-US"><stringTable>
  <string id="kind.none" value="Nothing"/>
 </stringTable></resources></localization>
</instrumentationManifest>
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "mine.man"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_manifest_gives_providers_events_and_maps(tmp_path: Path, encoding: str) -> None:
    """Names, numbers, keywords, levels, types with lengths and counts, texts from the string table."""
    (provider,) = read_manifest(written(tmp_path, WHOLE.replace("utf-8", encoding).encode(encoding)))
    assert (provider.name, provider.guid) == ("My-Provider", UUID("11111111-2222-3333-4444-555555555555"))
    assert provider.maps == {"Kind": ValueMap({0: "Nothing", 1: "Plain"}), "Bits": ValueMap({1: "missing"}, bits=True)}
    event = provider.events[1, 2]
    assert (event.name, event.task, event.opcode, event.level, event.keyword) == ("CopyEvent", 7, 20, 5, 3)
    assert event.fields == (
        Field("Count", "u16"), Field("Names", "utf16z", count="Count"), Field("Fixed", "utf16", length=2),
        Field("Blob", "bytes", length="Count"), Field("Status", "x32"), Field("Kind", "u8", map="Kind"),
        Field("Address", "ptr"), Field("Items", "struct", count="Count", members=(Field("Port", "port"),)),
    )
    assert [provider.events[number, 0].name for number in (2, 3)] == ["CopyStart", "Event3"]


def test_events_are_decoded_by_a_manifest(tmp_path: Path) -> None:
    """The whole way: from the file to the fields of a payload."""
    utf16 = "a\0b\0hi".encode("utf-16-le")
    payload = b"\2\0" + utf16 + b"\xab\xcd" + struct.pack("<IB", 0xC0000005, 1) + bytes(8) + b"\0\x50\x01\xbb"
    document = decode(payload, read_manifest(written(tmp_path, WHOLE)), version=2)
    assert document["event"] == "CopyEvent"
    assert document["fields"] == {
        "Count": 2, "Names": ["a", "b"], "Fixed": "hi", "Blob": "abcd", "Status": "0xc0000005", "Kind": 1,
        "Address": "0x0", "Items": [{"Port": 80}, {"Port": 443}],
    }
    assert document["labels"] == {"Kind": "Plain"}


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "&a;" * 10}">' for i in range(12)
) + "]><instrumentationManifest>&a11;</instrumentationManifest>"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "is no XML: no element found"),
        ("<a><b></a>", "mine.man:1: is no XML: mismatched tag"),
        (b"\xff\xfe\0", "is no XML"),
        ("<a/>", "is no instrumentation manifest: there is no <provider> in it"),
        (BOMB, "has a document type"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x"><a/>', "has a document type"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "has a document type"),
        ("<a>" * 65, "has elements more than 64 deep"),
        ('<a><provider guid="x"/></a>', "a <provider> has no name"),
        ('<a><provider name="P"/></a>', "provider P: a <provider> has no guid"),
        ('<a><provider name="P" guid="x"/></a>', "guid 'x' is none"),
        (WHOLE.replace('value="3"', 'value="many"'), "'many' is no number"),
        (WHOLE.replace('value="3"', 'value="70000"'), "event 70000 version 0: up to 65535 and 255"),
        (WHOLE.replace('template="T"', 'template="U"'), "event 1: there is no template 'U'"),
        (WHOLE.replace("win:Pointer", "win:Nothing"), "field 'Address': there is no inType 'win:Nothing'"),
        (WHOLE.replace('"win:Binary" length="Count"', '"win:Binary"'), "field 'Blob': win:Binary needs a length"),
        (WHOLE.replace('length="Count"', 'length="Address"'), "its length 'Address' is no number before it"),
    ],
)
def test_bad_manifests_are_refused_in_one_sentence(tmp_path: Path, text: str | bytes, error: str) -> None:
    """Bad XML, entity bombs, outside references, and what makes no sense: quickly, and with the file's name."""
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        read_manifest(written(tmp_path, text))
    assert error in str(caught.value)
    assert "mine.man" in str(caught.value)
    assert time.monotonic() - began < 2


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As every file."""
    with pytest.raises(ConfigError, match=r"none\.man: cannot be read: No such file"):
        read_manifest(tmp_path / "none.man")
