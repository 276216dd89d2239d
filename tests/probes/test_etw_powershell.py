"""The probe `etw_powershell` over recordings whose truth is known, and a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exporters.mapping.records import RecordMapper
from tests.probes.etw_recordings import START_NS, Recording, Replayed, replay, replay_both, rows
from tests.sources.etl_support import SAMPLES, needs_samples
from tracerd.config import read_probe
from tracerd.elf.load import load
from tracerd.runtime.locate import shipped_probes
from tracerd.snapshot import RecordBatch
from tracerd.views.columns import RecordColumns
from tracerd.views.values import named_type

SHELL, CORE = "Microsoft-Windows-PowerShell", "PowerShellCore"
HEALTH, PIPELINE, BLOCK, RUN, RAN, LIFECYCLE, ENGINE, PROVIDER = 4100, 4103, 4104, 4105, 4106, 7937, 7938, 7939
WARNING, VERBOSE = 3, 5
STARTS, STOPS = 102, 103
ID = "0b1c2d3e-aaaa-bbbb-cccc-{:012d}"
MS = 10_000
"""Ticks of a millisecond."""


def context(
    user: str = "SHOP\\ann", command: str = "", kind: str = "Script", script: str = "", host: str = "ps.exe"
) -> str:
    """Return a ContextInfo as PowerShell 5.1 writes it."""
    values = {
        "Severity": "Informational", "Host Name": "ConsoleHost", "Host Version": "5.1", "Host ID": "x",
        "Host Application": host, "Engine Version": "5.1", "Runspace ID": "y", "Pipeline ID": "1",
        "Command Name": command, "Command Type": kind, "Script Name": script, "Command Path": "",
        "Sequence Number": "2", "User": user, "Connected User": "", "Shell ID": "Microsoft.PowerShell",
    }  # fmt: skip
    return "".join(f"        {name} = {value}\r\n" for name, value in values.items())


def tell(
    made: Recording, event: int, info: str, task: int = 0, pid: int = 100, shell: str = SHELL, **of: Any
) -> None:
    made.event(shell, event, 1, {"ContextInfo": info}, pid=pid, tid=7, task=task, **of)


def block(
    made: Recording, text: str, number: int = 1, total: int = 1, *, block_id: int = 1, path: str = "",
    level: int = VERBOSE, pid: int = 100, tid: int = 7, after: int = 0, shell: str = SHELL, **of: Any,
) -> None:
    values = {
        "MessageNumber": number, "MessageTotal": total, "ScriptBlockText": text, "ScriptBlockId": ID.format(block_id),
        "Path": path,
    }  # fmt: skip
    made.event(shell, BLOCK, 1, values, level=level, pid=pid, tid=tid, after=after, **of)


def replayed(made: Recording) -> Replayed:
    return replay("etw_powershell", made.path, "blocks", "block")


def replayed_by_both(made: Recording) -> Replayed:
    return replay_both("etw_powershell", made.path, "blocks", "block")


def test_a_block_in_one_part_is_counted_and_told(tmp_path: Path) -> None:
    """By process, user and path; the record has the text, its size, and whether PowerShell found it suspicious."""
    with Recording(tmp_path / "made.etl") as made:
        made.process(100, "\\Device\\HarddiskVolume3\\w\\powershell.exe")
        tell(made, ENGINE, context())
        block(made, "Get-Date", path="C:\\jobs\\date.ps1")
        block(made, "iex $payload", block_id=2, level=WARNING, after=5)
    found = replayed(made)
    assert found.tables["scripts"] == [
        {"user": "SHOP\\ann", "blocks": 1, "suspicious": 1, "characters": 12, "largest": 12, "path": "",
         "process": "powershell.exe", "last_ns": START_NS + 500},
        {"user": "SHOP\\ann", "blocks": 1, "suspicious": 0, "characters": 8, "largest": 8,
         "path": "C:\\jobs\\date.ps1", "process": "powershell.exe", "last_ns": START_NS},
    ]  # fmt: skip
    assert rows(found.tables["processes"], "process", "pid", "user", "blocks", "suspicious", "characters") == [
        ("powershell.exe", 100, "SHOP\\ann", 2, 1, 20)
    ]
    assert found.records[1] == {
        "time_ns": found.records[0]["time_ns"] + 500, "characters": 12, "pid": 100, "tid": 7, "parts": 1, "total": 1,
        "level": 3, "severity": 13, "suspicious": 1, "complete": 1, "id": ID.format(2), "name": "powershell.exe",
        "user": "SHOP\\ann", "path": "", "text": "iex $payload",
    }  # fmt: skip
    found.totals(blocks=2, parts=2, suspicious=1)


def test_parts_are_put_together(tmp_path: Path) -> None:
    """One block with the size of all, the begin of the first, and the level of the most severe; threads do not mix."""
    with Recording(tmp_path / "made.etl") as made:
        block(made, "a" * 20_000, 1, 3)
        block(made, "x" * 100, 1, 2, block_id=2, tid=8)
        block(made, "b" * 20_000, 2, 3, level=WARNING)
        block(made, "c" * 10, 3, 3)
        block(made, "y" * 50, 2, 2, block_id=2, tid=8)
    found = replayed_by_both(made)
    assert [r["text"] for r in found.records] == ["a" * 511, "x" * 100]
    assert rows(found.records, "characters", "parts", "complete", "suspicious") == [(40_010, 3, 1, 1), (150, 2, 1, 0)]
    assert rows(found.tables["scripts"], "blocks", "suspicious", "characters", "largest") == [(2, 1, 40_160, 40_010)]
    found.totals(blocks=2, parts=5, suspicious=1)


def test_blocks_with_parts_missing_say_so(tmp_path: Path) -> None:
    """A last part ends a block whatever came before it; one that never gets its last part is counted."""
    with Recording(tmp_path / "made.etl") as made:
        block(made, "second of two", 2, 2)
        block(made, "first of three", 1, 3, block_id=2)
        block(made, "third of three", 3, 3, block_id=2)
        block(made, "never ended", 1, 2, block_id=3)
        block(made, "another", block_id=4)
        block(made, "under way when the recording ends", 1, 2, block_id=5)
    found = replayed(made)
    assert [(r["parts"], r["total"], r["complete"], r["text"]) for r in found.records] == [
        (1, 2, 0, "second of two"), (2, 3, 0, "first of three"), (1, 1, 1, "another"),
    ]
    assert rows(found.tables["processes"], "blocks", "incomplete") == [(3, 3)]
    found.totals(blocks=3, parts=6, incomplete=3)


def test_text_that_is_not_ascii_is_utf_8_and_cut_between_characters(tmp_path: Path) -> None:
    """In scripts, paths, users and commands; sizes are in UTF-16 units, as PowerShell counts."""
    with Recording(tmp_path / "made.etl") as made:
        tell(made, LIFECYCLE, context(user="ÄÖ\\ü", command="Get-日本", script="C:\\😀.ps1"), STARTS)
        block(made, "€" * 400, path="C:\\日本\\" + "ü" * 100 + ".ps1")
    found = replayed_by_both(made)
    assert [(r["text"], r["characters"], r["path"]) for r in found.records] == [
        ("€" * 170, 400, "C:\\日本\\" + "ü" * 58)
    ]
    assert rows(found.tables["commands"], "user", "command", "script") == [("ÄÖ\\ü", "Get-日本", "C:\\??.ps1")]


def test_commands_are_counted_when_they_start(tmp_path: Path) -> None:
    """By user, name and type; what was logged with parameters is counted apart, and errors with their process."""
    with Recording(tmp_path / "made.etl") as made:
        for _ in range(3):
            tell(made, LIFECYCLE, context(command="Get-Item", kind="Cmdlet", script="C:\\a.ps1"), STARTS)
            tell(made, LIFECYCLE, context(command="Get-Item", kind="Cmdlet"), STOPS)
        tell(made, LIFECYCLE, context("SHOP\\bob", "Get-Item", "Cmdlet"), STARTS, pid=200)
        tell(made, PIPELINE, context(command="Get-Item", kind="Cmdlet", script="C:\\b.ps1"), after=7)
        for event in range(HEALTH, PIPELINE):
            tell(made, event, context())
        tell(made, PROVIDER, context("SHOP\\carl"), pid=300)
    found = replayed_by_both(made)
    assert rows(found.tables["commands"], "command", "type", "user", "started", "logged", "script", "last_ns") == [
        ("Get-Item", "Cmdlet", "SHOP\\ann", 3, 1, "C:\\b.ps1", START_NS + 700),
        ("Get-Item", "Cmdlet", "SHOP\\bob", 1, 0, "", START_NS),
    ]
    assert rows(found.tables["processes"], "pid", "user", "commands", "errors") == [
        (100, "SHOP\\ann", 3, 3), (200, "SHOP\\bob", 1, 0), (300, "SHOP\\carl", 0, 0),
    ]
    found.totals(commands=4)


@pytest.mark.parametrize(
    "host",
    ["ps.exe\r\n        User = SHOP\\root\r\n        Connected User = ", "ps.exe " + "A" * 30_000, "\n" * 50],
    ids=["lines", "long", "empty lines"],
)
def test_a_command_line_cannot_pretend_to_be_somebody_else(tmp_path: Path, host: str) -> None:
    """It stands before the user, who is found from the text's end, wherever that is."""
    with Recording(tmp_path / "made.etl") as made:
        tell(made, LIFECYCLE, context("SHOP\\eve", "evil", "Function", host=host), STARTS)
    found = replay("etw_powershell", made.path)
    assert rows(found.tables["commands"], "user", "command", "type") == [("SHOP\\eve", "evil", "Function")]


