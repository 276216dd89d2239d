"""`tracerd replay` over every real recording: what a program counts is what two independent readers found in it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.cli.test_commands import answer, tracerd
from tests.sources.etl_support import SAMPLES, needs_samples
from tests.sources.test_etl_samples import ROWS

OBJECT = Path(__file__).parents[1] / "sources" / "objects" / "etw_kinds.bpf.o"
PROBE = """
[probe]
name = "kinds"
object = {object!r}
[[attach]]
program = "on_event"
source = {source!r}
"""
NO_HOOK = 0xFFFFFFFF


def counted(path: Path, tmp_path: Path) -> Any:
    """Return what the command prints of a probe that counts all events of a recording."""
    probe = tmp_path / "kinds.toml"
    probe.write_text(PROBE.format(object=str(OBJECT), source=f"etl:{path}"))
    return answer("replay", path, probe)


def provider(row: dict[str, Any]) -> str:
    if row["hook"] != NO_HOOK:
        return f"hook={row['hook']:04x}"
    return str(UUID(bytes_le=struct.pack("<QQ", row["guid_low"], row["guid_high"])))


@needs_samples
@pytest.mark.parametrize("row", ROWS)
def test_a_program_counts_what_others_found(row: dict[str, Any], tmp_path: Path) -> None:
    """By header kind and by provider, compressed or not; the ledger has it all, and no damage."""
    path = SAMPLES / row["file"]
    document = counted(path, tmp_path)
    kinds = {str(each["key"]): each["value"] for each in document["tables"]["kinds"] if each["value"]}
    providers = {provider(each): each["value"] for each in document["tables"]["providers"]}
    assert kinds == row["header_kinds"]
    assert {name: providers.get(name) for name in row["providers"]} == row["providers"]
    (ledger,) = document["ledger"].values()
    assert (ledger["delivered"], ledger["dropped"]) == (row["events"], 0)
    assert ledger["produced"] == row["events"] + ledger["lost"]
    assert "via" not in ledger


@needs_samples
def test_a_damaged_recording_says_what_is_wrong(tmp_path: Path) -> None:
    """The rest of it is counted; the ledger tells cause and number, `events` in its second line."""
    path = tmp_path / "torn.etl"
    path.write_bytes((SAMPLES / "demikernel_PktMon.etl").read_bytes()[:20_000])
    (ledger,) = counted(path, tmp_path)["ledger"].values()
    assert (ledger["dropped"], ledger["via"]) == (1, "damaged buffers: 1 cut off by the end of the file")
    document = answer("events", path)
    assert document["damage"] == {"headers": 0, "torn": 1, "packed": 0, "events": 0, "gone": 0}
    assert "damaged buffers: 1 cut off by the end of the file" in tracerd("events", path).stdout
