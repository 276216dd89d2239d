"""Events that describe themselves: every InType, the hints of OutTypes, structs, arrays; and hostile descriptions."""

from __future__ import annotations

import struct
import time
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.schema_support import GUID, decode, run_decoder
from tracerd.sources.etl_names import guid_of_name
from tracerd.sources.etw_decoder import EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas

UTF16 = "utf-16-le"
FIXED_COUNT, VARIABLE_COUNT, CUSTOM, CHAIN = 0x20, 0x40, 0x60, 0x80
SENSELESS = "it describes itself senselessly"


def description(*fields: bytes, name: bytes = b"Event", tags: bytes = b"\0") -> bytes:
    """Return an EVENT_SCHEMA_TL."""
    body = tags + name + b"\0" + b"".join(fields)
    return struct.pack("<H", len(body) + 2) + body


def field(name: bytes, in_type: int, out_type: int | None = None, more: bytes = b"") -> bytes:
    """Return the description of a field; `more` are tags and counts."""
    chain = b"" if out_type is None else bytes([out_type])
    return name + b"\0" + bytes([in_type | (0 if out_type is None else CHAIN)]) + chain + more


def decoded(payload: bytes, *fields: bytes, **how: Any) -> dict[str, Any]:
    """Return what an event's fields are; nothing may be left over."""
    document = decode(payload, schema=description(*fields), **how)
    assert "reason" not in document, document
    found: dict[str, Any] = document["fields"]
    return found


@pytest.mark.parametrize(
    ("in_type", "payload", "value"),
    [
        (1, "hé\0".encode(UTF16), "hé"),
        (2, b"text\0", "text"),
        (3, b"\xff", -1),
        (4, b"\xff", 255),
        (5, b"\xff\xff", -1),
        (6, b"\xff\xff", 65535),
        (7, b"\xff" * 4, -1),
        (8, b"\xff" * 4, 0xFFFFFFFF),
        (9, b"\xff" * 8, -1),
        (10, b"\xff" * 8, (1 << 64) - 1),
        (11, struct.pack("<f", 1.5), 1.5),
        (12, struct.pack("<d", 1.1), 1.1),
        (13, b"\1\0\0\0", True),
        (14, b"\2\0\xab\xcd", "abcd"),
        (15, GUID.bytes_le, str(GUID)),
        (16, b"\x10" + bytes(7), "0x10"),
        (17, bytes(8), "1601-01-01T00:00:00.0000000Z"),
        (18, struct.pack("<8H", 2024, 2, 4, 29, 23, 59, 58, 7), "2024-02-29T23:59:58.007Z"),
        (19, bytes([1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]), "S-1-5-18"),
        (20, b"\x1f\0\0\0", "0x1f"),
        (21, b"\x1f" + bytes(7), "0x1f"),
        (22, b"\4\0" + "ab".encode(UTF16), "ab"),
        (23, b"\2\0ab", "ab"),
        (25, b"\1\0\x07", "07"),
    ],
)
def test_every_in_type(in_type: int, payload: bytes, value: Any) -> None:
    """As a value, as an array of a fixed and of a variable count."""
    last = field(b"Last", 4)
    fixed = field(b"V", in_type | FIXED_COUNT, more=b"\2\0")
    assert decoded(payload + b"\7", field(b"V", in_type), last) == {"V": value, "Last": 7}
    assert decoded(payload * 2 + b"\7", fixed, last) == {"V": [value] * 2, "Last": 7}
    assert decoded(b"\3\0" + payload * 3 + b"\7", field(b"V", in_type | VARIABLE_COUNT), last)["V"] == [value] * 3
    assert decoded(b"\0\0" + b"\7", field(b"V", in_type | VARIABLE_COUNT), last) == {"V": [], "Last": 7}


@pytest.mark.parametrize(
    ("in_type", "out_type", "payload", "value"),
    [
        (4, 2, b"A", "A"),
        (6, 2, "é".encode(UTF16), "é"),
        (4, 3, b"\1", True),
        (8, 4, b"\x10\0\0\0", "0x10"),
        (8, 5, b"\x10\0\0\0", 16),
        (6, 7, b"\x01\xbb", 443),
        (8, 8, b"\x0a\0\0\1", "10.0.0.1"),
        (14, 9, b"\x10\0" + bytes(15) + b"\1", "::1"),
        (14, 10, b"\x10\0\x02\0\x01\xbb\x0a\0\0\1" + bytes(8), "10.0.0.1:443"),
        (8, 14, b"\x05\0\0\xc0", "0xc0000005"),
        (10, 16, bytes(8), "1601-01-01T00:00:00.0000000Z"),
        (23, 35, b"\3\0\xe2\x82\xac", "€"),
        (2, 127, b"x\0", "x"),
    ],
)
def test_out_types_are_hints(in_type: int, out_type: int, payload: bytes, value: Any) -> None:
    """They say how a value is shown; one that means nothing here is passed over. Tags behind them too."""
    assert decoded(payload, field(b"V", in_type, out_type)) == {"V": value}
    assert decoded(payload, field(b"V", in_type, out_type | CHAIN, more=b"\x81\x01")) == {"V": value}