def test_another_language_changes_nothing(tmp_path: Path) -> None:
    """Lines go by their place, not by their names."""
    german = context(command="Get-Item", kind="Cmdlet").replace("User = ", "Benutzer = ").replace("Command", "Befehl")
    with Recording(tmp_path / "made.etl") as made:
        tell(made, LIFECYCLE, german, STARTS)
    found = replay("etw_powershell", made.path)
    assert rows(found.tables["commands"], "user", "command") == [("SHOP\\ann", "Get-Item")]


def test_long_values_are_cut_and_do_not_spill_into_others(tmp_path: Path) -> None:
    """Each has its own room."""
    with Recording(tmp_path / "made.etl") as made:
        tell(made, LIFECYCLE, context("U" * 300, "C" * 300, "T" * 300, "S" * 300), STARTS)
    found = replay("etw_powershell", made.path)
    (row,) = rows(found.tables["commands"], "user", "command", "type", "script")
    assert row == ("U" * 47, "C" * 63, "T" * 23, "S" * 125)


def test_powershell_7_is_read_as_well(tmp_path: Path) -> None:
    """Another provider, whose events have the same numbers and fields: all that the probe takes of the other one."""
    with Recording(tmp_path / "made.etl") as made:
        tell(made, ENGINE, context(), shell=CORE)
        tell(made, LIFECYCLE, context(command="Get-Item", kind="Cmdlet"), STARTS, shell=CORE)
        tell(made, PIPELINE, context(command="Get-Item", kind="Cmdlet"), shell=CORE)
        tell(made, HEALTH, context(), shell=CORE)
        block(made, "iex $payload", level=WARNING, shell=CORE)
        for event in (RUN, RAN):
            made.event(CORE, event, 1, {"ScriptBlockId": ID.format(1)}, pid=100, tid=7, after=MS)
    found = replayed(made)
    columns = ("user", "blocks", "suspicious", "commands", "errors", "runs", "run_ns")
    assert rows(found.tables["processes"], *columns) == [("SHOP\\ann", 1, 1, 1, 1, 1, 1_000_000)]
    assert rows(found.tables["commands"], "command", "started", "logged") == [("Get-Item", 1, 1)]
    assert [record["text"] for record in found.records] == ["iex $payload"]
    sources = [source for _, source in read_probe(shipped_probes()["etw_powershell"]).attach]
    events = {
        shell: {source.rpartition(":")[2] for source in sources if source.startswith(f"etw:{shell}:")}
        for shell in (SHELL, CORE)
    }
    assert events[SHELL] == events[CORE] != set()


