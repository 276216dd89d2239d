"""The helpers by which programs read fields: every kind of value, wrong types, missing fields, cut payloads."""

from __future__ import annotations

import socket
import struct
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.etw_asking import EINVAL, ENODATA, ENOENT, ENOMSG, FILE_ONLY, Question, ask, ask_all, colliding
from tests.sources.schema_support import Encoder, provider_of, sid_text
from tests.sources.test_etw_property import fields_with_values
from tests.sources.test_etw_tracelogging import description
from tests.sources.test_etw_tracelogging import field as described
from tracerd.native import lib
from tracerd.sources.schema.c_names import BY_NAME, field_number
from tracerd.sources.schema.model import Field

UTF16 = "utf-16-le"
SID = bytes([1, 2, 0, 0, 0, 0, 0, 5]) + struct.pack("<2I", 32, 544)
SCHEMA_ITEM, STRING_ONLY = 11, 0x0004


def one(payload: bytes, fields: str, helper: str, field: str | int = "a", **how: Any) -> Any:
    """Ask for one field of an event."""
    pointer_size = how.pop("pointer_size", 8)
    (answer,) = ask(payload, [provider_of(fields)], [Question(helper, field, **how)], pointer_size=pointer_size)
    return answer


@pytest.mark.parametrize(
    ("fields", "payload", "value"),
    [
        ("a:u8", b"\xff", 255), ("a:i8", b"\xff", -1), ("a:u16", b"\xfe\xff", 65534), ("a:i16", b"\xfe\xff", -2),
        ("a:u32", b"\xff" * 4, 0xFFFFFFFF), ("a:i32", b"\xff" * 4, -1), ("a:x64", b"\1" + bytes(7), 1),
        ("a:i64", b"\xff" * 8, -1), ("a:bool32", b"\1\0\0\0", 1), ("a:filetime", struct.pack("<q", 1 << 60), 1 << 60),
        ("a:port", b"\x01\xbb", 443), ("a:ptr", struct.pack("<q", 0x7FFE_0000_0000_0000), 0x7FFE_0000_0000_0000),
        ("a:char16", "é".encode(UTF16), 0xE9), ("x:utf16z a:u32", "xy\0".encode(UTF16) + b"\7\0\0\0", 7),
    ],
)
def test_numbers_have_their_sign_and_this_machines_order(fields: str, payload: bytes, value: int) -> None:
    """Also behind fields whose size varies."""
    answer = one(payload, fields, "number")
    assert (answer.result, answer.signed) == (0, value)


def test_a_pointer_has_the_width_of_its_event() -> None:
    """Four bytes in an event of a 32-bit process, without sign; the fields behind it move."""
    provider = [provider_of("p:ptr a:u16")]
    questions = [Question("number", "p"), Question("number", "a")]
    narrow = ask(b"\xff\xff\xff\xff\1\0", provider, questions, pointer_size=4)
    wide = ask(b"\xff\xff\xff\xff\0\0\0\0\1\0", provider, questions)
    assert [answer.number for answer in narrow] == [answer.number for answer in wide] == [0xFFFFFFFF, 1]


@pytest.mark.parametrize(
    ("fields", "payload", "value"),
    [
        ("a:utf16z", "grüße 🐝\0".encode(UTF16), "grüße 🐝"),
        ("a:ansiz", b"text\0", "text"),
        ("a:ansiz", b"caf\xe9\0", "café"),
        ("a:utf16n", struct.pack("<H", 4) + "ab".encode(UTF16), "ab"),
        ("a:utf16[4]", "ab\0\0".encode(UTF16), "ab"),
        ("n:u16 a:utf16[n]", b"\2\0" + "ab".encode(UTF16), "ab"),
        ("a:utf16z", "no end".encode(UTF16), "no end"),
        ("a:utf16z", b"", ""),
        ("a:utf16n", struct.pack("<H", 10) + "a\0b\0\0".encode(UTF16), "a"),
        ("a:sid", SID, "S-1-5-32-544"),
        ("a:guid", UUID(int=0x22FB2CD60E7B422BA0C72FAD1FD0E716).bytes_le, "22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716"),
    ],
)
def test_texts_are_utf8_and_end_with_a_zero(fields: str, payload: bytes, value: str) -> None:
    """Text of any length kind, SIDs and GUIDs; what is returned counts the zero."""
    assert one(payload, fields, "text").text == value


