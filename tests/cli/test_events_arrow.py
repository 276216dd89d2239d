"""Columns for Arrow: whatever a schema and a payload are, the columns have what the JSON line has."""

from __future__ import annotations

import io
import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.schema_support import Encoder, decode, provider_of, run_decoder
from tests.sources.test_etw_property import fields_with_values
from tracerd.cli.events_arrow import ArrowSink, column_names
from tracerd.sources.etw_decoder import ColumnType, EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas

pa = pytest.importorskip("pyarrow", reason="pyarrow (tracerd[arrow]) is not installed")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def table(piece: bytes, fields: list[ColumnType] | None) -> Any:
    """Return what the sink makes of rows."""
    out = io.BytesIO()
    sink = ArrowSink(pa, out, fields, parquet=False)
    sink.put(piece)
    sink.close()
    return pa.ipc.open_file(out.getvalue()).read_all()


def as_column(word: str, value: Any) -> Any:
    """Return a JSON value as a column of that type has it."""
    if value is None:
        return None
    if word == "filetime":                       # in µs; the JSON has 100 ns
        moment = datetime.fromisoformat(f"{value[:26]}+00:00")
        return (moment - EPOCH) // (datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC) - EPOCH)
    if isinstance(value, str) and word in ("x8", "x16", "x32", "x64", "ptr"):
        return int(value, 16)
    if word in ("f32", "f64"):
        return float(value)
    return value


@settings(max_examples=150, deadline=None)
@given(data=st.data(), cut=st.integers(0, 400))
def test_columns_have_what_the_json_has(data: st.DataObject, cut: int) -> None:
    """Typed columns and the column of JSON, of whole payloads and torn ones."""
    fields, values = data.draw(fields_with_values(8))
    payload, provider = Encoder().fields(fields, values)[:cut], provider_of(fields)
    document = decode(payload, [provider])
    with closing(EtwSchemas()) as schemas:
        schemas.add(provider)
        rows = {}
        for form in ("csv", "columns"):
            with closing(EtwDecoder(schemas, form, columns=len(fields), digits=6)) as decoder:
                run_decoder(decoder, payload)
                rows[form], columns = decoder.take(), decoder.only_schema()
    (plain,) = table(rows["csv"], None).drop_columns("time").to_pylist()
    assert json.loads(plain["fields"]) == document["fields"]
    assert (plain["reason"], plain["payload"]) == (document.get("reason"), document.get("payload"))
    assert columns is not None
    typed = table(rows["columns"], columns)
    for name, column in zip(column_names(columns)[15:-2], columns, strict=True):
        value = document["fields"].get(column.name)
        found = typed[name].cast("int64").to_pylist()[0] if column.type == "filetime" else typed[name].to_pylist()[0]
        if column.type == "f32" and value is not None:
            assert float(str(typed[name].to_numpy()[0])) == pytest.approx(value, rel=1e-6)
        elif column.type == "json" and value is not None:
            assert json.loads(found) == value
        else:
            assert found == as_column(column.type, value)


def test_names_of_columns_are_all_different() -> None:
    """A field called like a common column, or like what another became, gets a name of its own."""
    fields = [ColumnType(name, "u8") for name in ("pid", "pid_field", "Pid")]
    assert column_names(fields)[15:-2] == ["pid_field", "pid_field_field", "Pid"]
    assert column_names(None)[15:-2] == ["fields"]