def test_structs_hold_as_many_fields_as_they_say() -> None:
    """A struct in a struct counts as one; arrays of structs repeat all of it."""
    fields = (
        field(b"S", 24, 2), field(b"A", 4), field(b"T", 24 | VARIABLE_COUNT, 1), field(b"B", 2), field(b"Z", 4),
    )
    assert decoded(b"\1\2\0x\0y\0\7", *fields) == {"S": {"A": 1, "T": [{"B": "x"}, {"B": "y"}]}, "Z": 7}


def test_a_private_encoding_is_counted_bytes() -> None:
    """What describes it is skipped."""
    custom = field(b"C", 14 | CUSTOM, more=b"\3\0xyz")
    assert decoded(b"\2\0\xab\xcd\7", custom, field(b"Last", 4)) == {"C": "abcd", "Last": 7}


def test_the_name_of_event_and_provider_come_with_it() -> None:
    """Tags before the name are skipped; the provider's name is in its traits."""
    traits = b"\x20\0My.Provider\0" + b"\x13\0\1" + bytes(16)
    document = decode(b"", schema=description(name="Grüße".encode(), tags=b"\x81\x01"), traits=traits)
    assert (document["event"], document["provider"], document["fields"]) == ("Grüße", "My.Provider", {})


def test_a_provider_s_guid_is_made_of_its_name() -> None:
    """As the published examples have it."""
    assert guid_of_name("MyCompany.MyComponent") == UUID("ce5fa4ea-ab00-5402-8b76-9f76ac858fb5")


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\0",
        b"\xff\xff\0Event\0",                                    # larger than it is
        b"\1\0",
        b"\x05\0\x80\x80\x80",                                   # tags without an end
        b"\x06\0\0abc",                                          # a name without an end
        description(b"name"),
        description(field(b"V", 0)),
        description(field(b"V", 31)),
        description(b"V\0\x84"),                                 # no OutType
        description(field(b"V", 4 | FIXED_COUNT, more=b"\1")),
        description(field(b"V", 14 | CUSTOM, more=b"\xff\xffx")),
        description(field(b"S", 24, 3), field(b"A", 4)),         # fewer fields than it says
        description(*[field(b"S", 24, 1)] * 12, field(b"A", 4)),                 # too deep
        description(*[field(b"", 4)] * 1025),
    ],
)
def test_senseless_descriptions_are_told(hostile: bytes) -> None:
    """The event stays, as hex with the reason."""
    document = decode(b"\xab\xcd", schema=hostile)
    assert (document["reason"], document["payload"]) == (SENSELESS, "abcd")


def test_huge_counts_end_at_the_payload() -> None:
    """No count makes more work than the payload has bytes."""
    document = decode(b"\1\2", schema=description(field(b"V", 4 | FIXED_COUNT, more=b"\xff\xff")))
    assert document["reason"] == "the payload ends in field V"
    nested = [field(b"S", 24 | FIXED_COUNT, 1, more=b"\xff\xff") for _ in range(7)]
    began = time.monotonic()
    document = decode(b"", schema=description(*nested, field(b"E", 24 | FIXED_COUNT, 0, more=b"\xff\xff")))
    assert document["reason"] == "more values or text than one event may have"
    assert time.monotonic() - began < 2


def test_descriptions_are_told_apart_and_forgotten_in_bounds() -> None:
    """Thousands of providers and descriptions: each decodes by its own, whatever was forgotten in between."""
    with closing(EtwSchemas()) as schemas, closing(EtwDecoder(schemas, "json")) as decoder:
        for i in range(5000):
            schema = description(field(f"V{i % 2500}".encode(), 8))
            run_decoder(decoder, struct.pack("<I", i), schema=schema, guid=UUID(int=i))
            (line,) = decoder.take().splitlines()
            assert f'"fields":{{"V{i % 2500}":{i}}}'.encode() in line
        assert decoder.counts().self_described == 5000
        assert decoder.only_schema() is None


@settings(max_examples=300, deadline=None)
@given(schema=st.binary(max_size=200), payload=st.binary(max_size=100))
def test_any_bytes_are_a_description_or_are_not(schema: bytes, payload: bytes) -> None:
    """Random bytes, also with a sound size before them: always one line of JSON."""
    for each in (schema, struct.pack("<H", len(schema) + 2) + schema, description(schema)):
        document = decode(payload, schema=each)
        assert "reason" in document or "fields" in document
