"""`tracerd events FILE.etl --fields`: what is printed, what is written, and how it fails."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.sources.test_manifest import WHOLE
from tracerd.cli.events_sinks import _readable
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.process_events import ProcessFacts, classic_process, process_start

KERNEL_PROCESS = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
DNS = UUID("1c95126e-7eea-49a9-a3fe-a378b03ddb4d")
PROCESS_CLASS = UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c")
OWN = UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
MINE = UUID("11111111-2222-3333-4444-555555555555")
TRAITS = b"\x0d\0Own.Source\0"
SCHEMA = b"\x13\0\0Beat\0Count\0\x08Id\0\x04"
FACTS = [ProcessFacts(pid, 4, f"C:\\p{pid},\"x\".exe", 1_700_000_000_000_000_000) for pid in (100, 104, 108)]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three process starts, one with bytes left over; a TraceLogging event; a kernel event; unknown ones."""
    path = tmp_path_factory.mktemp("etl") / "made.etl"
    with EtlWriter(path) as writer:
        ticks = 1_000_000
        for facts in FACTS:
            ticks += 10
            payload = process_start(facts) + (b"\xee" if facts.pid == 108 else b"")
            writer.manifest_event(ticks, KERNEL_PROCESS, 1, payload, version=3, keyword=0x10, pid=4, tid=8)
        writer.manifest_event(ticks + 10, KERNEL_PROCESS, 1, b"\1\2", version=77, keyword=0x20, pid=4)
        extended = [(0x0C, TRAITS), (0x0B, SCHEMA)]
        writer.manifest_event(ticks + 20, OWN, 0, b"\5\0\0\0\7", channel=11, pid=44, extended=extended)
        writer.system_event(ticks + 30, 0x0301, classic_process(FACTS[0], 0, 4, 8, b""), version=4)
        writer.manifest_event(ticks + 40, MINE, 3, b"", pid=44)
        writer.manifest_event(ticks + 50, UUID(int=9), 3, b"\xab", pid=44)
    return path


def run(*arguments: object, code: int = 0, **how: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tracerd.cli", "events", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **how)
    assert done.returncode == code, done.stderr
    return done


def events(*arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*arguments).stdout.splitlines()]


def test_events_are_json_lines_where_no_terminal_is(recording: Path) -> None:
    """Each with its header, its fields, or its payload with the reason; the last word is on standard error."""
    done = run(recording, "--fields")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["event"] for each in lines[1:]] == [
        "ProcessStart", "ProcessStart", "ProcessStart", None, "Beat", "Start", None, None
    ]
    first, second, third, version, beat, kernel, mine, unknown = lines[1:]
    assert (first["provider"], first["id"], first["version"], first["keyword"]) == (
        "Microsoft-Windows-Kernel-Process", 1, 3, "0x10"
    )
    assert (first["fields"]["ProcessID"], first["fields"]["ImageName"]) == (100, FACTS[0].image)
    assert first["fields"]["CreateTime"] == "2023-11-14T22:13:20.0000000Z"
    assert second["time_ns"] - first["time_ns"] == 1000
    assert third["reason"] == "1 byte left over"
    assert version["reason"] == "no schema for its version"
    assert (beat["provider"], beat["fields"]) == ("Own.Source", {"Count": 5, "Id": 7})
    assert (kernel["hook"], kernel["fields"]["ImageFileName"]) == ("0x301", 'p100,"x".exe')
    assert "pid" in mine
    assert (unknown["reason"], unknown["payload"]) == ("no schema for its provider", "ab")
    assert "9 events, " in done.stderr
    assert "1 × no schema for the version; 1 × bytes left over" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--provider", "microsoft-windows-kernel-process"], ["ProcessStart"] * 3 + [None]),
        (["--provider", "Microsoft-Windows-Kernel-Process:ProcessStart", "--limit", 2], ["ProcessStart"] * 2),
        (["--provider", "kernel-process:ProcessStart", "--limit", 1], ["ProcessStart"]),
        (["--provider", str(OWN)], ["Beat"]),
        (["--provider", "own.source"], ["Beat"]),
        (["--provider", "Own.Source", "--provider", "Process"], ["Beat", "Start"]),
        (["--id", 3, "--pid", 44], [None, None]),
        (["--pid", 44, "--limit", 1], ["Beat"]),
        (["--profile", "process"], ["ProcessStart"] * 3 + ["Start"]),
        (["--profile", "process", "--provider", "Process"], ["Start"]),
        (["--profile", "dns"], []),
        (["--profile", "dns", "--profile", "process"], ["ProcessStart"] * 3 + ["Start"]),
    ],
)
def test_filters_leave_what_was_asked_for(recording: Path, arguments: list[object], names: list[str | None]) -> None:
    """Providers by any name they have, ids, pids, profiles (with their keywords), and a limit; they mean --fields."""
    assert [each["event"] for each in events(recording, *arguments)] == names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fields"], "9 events, 5 decoded"),
        (["--pid", 44], "3 events of 9, 1 decoded"),
        (["--provider", "Process"], "1 event of 9, 1 decoded"),
        (["--limit", 2], "2 events, 2 decoded"),
        (["--profile", "dns"], "0 events of 9, 0 decoded"),
    ],
)
def test_the_last_line_says_of_how_many(recording: Path, arguments: list[object], said: str) -> None:
    """Where a filter left some out."""
    assert run(recording, *arguments).stderr.startswith(said)