@pytest.mark.parametrize(
    ("size", "kept"), [(1, ""), (2, "a"), (3, "a"), (4, "aé"), (7, "aé"), (8, "aé🐝"), (9, "aé🐝b")]
)
def test_text_is_cut_between_characters(size: int, kept: str) -> None:
    """And nothing that comes later is put in the room that a wider one did not fit in."""
    assert one("aé🐝bb\0".encode(UTF16), "a:utf16z", "text", size=size).text == kept
    assert one("aé🐝bb\0".encode(), "a:ansiz", "text", size=size).text == kept


def test_a_long_ascii_text_fills_its_buffer() -> None:
    """All but the last byte, from either encoding."""
    text = "C:\\Windows\\" * 30
    for fields, payload in (("a:utf16z", text.encode(UTF16)), ("a:ansiz", text.encode())):
        assert one(payload, fields, "text", size=48).text == text[:47]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("C:\\Windows\\cmd.exe", "cmd.exe"), ("plain", "plain"), ("/usr/bin/ls", "ls"), ("", ""), ("a\\", "a\\"),
        ("\\Device\\X\\é.exe", "é.exe"),
    ],
)
def test_only_the_file_of_a_path(path: str, name: str) -> None:
    """What is behind the last separator; a path that ends with one is kept."""
    assert one(path.encode(UTF16), "a:utf16z", "text", flags=FILE_ONLY).text == name
    assert one(path.encode(), "a:ansiz", "text", flags=FILE_ONLY).text == name


def test_bytes_are_as_they_lie_there_and_their_number_is_told() -> None:
    """Of SIDs, GUIDs, numbers, and arrays whose values have one size, also beyond the buffer."""
    assert one(SID, "a:sid", "bytes", size=68).bytes == SID
    assert one(bytes(range(16)), "a:guid", "bytes", size=16).bytes == bytes(range(16))
    assert one(bytes(range(12)), "a:u32*3", "bytes", size=12).bytes == bytes(range(12))
    assert one(b"\2\0" + bytes(range(8)), "n:u16 a:u32*n", "bytes", size=8).bytes == bytes(range(8))
    cut = one(bytes(range(16)), "a:guid", "bytes", size=4)
    assert (cut.result, cut.buffer) == (16, bytes(range(4)))
    assert one(b"", "a:bytesn", "bytes").result == ENODATA
    assert one(b"\0\0", "a:bytesn", "bytes").result == 0


def test_addresses_have_one_form() -> None:
    """IPv4 mapped into IPv6, IPv6, and sockaddrs with their port and scope."""
    four, six = socket.inet_pton(socket.AF_INET, "10.1.2.3"), socket.inet_pton(socket.AF_INET6, "fe80::1")
    mapped = bytes(10) + b"\xff\xff" + four
    in4 = struct.pack("<H", 2) + b"\x01\xbb" + four + bytes(8)
    in6 = struct.pack("<H", 23) + b"\x00\x35" + bytes(4) + six + struct.pack("<I", 9)
    rows = {
        "a:ipv4": (four, mapped, 4, 0, 0), "a:ipv6": (six, six, 6, 0, 0),
        "a:sockaddr[16]": (in4, mapped, 4, 443, 0), "a:sockaddr[28]": (in6, six, 6, 53, 9),
    }
    for fields, (payload, *expected) in rows.items():
        answer = one(payload, fields, "address")
        assert answer.result == 0
        assert list(struct.unpack("<16sHHI", answer.buffer)) == expected


@pytest.mark.parametrize(
    ("fields", "payload", "helper"),
    [
        ("a:utf16z", b"a\0\0\0", "number"), ("a:guid", bytes(16), "number"), ("a:f64", bytes(8), "number"),
        ("a:u32*2", bytes(8), "number"), ("a:u32", bytes(4), "text"), ("a:u32", bytes(4), "address"),
        ("a:bytes[4]", bytes(4), "address"), ("a:sockaddr[16]", b"\7" + bytes(15), "address"),
        ("a:utf16z*2", bytes(8), "text"), ("a:utf16z*2", bytes(8), "bytes"), ("a:{x:u8}", b"\0", "bytes"),
    ],
)
def test_a_field_of_another_type_is_refused(fields: str, payload: bytes, helper: str) -> None:
    """And the buffer is zeroed."""
    answer = one(payload, fields, helper)
    assert answer.result == EINVAL
    assert not any(answer.buffer)


