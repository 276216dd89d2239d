"""Every snippet of the pages is run, in the page's order, in one folder: what they print is what a reader gets."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.compilers import some_compiler
from tests.docs.blocks import Block, blocks_of, matches
from tests.sources.live import need_live_events

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/first-probe.md", "docs/first-etw-probe.md", "docs/coming-from.md")
FILES = {
    "machine.etl": "probes/etw_processes/demo.etl",
    "program.bpf.o": "probes/syscalls/syscalls.bpf.o",
    "tests/cli/objects/broken.bpf.o": "tests/cli/objects/broken.bpf.o",
    "probes/host/host.bpf.o": "probes/host/host.bpf.o",
}
"""What README's commands are about: name in the folder -> in the checkout."""

TOO_LONG = {"make": "sets up and tests everything", "tracerd bench": "measures for minutes"}
UNTIL_INTERRUPTED = ("tracerd run", "tracerd top", "tracerd serve")
WATCHED_SECONDS = 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the pages refer to, and a PATH with `tracerd`, `python` and `clang`."""
    for name, origin in FILES.items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / origin).is_dir() else shutil.copy
        copy(ROOT / origin, target)
    tools = tmp_path / ".tools"
    tools.mkdir()
    shim(tools / "tracerd", f'exec "{sys.executable}" -m tracerd.cli "$@"')
    shim(tools / "python", f'exec "{sys.executable}" "$@"')
    command = " ".join(some_compiler().command)
    shim(tools / "clang", f'exec {command} "$@"')
    return tmp_path


def shim(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def run_command(command: str, folder: Path) -> tuple[int, str]:
    """Run one line of a console; what runs until Ctrl-C gets it after a while. Returns the exit code and all output."""
    path = f"{folder / '.tools'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "140"}
    endless = command.startswith(UNTIL_INTERRUPTED) and " -d " not in command
    printed = folder / ".tools" / "printed"
    with printed.open("wb") as output, subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:  # fmt: skip
        if endless:
            interrupt(process, printed)
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, printed.read_text()


def interrupt(process: subprocess.Popen[bytes], printed: Path) -> None:
    """Do what a user does: wait for the proofs, watch for a while, press Ctrl-C."""
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end and b"proved safe" not in printed.read_bytes():
        time.sleep(0.05)
    time.sleep(WATCHED_SECONDS)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)


def run_console(block: Block, folder: Path) -> None:
    """Run a console's commands and compare what they print with what the page shows."""
    wanted = int(block.hint.removeprefix("exit ")) if block.hint.startswith("exit ") else 0
    commands = block.commands()
    for place, (command, shown) in enumerate(commands):
        if command.startswith(tuple(TOO_LONG)):
            continue
        code, output = run_command(command, folder)
        where = f"{block.page}:{block.line}: $ {command}\n{output}"
        assert code == (wanted if place == len(commands) - 1 else 0), where
        missing = matches(shown, output)
        assert not missing, f"never printed: {missing}\n{where}"


def run_script(block: Block, folder: Path) -> None:
    """Run a Python block as a script of its own."""
    name = block.file or f"line{block.line}.py"
    (folder / name).write_text(block.text)
    if not block.file:
        code, output = run_command(f"python {name}", folder)
        assert code == 0, f"{block.page}:{block.line}\n{output}"


def take(block: Block, folder: Path) -> None:
    """Do with a block what its language and its comments say."""
    if block.hint == "needs live events":
        need_live_events()
    if block.language == "console":
        run_console(block, folder)
    elif block.language == "python":
        run_script(block, folder)
    elif block.file:
        (folder / block.file).parent.mkdir(exist_ok=True)
        (folder / block.file).write_text(block.text)
    else:
        assert block.language in ("text", ""), f"{block.page}:{block.line}: nobody says which file this is"


@pytest.mark.xdist_group("perf")
@pytest.mark.skipif(shutil.which("bash") is None, reason="the pages' commands are for bash, which is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_of_a_page_runs_as_printed(page: str, folder: Path) -> None:
    """Commands succeed and print what is shown; files are what the next command uses; scripts run."""
    if page == "README.md":
        need_live_events()
    blocks = [block for block in blocks_of(ROOT / page) if not block.skipped]
    assert blocks
    for block in blocks:
        take(block, folder)


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        (["a 1 b", "…", "c"], "a 22   b\nx\nc", ""),
        (["p50 1.21µs of 20"], "p50 870ns of 3", ""),
        (["12,345 rows"], "7 rows", ""),
        (["on_start: accepted (… 5 instructions)"], "on_start: accepted (process, 9 instructions)", ""),
        (["b", "a"], "a\nb", "a"),
        (["rejected"], "accepted", "rejected"),
        (["1 row"], "1 rows", "1 row"),
    ],
)
def test_a_shown_line_stands_for_what_may_differ_and_nothing_else(
    shown: list[str], printed: str, missing: str
) -> None:
    """Numbers, durations and spaces may differ; words and the order of lines may not."""
    assert matches(shown, printed) == missing


def test_blocks_know_their_language_their_file_and_their_hint(tmp_path: Path) -> None:
    """A comment belongs to the block right behind it."""
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: a.c -->\n```c\nint a;\n```\n\n<!-- test: exit 1 -->\n\n```console\n$ false  # no\nout\n"
        "$ true\n```\n"
        "<!-- file: b -->\ntext between\n```python\npass\n```\n"
    )
    first, second, third = blocks_of(page)
    assert (first.language, first.file, first.text) == ("c", "a.c", "int a;\n")
    assert (second.hint, second.commands()) == ("exit 1", [("false  # no", ["out"]), ("true", [])])
    assert (third.language, third.file, third.line) == ("python", "", 15)