def test_a_provider_whose_guid_is_made_of_its_name_is_found_by_that(tmp_path: Path) -> None:
    """As TraceLogging providers and EventSources are called: *NAME, whatever else is known of them."""
    path = tmp_path / "hashed.etl"
    with EtlWriter(path) as writer:
        writer.manifest_event(1_000_010, UUID("ce5fa4ea-ab00-5402-8b76-9f76ac858fb5"), 0, b"\5\0\0\0\7", channel=11,
                              extended=[(0x0C, TRAITS), (0x0B, SCHEMA)])  # fmt: skip
        writer.manifest_event(1_000_020, MINE, 3, b"")
    (event,) = events(path, "--provider", "*MyCompany.MyComponent")
    assert event["fields"] == {"Count": 5, "Id": 7}


def test_counts_have_names_of_providers_and_hooks(recording: Path) -> None:
    """Those that are known, and those that providers give themselves."""
    rows = [line.split() for line in run(recording).stdout.splitlines()]
    assert ["1", str(OWN), "Own.Source"] in rows
    assert ["1", "hook=0301", "Process", "Start"] in rows
    assert ["4", str(KERNEL_PROCESS), "Microsoft-Windows-Kernel-Process"] in rows
    assert ["1", str(MINE)] in rows


def test_a_provider_s_own_name_is_no_command_to_a_terminal(tmp_path: Path) -> None:
    """Any program can call itself anything: escaped, and cut after 64 bytes; JSON has it as it is."""
    path = tmp_path / "hostile.etl"
    name = b"\x1b[31m" + b"x" * 100
    with EtlWriter(path) as writer:
        writer.manifest_event(1_000_010, OWN, 0, b"", extended=[(0x0C, b"\x70\0" + name + b"\0")])
        writer.manifest_event(1_000_020, MINE, 0, b"", extended=[(0x0C, b"\x70\0no end")])
    assert json.loads(run(path, "--json").stdout)["names"] == {str(OWN): name[:64].decode()}
    shown = run(path).stdout
    assert "\x1b" not in shown
    assert "x" * 59 in shown


def test_a_manifest_brings_schemas(recording: Path, tmp_path: Path) -> None:
    """Names of its providers may be used too."""
    manifest = tmp_path / "mine.man"
    manifest.write_text(WHOLE)
    for name in ("my-provider", f"{str(MINE).upper()}:Event3"):
        (event,) = events(recording, "--manifest", manifest, "--provider", name)
    assert (event["provider"], event["event"], event["fields"]) == ("My-Provider", "Event3", {})