def test_unknown_flags_are_refused() -> None:
    """They may mean something one day."""
    assert one(b"a\0\0\0", "a:utf16z", "text", flags=2).result == EINVAL


@pytest.mark.parametrize("helper", ["number", "text", "bytes", "address"])
def test_what_is_not_there_is_told_and_zeroed(helper: str) -> None:
    """No such field, no such place, a payload that ends before, an event that nobody knows."""
    missing = [Question(helper, "b"), Question(helper, 7), Question(helper, 1024), Question(helper, 0x7FFFFFFF)]
    answers = ask(b"\1\0", [provider_of("a:u16")], missing)
    answers += ask(b"\1\0", [provider_of("a:u32 b:u32 c:utf16z d:guid")], [Question(helper, name) for name in "abd"])
    answers += ask(b"\1\0", [], [Question(helper, "a")])
    assert [answer.result for answer in answers] == [ENOENT] * 4 + [ENODATA] * 3 + [ENOMSG]
    assert not any(any(answer.buffer) for answer in answers)


def test_fields_are_asked_for_in_any_order_and_often() -> None:
    """What was walked over once is kept; places and names mean the same."""
    fields = "a:utf16z b:u8 c:ansiz d:u16*b e:u32"
    payload = "aa\0".encode(UTF16) + b"\2" + b"cc\0" + bytes(range(4)) + b"\5\0\0\0"
    names: list[tuple[str, str | int]] = [
        ("number", "e"), ("text", "a"), ("bytes", "d"), ("number", "b"), ("text", "c"), ("number", 4), ("text", 0),
        ("number", "e"), ("bytes", 3),
    ]
    answers = ask(payload, [provider_of(fields)], [Question(helper, name) for helper, name in names])
    assert [answers[at].number for at in (0, 3, 5, 7)] == [5, 2, 5, 5]
    assert [answers[at].text for at in (1, 4, 6)] == ["aa", "cc", "aa"]
    assert [answers[at].bytes for at in (2, 8)] == [bytes(range(4))] * 2


def test_members_of_one_struct_have_places_and_of_many_have_none() -> None:
    """A member is asked for by its own name; behind an array of structs the next field is found."""
    fields = "s:{x:u8 y:utf16z} n:u8 r:{z:u16 q:ansiz}*n e:u8"
    payload = b"\7" + "yy\0".encode(UTF16) + b"\2" + b"\1\0a\0" + b"\2\0\0" + b"\x2a"
    questions = [Question("number", "x"), Question("text", "y"), Question("number", "z"), Question("number", "e")]
    x, y, z, e = ask(payload, [provider_of(fields)], questions)
    assert (x.number, y.text, z.result, e.number) == (7, "yy", ENOENT, 42)


def test_of_two_fields_with_one_name_the_first_is_meant() -> None:
    """The other has a place."""
    twice = (Field("a", "u8"), Field("a", "u8"))
    first, second = ask(b"\1\2", [provider_of(twice)], [Question("number", "a"), Question("number", 1)])
    assert (first.number, second.number) == (1, 2)


def test_two_names_with_one_number_stand_for_neither() -> None:
    """Found by search: FNV-1a of these two is the same in its lower 31 bits. Places still work."""
    left, right = colliding()
    fields = (Field(left, "u8"), Field("other", "u8"), Field(right, "u8"))
    answers = ask(b"\1\2\3", [provider_of(fields)], [Question("number", name) for name in (left, right, "other", 2)])
    assert [answer.result for answer in answers] == [ENOENT, ENOENT, 0, 0]
    assert [answer.number for answer in answers[2:]] == [2, 3]


def test_events_that_describe_themselves_need_no_schema() -> None:
    """TraceLogging: by the name that the event itself gives a field."""
    schema = description(described(b"size", 8), described(b"name", 2))
    answers = ask(
        b"\7\0\0\0nn\0", [], [Question("number", "size"), Question("text", "name"), Question("number", "x")],
        extended=[(SCHEMA_ITEM, schema)],
    )
    assert (answers[0].number, answers[1].text, answers[2].result) == (7, "nn", ENOENT)


