"""Every type of a field, decoded from payloads made by hand; and payloads that end too early or too late."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import pytest

from tests.sources.schema_support import GUID, decode, fields_of, provider_of
from tracerd.errors import ConfigError
from tracerd.native import ffi, lib
from tracerd.sources.etw_schemas import EtwSchemas, schema_key
from tracerd.sources.schema.model import Event, Field, Provider, ValueMap

UTF16 = "utf-16-le"
SID = bytes([1, 2, 0, 0, 0, 0, 0, 5]) + struct.pack("<II", 32, 544)
LOCALHOST6 = bytes(15) + b"\1"


@pytest.mark.parametrize(
    ("declared", "payload", "value"),
    [
        ("i8", b"\xff", -1),
        ("u8", b"\xff", 255),
        ("i16", b"\0\x80", -32768),
        ("u16", b"\xff\xff", 65535),
        ("i32", b"\0\0\0\x80", -(1 << 31)),
        ("u32", b"\xff\xff\xff\xff", 0xFFFFFFFF),
        ("i64", bytes(7) + b"\x80", -(1 << 63)),
        ("u64", b"\xff" * 8, (1 << 64) - 1),
        ("x8", b"\x1f", "0x1f"),
        ("x16", b"\0\x10", "0x1000"),
        ("x32", b"\x05\0\0\xc0", "0xc0000005"),
        ("x64", b"\xff" * 8, "0xffffffffffffffff"),
        ("f32", struct.pack("<f", 0.1), 0.1),
        ("f64", struct.pack("<d", 0.1), 0.1),
        ("f64", struct.pack("<d", 1e300), 1e300),
        ("f64", struct.pack("<d", float("nan")), "NaN"),
        ("f32", struct.pack("<f", float("-inf")), "-Infinity"),
        ("bool32", b"\0\1\0\0", True),
        ("bool8", b"\0", False),
        ("char8", b"A", "A"),
        ("char16", "é".encode(UTF16), "é"),
        ("char16*3", "abc".encode(UTF16), "abc"),
        ("guid", GUID.bytes_le, str(GUID)),
        ("filetime", struct.pack("<Q", 132_000_000_000_000_001), "2019-04-17T18:40:00.0000001Z"),
        ("filetime", bytes(8), "1601-01-01T00:00:00.0000000Z"),
        ("filetime", struct.pack("<Q", 2650467743999999999), "9999-12-31T23:59:59.9999999Z"),
        ("filetime", struct.pack("<Q", 2650467744000000000), "0x24c85a5ed1c04000"),
        ("systemtime", struct.pack("<8H", 2024, 2, 4, 29, 23, 59, 58, 7), "2024-02-29T23:59:58.007Z"),
        ("systemtime", b"\0\0" * 8, "00" * 16),
        ("sid", SID, "S-1-5-32-544"),
        ("sid", bytes([1, 0, 1, 0, 0, 0, 0, 0]), "S-1-0x010000000000"),
        ("port", b"\x01\xbb", 443),
        ("ipv4", b"\x0a\0\0\1", "10.0.0.1"),
        ("ipv6", LOCALHOST6, "::1"),
        ("ipv6", bytes(16), "::"),
        ("ipv6", bytes.fromhex("20010db8000000000001000000000001"), "2001:db8::1:0:0:1"),
        ("ipv6", bytes.fromhex("20010db8000100010001000100010000"), "2001:db8:1:1:1:1:1:0"),
        ("ipv6", bytes(10) + b"\xff\xff\x01\x02\x03\x04", "::ffff:1.2.3.4"),
        ("sockaddr[16]", b"\x02\0\x01\xbb\x0a\0\0\1" + bytes(8), "10.0.0.1:443"),
        ("sockaddr[28]", b"\x17\0\0\x50" + bytes(4) + LOCALHOST6 + bytes(4), "[::1]:80"),
        ("sockaddr[4]", b"\x02\0\x01\xbb", "020001bb"),
        ("utf16z", "äß𝄞\0".encode(UTF16), "äß𝄞"),
        ("utf16z", "no zero".encode(UTF16), "no zero"),
        ("utf16z", b"\x00\xd8A\0\x00\xdc", "\ufffdA\ufffd"),
        ("ansiz", b"plain\0", "plain"),
        ("ansiz", b"caf\xe9 \xc3\xa9", "café é"),
        ("utf16n", b"\x06\0" + "abc".encode(UTF16), "abc"),
        ("ansin", b"\x03\0abc", "abc"),
        ("bytesn", b"\x02\0\x0a\xff", "0aff"),
        ("utf16[3]", "ab\0".encode(UTF16), "ab"),
        ("ansi[4]", b"a\0b\0", "a\0b"),
        ("bytes[2]", b"\x01\x02", "0102"),
        ("rest", b"\x01\x02\x03", "010203"),
        ("u16*2", b"\1\0\2\0", [1, 2]),
        ("u16*rest", b"\1\0\2\0\3\0", [1, 2, 3]),
        ("u16*rest", b"", []),
        ("utf16z*rest", "a\0b\0".encode(UTF16), ["a", "b"]),
        ("utf16z*2", "a\0b".encode(UTF16), ["a", "b"]),
        ("{A:u8 B:{C:u8 D:ansiz}*2}", b"\1\2x\0\3\0", {"A": 1, "B": [{"C": 2, "D": "x"}, {"C": 3, "D": ""}]}),
        ("{A:u8}*rest", b"\1\2", [{"A": 1}, {"A": 2}]),
        ("{N:u8 V:u8*N}*2", b"\1\7\2\x08\x09", [{"N": 1, "V": [7]}, {"N": 2, "V": [8, 9]}]),
    ],
)
def test_each_type_has_its_form(declared: str, payload: bytes, value: Any) -> None:
    """A value is decoded as its type says, wherever it begins, and no byte is left over."""
    assert fields_of(payload, f"Value:{declared}") == {"Value": value}
    assert fields_of(b"\xaa" + payload, f"Before:u8 Value:{declared}") == {"Before": 170, "Value": value}


@pytest.mark.parametrize(("pointer_size", "shown"), [(4, "0x44332211"), (8, "0x8877665544332211")])
def test_pointers_are_as_wide_as_the_event_says(pointer_size: int, shown: str) -> None:
    """`ptr` is in hex, `size` a number."""
    raw = bytes.fromhex("1122334455667788")[:pointer_size]
    fields = fields_of(raw * 2 + b"\7", "Address:ptr Size:size Last:u8", pointer_size=pointer_size)
    assert fields == {"Address": shown, "Size": int(shown, 16), "Last": 7}


@pytest.mark.parametrize("pointer_size", [4, 8])
def test_a_user_of_wmi_is_absent_or_behind_two_pointers(pointer_size: int) -> None:
    """`wbemsid` is a zero, or a TOKEN_USER and a SID; also one whose pointers were cleared."""
    name = b"System\0"
    for head in (b"\x10" * 2 * pointer_size, bytes(2 * pointer_size)):
        fields = fields_of(head + SID + name, "User:wbemsid Name:ansiz", pointer_size=pointer_size)
        assert fields == {"User": "S-1-5-32-544", "Name": "System"}
    fields = fields_of(bytes(4) + name, "User:wbemsid Name:ansiz", pointer_size=pointer_size)
    assert fields == {"User": None, "Name": "System"}


def test_lengths_and_counts_come_from_fields_before() -> None:
    """In bytes for ANSI and bytes, in characters for UTF-16, in values for arrays; from inside structs too."""
    fields = "N:u8 Text:utf16[N] Raw:bytes[N] Values:u16*N Items:{M:u16 Names:ansi[N]*M}*N"
    payload = b"\2" + "hi".encode(UTF16) + b"\xab\xcd" + b"\1\0\2\0" + b"\1\0xy" + b"\2\0abcd"
    assert fields_of(payload, fields) == {
        "N": 2, "Text": "hi", "Raw": "abcd", "Values": [1, 2],
        "Items": [{"M": 1, "Names": ["xy"]}, {"M": 2, "Names": ["ab", "cd"]}],
    }


EVERYTHING = (
    "A:u8 B:i16 C:u32 D:u64 E:f32 F:f64 G:ptr H:guid I:filetime J:systemtime K:sid L:wbemsid M:port N:ipv4 O:ipv6 "
    "P:utf16n Q:ansin R:bytesn S:utf16[A] T:bytes[A] U:u32*A V:{W:u16 X:bytes[W]}*A Y:bool32"
)


def everything(pointer_size: int) -> bytes:
    """Return a payload of all types that have a size of their own."""
    head = b"\2" + struct.pack("<hIQfd", -1, 2, 3, 1.5, 2.5) + bytes(pointer_size) + GUID.bytes_le + bytes(8)
    time = struct.pack("<8H", 2024, 2, 4, 29, 23, 59, 58, 7)
    user = b"\1" * 2 * pointer_size + SID
    net = b"\0\x50" + bytes(4) + bytes(16)
    texts = b"\4\0" + "ab".encode(UTF16) + b"\2\0cd" + b"\1\0\xff" + "ef".encode(UTF16) + b"\1\2"
    return head + time + SID + user + net + texts + struct.pack("<II", 4, 5) + b"\1\0\x09" + b"\0\0" + b"\1\0\0\0"


@pytest.mark.parametrize("pointer_size", [4, 8])
def test_a_payload_torn_at_any_byte_is_decoded_up_to_there(pointer_size: int) -> None:
    """What is whole before the tear has the same values; the field it ends in is named; nothing is read behind it."""
    provider, whole = provider_of(EVERYTHING), everything(pointer_size)
    complete = decode(whole, [provider], pointer_size=pointer_size)
    assert "reason" not in complete
    names = list(complete["fields"])
    for size in range(len(whole)):
        torn = decode(whole[:size], [provider], pointer_size=pointer_size)
        decoded = list(torn["fields"])
        assert torn["fields"] == {name: complete["fields"][name] for name in names[: len(decoded)]}
        assert torn["reason"] == f"the payload ends in field {names[len(decoded)]}"
        assert torn["payload"] == whole[:size].hex()


def test_bytes_left_over_are_told() -> None:
    """All fields are there, with the reason and the whole payload."""
    document = decode(b"\1\2\3", [provider_of("A:u8")])
    assert (document["fields"], document["reason"], document["payload"]) == ({"A": 1}, "2 bytes left over", "010203")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"guid": UUID(int=1)}, "no schema for its provider"),
        ({"id": 2}, "no schema for its id"),
        ({"version": 3}, "no schema for its version"),
        ({"kind": 15}, "a WPP message: its format is in the PDB of its program"),
        ({"flags": 0x100, "opcode": 1}, "no schema for its provider"),     # classic: looked up among classes
    ],
)
def test_what_is_not_known_is_hex_with_the_reason(header: dict[str, Any], reason: str) -> None:
    """Provider, id, version: how far the look-up came."""
    document = decode(b"\xab\xcd", [provider_of("A:u8")], **header)
    assert "fields" not in document
    assert (document["reason"], document["payload"]) == (reason, "abcd")


def test_an_event_of_one_string_needs_no_schema() -> None:
    """EventWriteString says so in the event's flags."""
    document = decode("hello\0".encode(UTF16), flags=0x04)
    assert document["fields"] == {"message": "hello"}


def test_classes_are_found_by_opcode_and_by_group() -> None:
    """The same schema serves classic events of the class and events by hook of its group."""
    event = Event(10, 2, "Load", (Field("A", "u8"),))
    provider = Provider("Image", GUID, is_class=True, group=0x14, events={(10, 2): event})
    classic = decode(b"\7", [provider], kind=20, id=0, opcode=10, version=2)
    by_hook = decode(b"\7", [provider], kind=17, id=0, opcode=10, version=2, hook=0x140A, guid=UUID(int=0))
    for document in (classic, by_hook):
        assert (document["provider"], document["event"], document["fields"]) == ("Image", "Load", {"A": 7})


def test_values_with_names_have_labels() -> None:
    """A value map gives one name, a bit map all of its bits; numbers stay numbers."""
    maps = {"Kind": ValueMap({0: "Create", 1: "Delete"}), "Access": ValueMap({1: "Read", 2: "Write"}, bits=True)}
    provider = provider_of("Op:u32=Kind Access:u8=Access Other:u32=Kind", maps=maps)
    document = decode(struct.pack("<IBI", 1, 3, 9), [provider])
    assert document["fields"] == {"Op": 1, "Access": 3, "Other": 9}
    assert document["labels"] == {"Op": "Delete", "Access": "Read|Write", "Other": ""}


