"""`tracerd new --etw`: a probe for an event of Windows that builds, is proved and runs as it was made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from tests.cli.test_authoring import ROOT, tracerd
from tests.compilers import some_compiler
from tests.sources.test_manifest import WHOLE
from tracerd.cli.new import filled_in
from tracerd.cli.new_etw import etw_template
from tracerd.config import read_probe
from tracerd.sources.etl_names import parse_name
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.catalog import Catalog, load, shipped

DEMO = ROOT / "probes" / "etw_processes" / "demo.etl"
MY_PROVIDER = UUID("11111111-2222-3333-4444-555555555555")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder on a machine that can build."""
    some_compiler()
    return tmp_path


def replayed(folder: Path, recording: Path) -> dict[str, dict[str, object]]:
    """Build the probe and return its rows by process."""
    built = json.loads(tracerd("build", "made", "--json", folder=folder).stdout)
    assert [row["verdict"] for row in built["objects"][0]["programs"]] == ["accept"]
    done = tracerd("replay", recording, "made/probe.toml", "--json", folder=folder)
    return {str(row["pid"]): row for row in json.loads(done.stdout)["tables"]["seen"]}


def test_it_shows_who_has_the_event_and_what_the_last_one_said(folder: Path) -> None:
    """Four files and what comes next; on the shipped recording the rows that another count gives."""
    done = tracerd("new", "made", "--etw", "kernel-process:processstart", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "next: tracerd build made && tracerd replay FILE.etl made/probe.toml" in done.stdout
    names = {path.name for path in (folder / "made").iterdir()}
    assert names == {"README.md", "kernel_process.h", "made.bpf.c", "probe.toml"}
    images: dict[str, list[str]] = {}
    events = tracerd("events", DEMO, "--provider", "Kernel-Process:ProcessStart", "--json", folder=folder).stdout
    for event in map(json.loads, events.splitlines()):
        images.setdefault(str(event["pid"]), []).append(event["fields"]["ImageName"])
    rows = {pid: (row["count"], row["said"]) for pid, row in replayed(folder, DEMO).items()}
    assert rows == {pid: (len(each), each[-1]) for pid, each in images.items()}


@pytest.mark.parametrize(
    ("event", "source", "column"),
    [
        ("etw:DNS-Client:3008", "etw:Microsoft-Windows-DNS-Client:QueryCompleted", "said"),
        ("Thread:CSwitch", "etw-kernel:Thread:CSwitch", "value"),
        ("ALPC:SendMessage", "etw:ALPC:SendMessage", "value"),
    ],
)
def test_numbers_are_shown_where_there_is_no_text(event: str, source: str, column: str, folder: Path) -> None:
    """And kernel groups go by their own names; each is proved."""
    made = json.loads(tracerd("new", "made", "--etw", event, "--json", folder=folder).stdout)
    assert len(made["files"]) == 4
    probe = read_probe(folder / "made" / "probe.toml")
    assert probe.attach == (("on_event", source),)
    assert probe.views[0].columns[-1].name == column
    assert not replayed(folder, DEMO)


def test_an_event_of_a_manifest_is_attached_to_by_guid_and_number(folder: Path) -> None:
    """No replay needs the manifest to find it; to read its fields it does, as all that is said of it goes on to say."""
    (folder / "mine.man").write_text(WHOLE)
    done = tracerd("new", "made", "--etw", "My-Provider:1", "--manifest", "mine.man", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    told = f" --manifest {folder / 'mine.man'}"
    assert done.stdout.endswith(f"replay FILE.etl made/probe.toml{told}\n")
    assert (folder / "made" / "README.md").read_text().count(told) == 3
    recording = folder / "mine.etl"
    with EtlWriter(recording) as writer:
        writer.manifest_event(1_000_010, MY_PROVIDER, 1, b"", version=2, pid=44)
    assert {pid: row["count"] for pid, row in replayed(folder, recording).items()} == {"44": 1}


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_shipped_event_can_have_a_probe(path: Path) -> None:
    """Its attach name means that event, and no placeholder is left."""
    provider = load(path)
    for number, name in {event.number: event.name for event in provider.events.values()}.items():
        made = etw_template(Catalog(), f"{provider.name}:{number}")
        match = parse_name(made.places["@SOURCE@"])
        assert (match.provider, match.event) == (provider.guid, number), name
        for text in filled_in("etw", {"@NAME@": "made", "@MANIFESTS@": "", **made.places}).values():
            assert not re.search("@[A-Z]+@", text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--etw", "Kernel-Process"), "say which event, Microsoft-Windows-Kernel-Process:EVENT: CpuBasePriorityChange"),
        (("--etw", "Kernel-Proces:Start"), "did you mean Microsoft-Windows-Kernel-Process?"),
        (("--etw", "*MySource:Event"), "their fields are ETW_FIELD("),
        (("--etw", "DNS-Client:QueryCaled"), "did you mean QueryCalled?"),
        (("--manifest", "x.man"), "say which with --etw PROVIDER:EVENT"),
    ],
)
def test_what_is_meant_is_asked_for(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    """In one sentence, and nothing is written."""
    done = tracerd("new", "made", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []
