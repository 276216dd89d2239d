"""The commands that talk to a daemon: what they print, what they send, how they fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from tests.daemon.api.fake import COUNTS, map_info, program
from tests.daemon.api.serving import Serving, serving
from tracerd.cli.exits import exit_code
from tracerd.cli.main import cli
from tracerd.errors import ConfigError, Conflict, NoSuchKey, NotFound, ObjectError, TracerdError, UnfitValue
from tracerd.runtime.upload import Upload

ROOT = Path(__file__).parents[2]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    """Serve a fake host."""
    with serving(tmp_path) as found:
        yield found


def tracerd(served: Serving, *arguments: str) -> Result:
    """Run a command of the daemon in this process; errors are raised."""
    return CliRunner().invoke(cli, ["--socket", str(served.path), *arguments], standalone_mode=False)


def printed(served: Serving, *arguments: str) -> str:
    """Return what a command prints; it must succeed."""
    done = tracerd(served, *arguments)
    assert done.exception is None, done.exception
    return done.stdout


def answer(served: Serving, *arguments: str) -> Any:
    """Return the JSON that a command prints."""
    return json.loads(printed(served, *arguments, "--json"))


def refusal(served: Serving, *arguments: str) -> TracerdError:
    """Return the error a command ends with."""
    error = tracerd(served, *arguments).exception
    assert isinstance(error, TracerdError), error
    return error


def test_status_tells_what_runs_what_was_lost_and_what_is_wrong(served: Serving) -> None:
    """For people, and in DESIGN §11's shape."""
    served.health = (True, False, ["probe 'x' is not loaded: no such tracepoint"])
    text = printed(served, "status")
    assert "tracerd 0.1.0, up 5.00s: 0 programs" in text
    assert "not ready: probe 'x' is not loaded: no such tracepoint" in text
    assert "syscall:read:enter        10          8     0" in text
    assert re.search(r"^system +1 +- +- +it broke\nperf +1 +1.50ms +4 of 8.0 MiB$", text, re.MULTILINE)
    document = answer(served, "status")
    assert {"version", "uptime_s", "programs", "maps", "links", "sources", "exporters", "ledger"} <= set(document)
    assert document["ready"] is False


def test_lists_are_aligned_and_their_json_is_the_rows(served: Serving) -> None:
    """Titles stand over their columns, numbers to the right."""
    lines = printed(served, "map", "list").splitlines()
    titles = ["id", "probe", "name", "kind", "key", "value", "max", "entries", "refused", "memory", "pin"]
    assert lines[0].split() == titles
    assert lines[1].split()[:4] == ["3", "calls", "counts", "hash"]
    assert lines[0].index("kind") == lines[1].index("hash") == lines[2].index("ringbuf")
    assert [row["id"] for row in answer(served, "map", "list")] == [3, 4]
    assert answer(served, "prog", "list")[0]["tag"] == "0123456789abcdef"
    assert answer(served, "link", "list")[0]["source"] == "syscall:read:enter"
    assert "on_enter" in printed(served, "prog", "list")
    assert "syscall:read:enter" in printed(served, "link", "list")


def test_one_program_is_shown_with_its_instructions(served: Serving) -> None:
    """By id or by name."""
    for name in ("1", "on_enter", "calls/on_enter"):
        assert "nothing forbids it" in printed(served, "prog", "show", name)
    text = printed(served, "prog", "show", "1", "--source")
    assert "; calls.bpf.c:7: return 0;\n     0:  r0 = 0x0\n     1:  exit" in text
    assert answer(served, "prog", "show", "1", "--disasm")["disasm"][1]["text"] == "exit"


def test_stats_tell_runs_a_second_and_their_share_of_a_cpu(served: Serving) -> None:
    """Nothing ran meanwhile."""
    (row,) = answer(served, "prog", "stats", "-i", "0.1")
    assert (row["runs"], row["runs_per_s"], row["cpu_share"]) == (1000, 0, 0)
    assert "runs/s" in printed(served, "prog", "stats", "-i", "0.1")