def test_fields_of_one_name_are_both_there() -> None:
    """The second is "name#2": a JSON object would lose one of them."""
    fields = (Field("A", "u8"), Field("A", "u8"), Field("A", "u8"))
    assert decode(b"\1\2\3", [provider_of(fields)])["fields"] == {"A": 1, "A#2": 2, "A#3": 3}


def test_text_of_events_obeys_no_terminal_and_breaks_no_json() -> None:
    """Quotes, control characters and what turns the direction of writing are escaped; they come back by json."""
    hostile = '"\\\b\t\n\f\r\x01\x1b[31m\x7f\x85\u202e\u2066'
    with_zero = (hostile + "\0").encode(UTF16)
    assert fields_of(with_zero, "Text:utf16z") == {"Text": hostile}


def test_arrays_of_nothing_are_bounded() -> None:
    """Arrays of arrays of values without bytes: decoding gives up at a bound, and says so."""
    declared = "N:u16 A:{B:{C:{D:bytes[0]*N}*N}*N}*N"
    document = decode(b"\xff\xff", [provider_of(declared)])
    assert document["reason"] == "more values or text than one event may have"
    assert document["payload"] == "ffff"


def test_text_of_one_event_is_bounded() -> None:
    """Long names, repeated for each value of an array: the line is given without fields."""
    fields = (Field("A", "struct", count="rest", members=(Field("n" * 60_000, "u8"),)),)
    document = decode(bytes(1000), [provider_of(fields)])
    assert document["reason"] == "more values or text than one event may have"
    assert "fields" not in document