def test_what_is_wrong_with_a_recording_is_told_where_it_is_decoded(tmp_path: Path) -> None:
    """On a screen, and of a file that is written: what is not in it was lost or overwritten."""
    damaged = tmp_path / "damaged.etl"
    with EtlWriter(damaged, buffer_size=1024, events_lost=7) as writer:
        for tick in range(40):
            writer.manifest_event(1_000_010 + tick, MINE, 3, b"")
    data = bytearray(damaged.read_bytes())
    data[2048 + 0x48 : 2048 + 0x98] = bytes(0x50)
    damaged.write_bytes(data)
    damage = "damaged buffers: 1 whose events break off before its end"
    for done in (run(damaged, "--fields"), run(damaged, "-o", tmp_path / "out.jsonl")):
        assert done.stderr.endswith(f"7 lost by the recorder; {damage}\n")
    assert damage in run(damaged).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--provider", "Own.Sauce"], 2, "unknown provider 'Own.Sauce'"),
        (["--provider", "Own.Sauce:Beat"], 2, "no provider 'Own.Sauce' is known; one that is named by its own events"),
        (["--provider", "Kernel-Process:Nix"], 2, "unknown event 'Nix'"),
        (["--count", "--pid", 1], 2, "--count: counts every event"),
        (["-o", "x.xml"], 2, "x.xml: its end says how it is written: .jsonl, .csv, .parquet, .arrow"),
        (["-o", "/nowhere/x.csv"], 2, "/nowhere/x.csv: cannot be made: No such file or directory"),
        (["--manifest", "/nowhere.man"], 2, "/nowhere.man: cannot be read"),
        (["--profile", "dns", "--provider", "Process"], 2, "none of these is in the profile dns"),
    ],
)
def test_mistakes_are_told_in_one_sentence(recording: Path, arguments: list[object], code: int, error: str) -> None:
    """With an exit code of the one table."""
    done = run(recording, *arguments, code=code)
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_enough_ends_it_quietly(recording: Path) -> None:
    """`| head` is no error."""
    command = f"{sys.executable} -m tracerd.cli events {recording} --fields | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr.count("Traceback") == 0
    assert "rror" not in done.stderr


def test_json_lines_and_csv_are_written(recording: Path, tmp_path: Path) -> None:
    """The same events; a table of one schema has a column for each field."""
    lines, rows, typed = tmp_path / "a.jsonl", tmp_path / "a.csv", tmp_path / "b.csv"
    run(recording, "-o", lines)
    documents = [json.loads(line) for line in lines.read_text().splitlines()]
    assert documents == events(recording, "--fields")
    run(recording, "-o", rows)
    with rows.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [json.loads(row["fields"] or "null") for row in table] == [each.get("fields") for each in documents]
    assert [row["reason"] for row in table] == [each.get("reason", "") for each in documents]
    run(recording, "-o", typed, "--provider", "Microsoft-Windows-Kernel-Process:ProcessStart")
    with typed.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["ProcessID"], row["ImageName"], row["reason"]) for row in table] == [
        ("100", FACTS[0].image, ""), ("104", FACTS[1].image, ""), ("108", FACTS[2].image, "1 byte left over"),
        ("", "", "no schema for its version"),
    ]


def test_a_file_that_is_there_is_kept(recording: Path, tmp_path: Path) -> None:
    """--force replaces it, at once and whole."""
    kept = tmp_path / "a.csv"
    kept.write_text("mine")
    assert "exists; --force replaces it" in run(recording, "-o", kept, code=2).stderr
    assert kept.read_text() == "mine"
    run(recording, "-o", kept, "--force")
    assert kept.read_text().startswith("time,provider,")
    assert list(tmp_path.iterdir()) == [kept]