def test_stats_tell_percentiles_of_how_long_runs_took(served: Serving) -> None:
    """From the timed runs' slots; what `show` prints of them are the same two, not forty numbers."""
    (row,) = answer(served, "prog", "stats", "-i", "0.1")
    assert 64 <= row["p50_ns"] < 128
    assert 512 <= row["p99_ns"] < 1024
    titles, cells = (line.split() for line in printed(served, "prog", "stats", "-i", "0.1").splitlines())
    told = {title: cells[titles.index(title)] for title in ("mean", "p50", "p99")}
    assert told == {"mean": "123ns", "p50": f"{row['p50_ns']}ns", "p99": f"{row['p99_ns']}ns"}
    shown = dict(line.split(maxsplit=1) for line in printed(served, "prog", "show", "1").splitlines() if " " in line)
    assert {title: shown[title] for title in told} == told
    assert "slots" not in shown


def test_a_program_without_timed_runs_has_no_percentiles(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash as for the mean; JSON has 0 for both. So it is with a daemon that does not tell slots."""
    monkeypatch.setattr(served.host, "programs", lambda: [program(mean_ns=0.0, slots=())])
    titles, cells = (line.split() for line in printed(served, "prog", "stats", "-i", "0.1").splitlines())
    assert [cells[titles.index(title)] for title in ("mean", "p50", "p99")] == ["-", "-", "-"]
    (row,) = answer(served, "prog", "stats", "-i", "0.1")
    assert (row["mean_ns"], row["p50_ns"], row["p99_ns"]) == (0, 0, 0)


def test_a_reload_tells_what_it_changed(served: Serving) -> None:
    """What the daemon answers, a line for each kind of change."""
    changes = answer(served, "reload")
    assert set(changes) == {"loaded", "replaced", "unloaded", "unchanged"}
    shown = printed(served, "reload").splitlines()
    assert shown == [f"{what}: {', '.join(names)}" for what, names in changes.items() if names]


def test_elements_are_dumped_looked_up_written_and_deleted(served: Serving) -> None:
    """By the map's name; what dump shows can be written back."""
    assert printed(served, "map", "dump", "counts") == "1: 10\n2: 20\n"
    assert answer(served, "map", "dump", "3", "-n", "1") == {"entries": [{"key": 1, "value": 10}], "truncated": True}
    assert printed(served, "map", "update", "calls/counts", "7", "70") == "calls/counts: 7 is 70 now\n"
    assert printed(served, "map", "lookup", "counts", "7") == "70\n"
    assert answer(served, "map", "delete", "counts", "7") == {"done": True}
    assert isinstance(refusal(served, "map", "lookup", "counts", "7"), NoSuchKey)
    assert isinstance(refusal(served, "map", "lookup", "counts", "--hex", "07000000"), UnfitValue)


def test_a_pin_that_nobody_has_loaded_is_listed_shown_and_dumped(served: Serving) -> None:
    """By the pin's name or the map's; a loaded map of the same name is meant first."""
    served.host.maps().append(replace(map_info(0, "counts", "hash"), probe="gone", pin="kept"))
    row = printed(served, "map", "list").splitlines()[-1].split()
    assert (row[0], row[-1]) == ("-", "kept")
    assert answer(served, "map", "list")[-1]["id"] == 0
    for name in ("kept", "gone/counts"):
        assert printed(served, "map", "dump", name, "-n", "2") == "0: 0\n1: 10\n"
        assert "pin        kept" in printed(served, "map", "show", name)
    assert printed(served, "map", "dump", "counts") == "1: 10\n2: 20\n"
    assert "it is pinned as 'kept'; load its probe" in str(refusal(served, "map", "update", "kept", "1", "2"))
    assert str(refusal(served, "map", "dump", "0")).endswith("4 (calls/events), kept (pinned, not loaded)")


def test_unload_names_the_pins_that_stay(served: Serving) -> None:
    """With the way to remove them."""
    served.host.unloads = True
    served.host.maps()[0] = replace(served.host.maps()[0], pin="kept")
    said = "unloaded calls; its pins stay: kept (`tracerd map unpin NAME` removes one)\n"
    assert printed(served, "prog", "unload", "calls") == said
    assert answer(served, "prog", "unload", "calls") == {"unloaded": "calls", "pins": ["kept"]}


def test_a_link_that_is_none_is_told_with_those_there_are(served: Serving) -> None:
    """With their events: several have one program."""
    there = "there are: 5 (calls/on_enter on syscall:read:enter)"
    assert str(refusal(served, "link", "detach", "99")) == f"no link '99'; {there}"


def test_maps_are_pinned_and_programs_attached_and_detached(served: Serving) -> None:
    """With names where they are enough."""
    assert answer(served, "map", "pin", "counts", "kept")["name"] == "kept"
    assert printed(served, "map", "unpin", "kept") == "unpinned kept; its file is removed\n"
    assert printed(served, "attach", "on_enter", "interval:5s") == "link 6: calls/on_enter on interval:5s\n"
    assert "detached calls/on_enter from" in printed(served, "link", "detach", "syscall:read:enter")
    assert served.host.asked == [
        ("pin", COUNTS, "kept"), ("unpin", "kept"), ("attach", 1, "interval:5s"), ("detach", 5),
    ]


def test_a_program_that_will_run_twice_for_an_event_is_told(served: Serving) -> None:
    """A note beside the answer: what was asked for is done."""
    done = tracerd(served, "attach", "on_enter", "syscall:*:enter")
    assert (done.exit_code, done.stdout) == (0, "link 6: calls/on_enter on syscall:*:enter\n")
    assert done.stderr == "note: it runs on syscall:read:enter too: twice for an event that both mean\n"


def test_load_sends_names_and_bytes(served: Serving, tmp_path: Path) -> None:
    """A shipped probe by its name, an object by its bytes, a probe.toml with its object's."""
    folder = ROOT / "probes" / "syscalls"
    data, toml = (folder / "syscalls.bpf.o").read_bytes(), (folder / "probe.toml").read_text()
    printed(served, "prog", "load", "syscalls")
    printed(served, "prog", "load", str(folder / "syscalls.bpf.o"))
    printed(served, "prog", "load", str(folder / "probe.toml"))
    printed(served, "prog", "load", str(folder))
    with_toml = Upload(None, toml, data, "syscalls.bpf.o")
    assert [each[1] for each in served.host.asked] == [
        Upload("syscalls", None), Upload(None, None, data, "syscalls.bpf.o"), with_toml, with_toml,
    ]
    assert isinstance(refusal(served, "prog", "load", str(tmp_path / "none.bpf.o")), ObjectError)
    assert isinstance(refusal(served, "prog", "load", str(tmp_path / "none.toml")), ConfigError)


def test_negative_numbers_are_no_options_and_malformed_json_is_told_as_such(served: Serving) -> None:
    """A text that only looks like JSON is still a text: the daemon knows whether it fits."""
    assert "cannot be -5" in str(refusal(served, "map", "update", "counts", "1", "-5"))
    assert "cannot be -12" in str(refusal(served, "map", "lookup", "counts", "-12", "--json"))
    wrong = refusal(served, "map", "update", "counts", "1", '{"pid": 1')
    assert isinstance(wrong, UnfitValue)
    assert str(wrong).startswith("VALUE: '{\"pid\": 1' is no JSON: ")
    assert isinstance(tracerd(served, "map", "lookup", "counts", "--jsn").exception, click.NoSuchOption)


@pytest.mark.parametrize(("error", "code"), [
    (UnfitValue("key of map 'm'", "cannot be -1"), 2), (NoSuchKey("such key in map 'm'"), 1), (NotFound("map 'm'"), 2),
    (Conflict("probe 'x'", "is loaded already"), 1), (ConfigError("x", "is wrong"), 2),
])  # fmt: skip
def test_exit_codes_tell_a_wrong_question_from_no(error: TracerdError, code: int) -> None:
    """2: ask otherwise; 1: that is how things are."""
    assert exit_code(error) == code


def test_a_socket_that_may_not_be_opened_is_told_with_the_way_out() -> None:
    """By the client, with exit code 3; click does not look at it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("takes root to become somebody else")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        folder = Path(tempfile.mkdtemp(dir="/tmp"))
        folder.chmod(0o711)
        listening.bind(str(folder / "s"))
        (folder / "s").chmod(0o600)
        listening.listen()
        command = [sys.executable, "-c", AS_NOBODY, "--socket", str(folder / "s"), "status"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    shutil.rmtree(folder)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith(f"tracerd: {folder / 's'}: not permitted; ask as root, or have your group named in")


AS_NOBODY = """
import os
import tracerd.cli.main as cli, tracerd.cli.status, tracerd.cli.output, tracerd.cli.exits
os.setgid(65534); os.setuid(65534)
cli.main()
"""
"""Imports first: that user may not read this folder."""


def test_reload_prints_what_changed(served: Serving) -> None:
    """Names of probes by what became of them."""
    assert printed(served, "reload") == "loaded: new\nunchanged: calls\n"
    assert answer(served, "reload") == {"loaded": ["new"], "replaced": [], "unloaded": [], "unchanged": ["calls"]}


def test_load_says_what_is_no_object(served: Serving, tmp_path: Path) -> None:
    """C is to be compiled, and something else is none; nothing is sent."""
    source, text = tmp_path / "hello.bpf.c", tmp_path / "notes.txt"
    for path in (source, text):
        path.write_text("int x;\n")
    assert "is C: compile it with `tracerd build` first" in str(refusal(served, "prog", "load", str(source)))
    assert "is no object" in str(refusal(served, "prog", "load", str(text)))
    assert "No such file" in str(refusal(served, "prog", "load", str(tmp_path / "none")))
    assert served.host.asked == []


def test_unload_tells_what_the_daemon_refuses(served: Serving) -> None:
    """With the daemon's own sentence and class."""
    assert str(refusal(served, "prog", "unload", "calls")).endswith("comes from the configuration; take it out there")
    assert isinstance(refusal(served, "prog", "unload", "nope"), NotFound)


def test_a_name_that_is_none_is_told_with_those_there_are(served: Serving) -> None:
    """Ids with their names."""
    assert str(refusal(served, "map", "dump", "nope")) == "no map 'nope'; there are: 3 (calls/counts), 4 (calls/events)"


def test_the_socket_is_found_in_the_configuration(served: Serving, tmp_path: Path) -> None:
    """--config names it where --socket does not."""
    config = tmp_path / "tracerd.toml"
    config.write_text(f'[control]\nsocket = "{served.path}"\n')
    done = CliRunner().invoke(cli, ["--config", str(config), "prog", "list"], standalone_mode=False)
    assert "on_enter" in done.stdout
    config.write_text("[control\n")
    done = CliRunner().invoke(cli, ["--config", str(config), "prog", "list"], standalone_mode=False)
    assert isinstance(done.exception, ConfigError)


@pytest.mark.parametrize("arguments", [("status",), ("prog", "list"), ("map", "list"), ("attach", "x", "interval:1s")])
def test_without_a_daemon_every_command_says_so_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """And exits with 1."""
    command = [sys.executable, "-m", "tracerd.cli", "--socket", str(tmp_path / "s"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"tracerd: no tracerd daemon answers at {tmp_path / 's'}; start one with `tracerd serve`\n"
