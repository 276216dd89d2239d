"""Random schemas, random payloads written in Python: the core decodes what was written."""

from __future__ import annotations

import csv
import io
import json
import struct
from contextlib import closing
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.schema_support import Encoder, decode, provider_of, run_decoder
from tracerd.sources.etw_decoder import COLUMNS, EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.events_file import parse_fields
from tracerd.sources.schema.model import Field

text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
floats = {"f32": st.floats(width=32, allow_nan=False, allow_infinity=False),
          "f64": st.floats(allow_nan=False, allow_infinity=False)}
BITS = {"i8": 8, "u8": 8, "i16": 16, "u16": 16, "i32": 32, "u32": 32, "i64": 64, "u64": 64, "x8": 8, "x16": 16,
        "x32": 32, "x64": 64, "bool8": 8, "bool32": 32, "port": 16}
RAW = {"guid": 16, "ipv4": 4, "ipv6": 16}
TEXTS = ("utf16z", "ansiz", "utf16n", "ansin")
SIMPLE = sorted([*BITS, *floats, *RAW, *TEXTS, "ptr", "size", "filetime", "sid", "bytesn"])


def values_of(kind: str, pointer_size: int) -> st.SearchStrategy[Any]:
    """Values of a type that has its own length."""
    if kind in BITS:
        low = -(1 << BITS[kind] - 1) if kind.startswith("i") else 0
        return st.integers(low, low + (1 << BITS[kind]) - 1)
    if kind in floats:
        return floats[kind]
    if kind in RAW:
        return st.binary(min_size=RAW[kind], max_size=RAW[kind]).filter(lambda raw: raw[:10] != bytes(10))
    if kind in ("ptr", "size"):
        return st.integers(0, (1 << 8 * pointer_size) - 1)
    if kind == "filetime":
        return st.integers(0, 2650467743999999999)
    if kind == "sid":
        parts = st.lists(st.integers(0, 0xFFFFFFFF), max_size=15)
        return parts.map(lambda p: bytes([1, len(p), 0, 0, 0, 0, 0, 5]) + struct.pack(f"<{len(p)}I", *p))
    return st.binary(max_size=20) if kind == "bytesn" else text


@st.composite
def fields_with_values(draw: st.DrawFn, pointer_size: int, depth: int = 0) -> tuple[tuple[Field, ...], dict[str, Any]]:
    """Return fields and a value for each; lengths and counts are fields, numbers, or structs' own."""
    fields: list[Field] = []
    values: dict[str, Any] = {}
    for i in range(draw(st.integers(0 if depth == 0 else 1, 5))):
        name = f"f{depth}_{i}"
        shape = draw(st.sampled_from(["simple", "simple", "sized", "array", "struct"] if depth < 3 else ["simple"]))
        if shape == "simple":
            kind = draw(st.sampled_from(SIMPLE))
            fields.append(Field(name, kind))
            values[name] = draw(values_of(kind, pointer_size))
            continue
        number = Field(f"{name}n", draw(st.sampled_from(["u8", "u16", "i32", "u64"])))
        if shape == "sized":
            kind = draw(st.sampled_from(["utf16", "ansi", "bytes"]))
            value = draw(st.binary(max_size=12) if kind == "bytes" else text)
            raw = value if kind == "bytes" else value.encode("utf-16-le" if kind == "utf16" else "utf-8")
            of, size = Field(name, kind, length=number.name), len(raw) // (2 if kind == "utf16" else 1)
        elif shape == "array":
            kind = draw(st.sampled_from(SIMPLE))
            value = draw(st.lists(values_of(kind, pointer_size), max_size=4))
            of, size = Field(name, kind, count=number.name), len(value)
        else:
            members, of_members = draw(fields_with_values(pointer_size, depth + 1))
            size = draw(st.integers(0, 3))
            value = [of_members] * size
            of = Field(name, "struct", count=number.name, members=members)
        if draw(st.booleans()):
            fields.append(number)
            values[number.name] = size
        else:                                    # a number in the schema itself
            of = replace(of, length=size) if shape == "sized" else replace(of, count=size)
        fields.append(of)
        values[name] = value
    return tuple(fields), values


@settings(max_examples=400, deadline=None)
@given(data=st.data(), pointer_size=st.sampled_from([4, 8]))
def test_what_is_written_by_a_schema_is_decoded_by_it(data: st.DataObject, pointer_size: int) -> None:
    """Values, nesting, lengths and counts of all kinds; the schema's written form gives the schema again."""
    fields, values = data.draw(fields_with_values(pointer_size))
    assert parse_fields(" ".join(map(str, fields))) == fields
    encoder = Encoder(pointer_size)
    payload = encoder.fields(fields, values)
    document = decode(payload, [provider_of(fields)], pointer_size=pointer_size)
    assert "reason" not in document
    assert document["fields"] == encoder.shown(fields, values)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), pointer_size=st.sampled_from([4, 8]), cut=st.integers(0, 400))
def test_rows_of_csv_have_the_same_as_the_json(data: st.DataObject, pointer_size: int, cut: int) -> None:
    """Python's csv reads the row; fields as JSON, and in columns of their own, are what the JSON line has."""
    fields, values = data.draw(fields_with_values(pointer_size))
    payload = Encoder(pointer_size).fields(fields, values)[:cut]
    provider = provider_of(fields)
    document = decode(payload, [provider], pointer_size=pointer_size)
    with closing(EtwSchemas()) as schemas:
        schemas.add(provider)
        rows = {}
        for form in ("csv", "columns"):
            with closing(EtwDecoder(schemas, form, columns=len(fields))) as decoder:
                run_decoder(decoder, payload, pointer_size=pointer_size)
                (rows[form],) = csv.reader(io.StringIO(decoder.take().decode(), newline=""))
    first = len(COLUMNS)
    assert rows["csv"][:first] == rows["columns"][:first]
    assert rows["csv"][-2:] == rows["columns"][-2:] == [document.get("reason", ""), document.get("payload", "")]
    assert json.loads(rows["csv"][first]) == document["fields"]
    for each, shown in zip(fields, rows["columns"][first:-2], strict=True):
        value = document["fields"].get(each.name, "")
        same = shown == value if isinstance(value, str) else json.loads(shown or "null") == value
        assert same, (each, shown, value)