def test_an_event_that_is_one_string_has_a_field_message() -> None:
    """EventWriteString."""
    (answer,) = ask("hello\0".encode(UTF16), [], [Question("text", "message")], flags=STRING_ONLY)
    assert answer.text == "hello"


def test_a_senseless_description_is_no_schema() -> None:
    """The event has none then, and is counted among those."""
    answers, via = ask_all([b"\1"] * 3, [], [Question("number", "a")] * 2, extended=[(SCHEMA_ITEM, b"\xff\xff\0")])
    assert [answer.result for answer in answers[0]] == [ENOMSG] * 2
    assert via == "fields not read of events: 3 without a schema"


def test_events_whose_fields_were_not_read_are_counted_once() -> None:
    """However often a program asks."""
    questions = [Question("number", "a"), Question("number", "b"), Question("number", "b")]
    _, via = ask_all([b"\1", b"\1\2", b""], [provider_of("a:u8 b:u8")], questions)
    assert via == "fields not read of events: 2 shorter than their schema"


def test_the_number_of_a_name_is_the_same_everywhere() -> None:
    """In Python, in the core, and in C (tests/cli/test_etw_header.py): FNV-1a as published."""
    assert lib.TR_ETW_BY_NAME == BY_NAME
    assert field_number("") == 0x811C9DC5
    assert field_number("foobar") == 0xBF9CF968


@settings(max_examples=200, deadline=None)
@given(data=st.data(), pointer_size=st.sampled_from([4, 8]))
def test_what_is_written_by_a_schema_is_read_by_it(data: st.DataObject, pointer_size: int) -> None:
    """Random schemas and payloads; fields asked for in a random order, and from payloads cut anywhere."""
    fields, values = data.draw(fields_with_values(pointer_size))
    encoder = Encoder(pointer_size)
    payload = encoder.fields(fields, values)
    asked = data.draw(st.permutations([each for each in fields if each.type != "struct"]))
    questions = [_question(each) for each in asked]
    cut = payload[: data.draw(st.integers(0, len(payload)))]
    whole, part = ask_all([payload, cut], [provider_of(fields)], questions, pointer_size=pointer_size)[0]
    for each, answer in zip(asked, whole, strict=True):
        _check(each, values[each.name], answer, pointer_size)
    for each, answer, of_cut in zip(asked, whole, part, strict=True):
        shortened = each.type in ("utf16z", "ansiz") and len(cut) < len(payload)    # it ends where the payload does
        assert of_cut == answer or of_cut.result == ENODATA or shortened
        assert of_cut.result != ENODATA or not any(of_cut.buffer)


def _question(field: Field) -> Question:
    if field.count is not None:
        return Question("bytes", field.name, 256)
    if field.type.startswith(("utf16", "ansi")) or field.type in ("sid", "guid"):
        return Question("text", field.name, 256)
    if field.type in ("ipv4", "ipv6"):
        return Question("address", field.name)
    return Question("bytes" if field.type in ("f32", "f64", "bytes", "bytesn") else "number", field.name, 256)


def _check(field: Field, value: Any, answer: Any, pointer_size: int) -> None:
    question = _question(field)
    raw = Encoder(pointer_size)._field(field, value)
    if field.count is not None and field.type in ("utf16z", "ansiz", "utf16n", "ansin", "sid", "bytesn"):
        assert answer.result == EINVAL
    elif question.helper == "bytes":
        assert answer.bytes == (raw[2:] if field.type == "bytesn" else raw)[:256]
    elif question.helper == "number":
        assert answer.signed == struct.unpack("<q", struct.pack("<Q", value % (1 << 64)))[0]
    elif question.helper == "text" and field.type in ("sid", "guid"):
        assert answer.text == (sid_text(value) if field.type == "sid" else str(UUID(bytes_le=value)))[:255]
    elif question.helper == "text":
        assert answer.text == value.rstrip("\0")
    else:
        assert answer.buffer[:16] == (value if field.type == "ipv6" else bytes(10) + b"\xff\xff" + value)