def test_no_file_is_replaced_that_is_read_or_is_none(recording: Path, tmp_path: Path) -> None:
    """A recording or manifest under whatever name, a pipe: refused. A link is replaced, not what it leads to."""
    own, link, pipe, old = (tmp_path / name for name in ("own.csv", "link.csv", "pipe.csv", "old.csv"))
    own.write_bytes(recording.read_bytes())
    link.symlink_to(own)
    os.mkfifo(pipe)
    for output, error in ((own, "is what is read"), (link, "is what is read"), (pipe, "is not a regular file")):
        assert error in run(own, "-o", output, "--force", code=2).stderr
    assert own.read_bytes() == recording.read_bytes()
    manifest = tmp_path / "mine.csv"
    manifest.write_text(WHOLE)
    assert "is what is read" in run(own, "--manifest", manifest, "-o", manifest, "--force", code=2).stderr
    assert manifest.read_text() == WHOLE
    old.write_text("old")
    link.unlink()
    link.symlink_to(old)
    run(own, "-o", link, "--force")
    assert not link.is_symlink()
    assert link.read_text().startswith("time,")
    assert old.read_text() == "old"


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(recording: Path, tmp_path: Path, suffix: str) -> None:
    """A limit on file sizes stands for it."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = run(recording, "-o", tmp_path / f"a.{suffix}", code=1, preexec_fn=limited)
    assert done.stderr.splitlines()[-1].endswith("cannot be written: File too large; nothing is left of it")
    assert not list(tmp_path.iterdir())


def test_without_pyarrow_the_extra_is_named(recording: Path, tmp_path: Path) -> None:
    """Exit code 4: not supported here."""
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not here')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    done = run(recording, "-o", tmp_path / "a.parquet", code=4, env=environment)
    assert "it needs pyarrow: pip install 'tracerd[arrow]'" in done.stderr


def test_columns_are_written_for_arrow(recording: Path, tmp_path: Path) -> None:
    """Parquet and Arrow have the same; times are times and numbers numbers; of one schema each field has a column."""
    pytest.importorskip("pyarrow", reason="pyarrow (tracerd[arrow]) is not installed")
    import pyarrow as pa
    import pyarrow.parquet as pq

    documents = events(recording, "--fields")
    for suffix in ("parquet", "arrow"):
        run(recording, "-o", tmp_path / f"a.{suffix}")
        run(recording, "-o", tmp_path / f"b.{suffix}", "--provider", "Microsoft-Windows-Kernel-Process", "--id", 1)
    everything = pq.read_table(tmp_path / "a.parquet")
    assert everything.equals(pa.ipc.open_file(tmp_path / "a.arrow").read_all())
    assert everything["time"].cast("int64").to_pylist() == [each["time_ns"] for each in documents]
    assert everything["pid"].to_pylist() == [each.get("pid") for each in documents]
    assert everything["keyword"].to_pylist() == [int(each["keyword"], 16) for each in documents]
    typed = pq.read_table(tmp_path / "b.parquet")
    assert typed.equals(pa.ipc.open_file(tmp_path / "b.arrow").read_all())
    assert typed["ProcessID"].to_pylist() == [100, 104, 108, None]
    assert typed.schema.field("CreateTime").type == pa.timestamp("us", "UTC")
    assert typed["CreateTime"].cast("int64").to_pylist()[0] == 1_700_000_000_000_000
    assert typed["ImageName"].to_pylist()[0] == FACTS[0].image


def test_a_terminal_gets_lines_a_person_can_read(recording: Path) -> None:
    """Time, task, names, fields; text of events cannot reach the terminal as commands."""
    documents = events(recording, "--fields")
    line = _readable(documents[1])
    assert "22:13:20.000001" in line
    assert "Microsoft-Windows-Kernel-Process ProcessStart" in line
    hostile = documents[1] | {"fields": {"A": "\x1b[2J", "B\x07": [1, 2]}, "labels": {"A": "x"}}
    shown = _readable(hostile)
    assert "\\x1b[2J (x)" in shown
    assert "\x07" not in shown
    assert "no schema for its provider: ab" in _readable(documents[-1])
