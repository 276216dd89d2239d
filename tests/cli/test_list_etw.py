"""`tracerd list` of ETW events: providers, events, fields, types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from tracerd.cli.list import command
from tracerd.cli.list_etw import etw_fields, etw_kernel_names, etw_names
from tracerd.sources.etl_names import parse_name


def listed(glob: str, *options: str) -> str:
    done = CliRunner().invoke(command, [glob, *options], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_events_of_a_schema_have_fields_with_offsets() -> None:
    """In the newest version; behind a text nothing has an offset. Of the payload, not of the context."""
    rows: list[dict[str, Any]] = json.loads(listed("etw:*Kernel-Process:ProcessSt*", "--json"))
    start = next(row for row in rows if row["event"] == "etw:Microsoft-Windows-Kernel-Process:ProcessStart")
    assert (start["id"], start["version"]) == (1, max(start["versions"]))
    fields = {field["name"]: field for field in start["fields"]}
    assert fields["ProcessID"] == {"name": "ProcessID", "type": "u32", "offset": 0, "size": 4}
    assert fields["CreateTime"] == {"name": "CreateTime", "type": "filetime", "offset": 12, "size": 8}
    assert fields["ImageName"] == {"name": "ImageName", "type": "utf16z", "offset": None, "size": None}


def test_a_person_sees_the_same() -> None:
    """Number and versions behind the name, a field a line."""
    lines = listed("etw-kernel:Process:Start").splitlines()
    assert lines[0].startswith("etw-kernel:Process:Start  (opcode 1, version ")
    assert "    ptr UniqueProcessKey;  (offset 0, 8 bytes)" in lines
    assert "    utf16z CommandLine;" in lines


@pytest.mark.parametrize(
    "glob",
    ["etw:kernel-process:processstart", "etw:MICROSOFT-WINDOWS-Kernel-Process:ProcessStart", "etw:kernel-p*:*start"],
)
def test_names_may_be_spelt_as_attach_names_may(glob: str) -> None:
    """Letters of either case, and without what all of Microsoft's begin with."""
    assert "etw:Microsoft-Windows-Kernel-Process:ProcessStart  (id 1" in listed(glob)


@pytest.mark.parametrize("names", [etw_names, etw_kernel_names])
def test_every_name_that_is_listed_can_be_attached_to(names: Any) -> None:
    """And has its fields, or none at all."""
    found = list(names())
    assert len(set(found)) == len(found)
    for name in found:
        match = parse_name(name)
        row = etw_fields(name)
        assert row is None or match.event in (row.get("id"), row.get("opcode"))
