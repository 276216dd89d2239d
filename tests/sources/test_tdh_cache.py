"""Dumps of what Windows knows of providers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sources.schema_support import decode
from tracerd.errors import ConfigError
from tracerd.sources.schema.tdh_cache import FORMAT, read_cache


def document() -> dict[str, Any]:
    """Return the shape that docs/etw.md has."""
    fields = [
        {"name": "Count", "in_type": "UInt8", "map": "Kind"},
        {"name": "Names", "in_type": "UnicodeString", "count": "Count"},
        {"name": "Status", "in_type": "UInt32", "out_type": "NTSTATUS"},
        {"name": "Raw", "in_type": "Binary", "length": 2},
        {"name": "Items", "count": 1, "fields": [{"name": "Id", "in_type": "GUID"}]},
    ]
    event = {"id": 1, "version": 0, "name": "Event", "level": 4, "keyword": 16, "fields": fields}
    provider = {
        "name": "P", "guid": "11111111-2222-3333-4444-555555555555", "keywords": {"K": 16},
        "maps": {"Kind": {"values": {"0": "None", "0x1": "One"}}}, "events": [event],
    }
    return {"format": FORMAT, "windows": "10.0.22631", "providers": [provider]}


def read(folder: Path, content: object) -> Any:
    path = folder / "tdh.json"
    path.write_text(json.dumps(content))
    return read_cache(path)


def test_a_dump_decodes_events(tmp_path: Path) -> None:
    """Types, references, maps and structs, as in a manifest."""
    payload = b"\1" + "x\0".encode("utf-16-le") + b"\5\0\0\xc0" + b"\1\2" + bytes(16)
    found = decode(payload, read(tmp_path, document()))
    assert found["fields"] == {
        "Count": 1, "Names": ["x"], "Status": "0xc0000005", "Raw": "0102",
        "Items": [{"Id": "00000000-0000-0000-0000-000000000000"}],
    }
    assert found["labels"] == {"Count": "One"}


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    """Another format, unknown keys, unknown types, references to nothing: with the place."""
    for change, error in (
        ({"format": "other"}, "has the format 'other'"),
        ({"extra": 1}, "is no dump of schemas"),
        ({"providers": [{"name": "P"}]}, "is no dump of schemas"),
    ):
        with pytest.raises(ConfigError, match=error):
            read(tmp_path, document() | change)
    for key, value, error in (
        ("in_type", "Nothing", "there is no type 'Nothing'"),
        ("count", "Later", "'Later' is no number before it"),
        ("in_type", "Binary", "Binary needs a length"),
    ):
        changed = document()
        changed["providers"][0]["events"][0]["fields"][1][key] = value
        with pytest.raises(ConfigError, match=f"event 1: field Names: {error}"):
            read(tmp_path, changed)