def test_runs_are_timed_by_thread(tmp_path: Path) -> None:
    """From start to completion; a block that calls itself is one run in time, and a completion alone is none."""
    def run(made: Recording, event: int, block_id: int, after: int = 0, tid: int = 7) -> None:
        made.event(SHELL, event, 1, {"ScriptBlockId": ID.format(block_id)}, pid=100, tid=tid, after=after)

    with Recording(tmp_path / "made.etl") as made:
        run(made, RAN, 9)
        run(made, RUN, 1)
        run(made, RUN, 1, after=MS)
        run(made, RUN, 1, tid=8)
        run(made, RAN, 1, after=MS)
        run(made, RAN, 1, after=MS)
        run(made, RAN, 1, after=MS, tid=8)
    found = replayed_by_both(made)
    assert rows(found.tables["processes"], "runs", "run_ns") == [(3, 6_000_000)]


def test_a_process_id_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    """What one compiled is not the other's, nor is its user."""
    with Recording(tmp_path / "made.etl") as made:
        made.process(100, "old.exe", opcode=1)
        tell(made, ENGINE, context())
        block(made, "a", 1, 2)
        made.process(100, "old.exe", opcode=2)
        made.process(100, "new.exe", opcode=1)
        block(made, "b", 2, 2)
    found = replayed(made)
    assert rows(found.tables["processes"], "process", "user", "blocks", "incomplete") == [
        ("new.exe", "", 1, 1), ("old.exe", "SHOP\\ann", 0, 0),
    ]