@pytest.mark.parametrize(
    "fields",
    [
        (Field("A", "u8", count="B"), Field("B", "u8")),                               # read after it
        (Field("A", "f32"), Field("B", "u8", count="A")),                              # no number
        (Field("A", "struct", count=0, members=(Field("N", "u8"),)), Field("B", "u8", count="N")),    # maybe never read
        tuple(Field(f"f{i}", "u8") for i in range(1025)),
        (Field("1", "struct", members=(Field("2", "struct", members=(Field("3", "struct", members=(Field(
            "4", "struct", members=(Field("5", "struct", members=(Field("6", "struct", members=(Field(
                "7", "struct", members=(Field("8", "struct", members=(Field("9", "struct", members=()),)),)),)),)),
        )),)),)),)),),
        (Field("A", "bytes"),),                                                        # no length
    ],
)
def test_schemas_that_make_no_sense_are_refused(fields: tuple[Field, ...]) -> None:
    """The core checks what its decoding relies on, whoever made the schema."""
    with pytest.raises(ConfigError, match="event 1 version 0: its fields make no sense"):
        decode(b"", [provider_of(fields)])


def offsets(fields: str, pointer_size: int) -> list[int | None]:
    """Return the prepared offsets of all fields."""
    provider, schemas, layout = provider_of(fields), EtwSchemas(), ffi.new("struct tr_etw_layout *")
    schemas.add(provider)
    assert lib.tr_etw_schemas_get(schemas.native, schema_key(provider, 1, 0), layout) == 0
    every = [layout.fields[i] for i in range(layout.field_count)]
    found = [each.offset32 if pointer_size == 4 else each.offset64 for each in every]
    schemas.close()
    return [None if offset == lib.TR_ETW_NO_OFFSET else offset for offset in found]


def test_offsets_are_known_while_all_before_has_one_size() -> None:
    """Programs read such fields without a walk; behind a text nothing has an offset."""
    fields = "A:u8 P:ptr B:u16*3 S:{C:u8 D:u32} E:ipv6 F:utf16z G:u8"
    assert offsets(fields, 4) == [0, 1, 5, 11, 11, 12, 16, 32, None]
    assert offsets(fields, 8) == [0, 1, 9, 15, 15, 16, 20, 36, None]


def test_places_are_where_the_fields_lie() -> None:
    """Offset and bytes of each field outside of structs, as later helpers need them."""
    provider, schemas = provider_of("N:u8 T:utf16[N] S:{A:u8}*N Z:ansiz"), EtwSchemas()
    schemas.add(provider)
    payload = b"\2" + "ab".encode(UTF16) + b"\1\2" + b"xyz\0"
    places: Any = ffi.new("struct tr_etw_place[8]")
    outcome: Any = ffi.new("uint32_t *")
    found = lib.tr_etw_places(schemas.native, schema_key(provider, 1, 0), payload, len(payload), 8, places, 8, outcome)
    assert [(places[i].field, places[i].offset, places[i].bytes) for i in range(found)] == [
        (0, 0, 1), (1, 1, 4), (2, 5, 2), (4, 7, 4)
    ]
    assert outcome[0] == lib.TR_ETW_DECODED
    schemas.close()
