"""The commands as a user calls them: what they print, in which shape, with which exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sources.live import need_live_events

ROOT = Path(__file__).parents[2]
SYSCALLS = ROOT / "probes" / "syscalls" / "syscalls.bpf.o"
DEMO = ROOT / "probes" / "etw_processes" / "demo.etl"


def tracerd(*arguments: str | Path, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, in a process of its own."""
    command = [*prefix, sys.executable, "-m", "tracerd.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def answer(*arguments: str | Path) -> Any:
    """Return the JSON that a command prints; it must succeed without a word on stderr."""
    done = tracerd(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_verify_accepts_every_shipped_probe_with_its_certificate() -> None:
    """One row a program, in the contract's shape."""
    rows = answer("verify", SYSCALLS)
    assert [row["program"] for row in rows] == ["on_enter", "on_exit", "on_thread_exit"]
    for row in rows:
        assert row["verdict"] == "accept"
        assert row["terminates"]
        assert len(row["certificate"]) == 64


def test_verify_rejects_in_one_line_with_instruction_source_register_and_bound() -> None:
    """The line a user reads names the place and what was not proved; the exit code is 1."""
    broken = ROOT / "tests" / "cli" / "objects" / "broken.bpf.o"
    done = tracerd("verify", broken)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("past_the_end: instruction ")
    assert "broken.bpf.c:" in line
    assert "needs" in line
    assert "has" in line
    row = json.loads(tracerd("verify", broken, "--json").stdout)[0]
    assert row["verdict"] == "reject"
    assert row["source"]["text"].strip().startswith("return bytes[")
    assert row["instruction"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("run", "syscals"), 2, "did you mean 'syscalls'?"),
        (("run", "/nonexistent/probe.toml"), 2, "cannot be read: No such file"),
        (("verify", "/etc/passwd"), 1, "is no ELF object file"),
        (("verify", SYSCALLS, "--program", "nope"), 2, "it has: on_enter, on_exit, on_thread_exit"),
        (("run", "etw_processes"), 4, "tracerd replay FILE.etl PROBE"),
        (("replay", "/etc/passwd", "etw_processes"), 1, "is not an ETW recording"),
        (("events", "/nonexistent.etl"), 1, "cannot be read"),
        (("--code-integrity", "enforce", "run", "syscalls", "--engine", "jit"), 3, "engine 'jit' refused"),
        (("run", "syscalls", "--engine", "native"), 4, "no ahead-of-time modules"),
        (("prog", "run", SYSCALLS, "--program", "on_enter", "--context", "xyz"), 2, "is not hex"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_documented_exit_code(
    arguments: tuple[str | Path, ...], code: int, sentence: str
) -> None:
    """Nothing is a traceback; stdout stays empty."""
    done = tracerd(*arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_replay_gives_the_same_tables_on_both_engines() -> None:
    """A recording has one answer, whichever engine computes it, and its ledger balances."""
    jit = answer("replay", DEMO, "etw_processes", "--engine", "jit")
    interpreter = answer("replay", DEMO, "etw_processes", "--engine", "interpreter")
    assert jit["tables"] == interpreter["tables"]
    assert jit["tables"]["totals"][0]["starts"] > 20
    for entry in jit["ledger"].values():
        assert entry["produced"] == sum(entry[part] for part in ("delivered", "lost", "dropped", "filtered", "failed"))


def test_policy_explain_has_the_contract_s_keys_and_obeys_enforce() -> None:
    """The choice, its reason, the facts and what would change it."""
    free = answer("policy", "explain")
    assert {"engine", "reason", "facts", "would_change"} <= set(free)
    assert {"mdwe", "probe page"} <= {fact["name"] for fact in free["facts"]} or sys.platform != "linux"
    bound = json.loads(tracerd("--code-integrity", "enforce", "policy", "explain", "--json").stdout)
    assert bound["engine"] == "interpreter"


def test_list_shows_probes_helpers_and_etw_events() -> None:
    """What a user may name is listed, by the names used in a probe.toml."""
    assert {row["probe"] for row in answer("list")} >= {"syscalls", "processes", "etw_processes"}
    assert any(row["helper"] == "map_lookup_elem" and row["id"] == 1 for row in answer("list", "helpers"))
    events = [row["event"] for row in answer("list", "etw:*Kernel-Process:Process*")]
    assert "etw:Microsoft-Windows-Kernel-Process:ProcessStart" in events


def test_prog_disasm_lists_every_instruction_with_its_source() -> None:
    """The text is llvm-objdump's, the source what BTF says."""
    (program,) = answer("prog", "disasm", SYSCALLS, "--program", "on_thread_exit")
    texts = [row["text"] for row in program["instructions"]]
    assert texts[0] == "call 0xe"
    assert texts[-1] == "exit"
    assert program["instructions"][0]["source"].startswith("./probes/syscalls/syscalls.bpf.c:")


@pytest.mark.parametrize("engine", ["jit", "interpreter"])
def test_prog_run_runs_one_program_on_given_bytes(engine: str) -> None:
    """System call 5 of the given record is counted in the map that is printed."""
    record = (bytes(8) + (5).to_bytes(8, "little") + bytes(48)).hex()
    done = answer("prog", "run", SYSCALLS, "--program", "on_enter", "--context", record, "--engine", engine)
    assert done["result"] == 0
    assert done["engine"]["name"] == engine
    assert [(row["syscall"], row["count"]) for row in done["tables"]["calls"]] == [(5, 1)]


@pytest.fixture
def neighbour() -> Iterator[None]:
    """A process that makes a system call now and then: on a quiet machine nobody else does."""
    code = "import os, time\nwhile os.getppid() > 1: time.sleep(0.02)"
    process = subprocess.Popen([sys.executable, "-c", code])
    yield
    process.kill()
    process.wait()


@pytest.mark.xdist_group("perf")
@pytest.mark.usefixtures("neighbour")
def test_run_json_has_the_contract_s_keys_and_a_balanced_ledger() -> None:
    """One document: engine, seconds counted from attach, tables, and a ledger that explains every event."""
    need_live_events()
    document = answer("run", "syscalls", "-d", "1")
    assert {"probe", "engine", "seconds", "tables", "ledger"} <= set(document)
    assert 1.0 <= document["seconds"] < 5.0
    row = document["tables"]["syscalls"][0]
    assert {"pid", "comm", "syscall", "count", "errors", "p50_ns", "p99_ns"} <= set(row)
    for entry in document["ledger"].values():
        assert entry["produced"] == sum(entry[part] for part in ("delivered", "lost", "dropped", "filtered", "failed"))


@pytest.mark.xdist_group("perf")
@pytest.mark.parametrize("descriptors", [6, 8, 10])
def test_a_limit_of_the_system_is_one_sentence(descriptors: int) -> None:
    """With next to no file descriptors left, live events cannot be had: that is told, not traced back."""
    need_live_events()
    done = tracerd("run", "syscalls", "-d", "0", prefix=("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"))
    assert done.returncode == 1
    assert "oo many open files" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.xdist_group("perf")
@pytest.mark.usefixtures("neighbour")
def test_enforced_code_integrity_locks_the_door_and_still_answers() -> None:
    """With --code-integrity enforce the interpreter does the work, and LLVM is never loaded."""
    need_live_events()
    done = tracerd("--code-integrity", "enforce", "run", "syscalls", "-d", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["engine"]["name"] == "interpreter"
    assert document["tables"]["syscalls"]


@pytest.mark.xdist_group("perf")
@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="needs setpriv, and root to drop from")
def test_without_permission_run_says_how_to_get_it_and_shows_what_needs_none() -> None:
    """A user who may not trace gets one line with the fix, and his machine's processes; named probes: exit code 3."""
    need_live_events()
    powerless = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    done = tracerd("run", "-d", "2.5", prefix=powerless)
    assert done.returncode == 0
    assert "CAP_PERFMON" in done.stderr
    assert "showing what needs no privilege (probe 'host')" in done.stderr
    assert f"{os.getpid()}  " in done.stdout
    assert "process:exit, process:start: polled every 1 s; what lives shorter than that is not seen" in done.stdout
    assert tracerd("run", "syscalls", "-d", "1", prefix=powerless).returncode == 3


def test_doctor_tries_everything_and_says_what_is_there() -> None:
    """What needs no privilege is available; what is forbidden or missing has its reason."""
    rows = {row["feature"]: row for row in answer("doctor")}
    assert rows["verifier process"]["state"] == rows["looks at processes (polling)"]["state"] == "available"
    assert "process events (tracepoints)" in rows
    for row in rows.values():
        assert row["state"] in ("available", "forbidden", "missing")
        assert row["why"]
        assert row["fix"] or row["state"] != "forbidden"