def test_events_that_make_no_sense_are_counted_as_such(tmp_path: Path) -> None:
    """Cut, of a version that nobody knows, or with a context that is none."""
    with Recording(tmp_path / "made.etl") as made:
        block(made, "cut", cut=7)
        block(made, "of tomorrow", labelled=9)
        made.event(SHELL, RUN, 1, cut=0, pid=100)
        tell(made, LIFECYCLE, "one line\r\n", STARTS)
        tell(made, LIFECYCLE, "", STARTS, cut=0)
    found = replayed_by_both(made)
    found.totals(unreadable=5)
    assert (found.records, found.tables["scripts"], found.tables["commands"]) == ([], [], [])
    assert found.via == "fields not read of events: 1 without a schema, 1 shorter than their schema"


def test_a_block_whose_text_is_cut_off_is_told_all_the_same(tmp_path: Path) -> None:
    """What came of it may be all that there is to see."""
    with Recording(tmp_path / "made.etl") as made:
        block(made, "iex $payload", level=WARNING, path="C:\\a.ps1", cut=8 + 10)
    found = replayed(made)
    assert [(r["text"], r["id"], r["path"], r["suspicious"]) for r in found.records] == [("iex $", "", "", 1)]


def test_a_flood_of_ordinary_blocks_keeps_no_suspicious_one_back(tmp_path: Path) -> None:
    """Each kind of log record has a limit of its own; what is over it is counted."""
    with Recording(tmp_path / "made.etl") as made:
        for number in range(80):
            block(made, f"ordinary {number}", after=1)
        block(made, "iex $payload", level=WARNING, path="C:\\a.ps1", after=1)
    records = tuple(replay("etw_powershell", made.path, "blocks").records)
    probe = read_probe(shipped_probes()["etw_powershell"])
    btf = load(probe.object).btf
    assert btf is not None
    found = named_type(btf, "block")
    assert found is not None
    layouts = {"": RecordColumns(btf, found)}
    mapper = RecordMapper(clock=lambda: 0.0)
    logs, _ = mapper.map(RecordBatch("etw_powershell", "blocks", records, 0, 0, probe.signals, layouts))
    suspicious, ordinary = logs
    assert (suspicious.event_name, len(suspicious)) == ("tracerd.etw.powershell.suspicious_script_block", 1)
    assert (ordinary.event_name, len(ordinary)) == ("tracerd.etw.powershell.script_block", 50)
    assert suspicious.severities == [13]
    assert suspicious.bodies == [" () compiled 12 characters of C:\\a.ps1: iex $payload"]
    assert dict(suspicious.attributes)["tracerd.powershell.script_block.complete"] == ["yes"]
    assert mapper.counted["records_limited"] == 30


def test_scripts_that_find_no_room_are_counted(tmp_path: Path) -> None:
    """The total has them, and the map says how many it refused."""
    with Recording(tmp_path / "made.etl") as made:
        for number in range(8_200):
            block(made, "x", path=f"C:\\{number}.ps1")
    found = replay("etw_powershell", made.path)
    assert (len(found.tables["scripts"]), found.refused) == (8_192, {"scripts": 8})
    assert found.tables["totals"][0]["blocks"] == 8_200


@needs_samples
def test_a_real_recording_has_its_commands() -> None:
    """51 commands of two shells, and nothing that could not be read; no script blocks were logged."""
    found = replay_both("etw_powershell", SAMPLES / "krabsetw_powershell.etl", "blocks", "block")
    assert rows(found.tables["processes"], "pid", "user", "commands") == [
        (17480, "EEEEE\\aaaaa", 44), (16040, "EEEEE\\aaaaa", 7),
    ]
    assert rows(found.tables["commands"], "command", "type", "started")[:3] == [
        ("", "Script", 14), ("Out-Default", "Cmdlet", 7), ("PSConsoleHostReadLine", "Function", 7),
    ]
    modules = {row["command"]: row["script"] for row in found.tables["commands"]}
    module = modules["Set-StrictMode"]
    assert module == "C:\\Program Files\\WindowsPowerShell\\Modules\\PSReadLine\\2.0.0\\PSReadLine.psm1"
    assert found.records == []
    found.totals(commands=51)
