"""docs/api.md says what the code does: its tables are compared, its examples run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.api.serving import Serving
from tests.docs.blocks import Block, blocks_of, matches
from tracerd.daemon.api.errors import MEANING
from tracerd.daemon.api.openapi import all_routes
from tracerd.daemon.api.settings import ControlSettings
from tracerd.daemon.client import SOCKET

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "api.md"
CONSOLES, SCRIPTS = ([block for block in blocks_of(PAGE) if block.language == kind] for kind in ("console", "python"))


def run(command: list[str], served: Serving) -> str:
    """Run an example with this test's socket for the page's; it must succeed."""
    command = [word.replace(str(SOCKET), str(served.path)) for word in command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=served.path.parent, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_routes_of_the_page_are_those_of_the_server() -> None:
    """Path, role and purpose, in the document's order."""
    rows = re.findall(r"^\| `(GET|POST|PUT|DELETE) (\S+)` \| (\w+) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(route.method, route.path, route.role or "anyone", route.summary) for route in all_routes()]


def test_the_statuses_of_the_page_are_those_of_the_server() -> None:
    """Each with its meaning."""
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(str(status), meaning) for status, meaning in MEANING.items()]


def test_the_limits_of_the_page_are_the_defaults() -> None:
    """Numbers in the text are the settings'."""
    settings = ControlSettings(SOCKET)
    page = " ".join(PAGE.read_text().split())
    for sentence in (
        f"`limits.requests_per_second` ({settings.requests_per_second:g})",
        f"`limits.request_bytes` ({settings.request_bytes >> 20} MiB)",
        f"`limits.connections` ({settings.connections})",
        f"`limits.streams` ({settings.streams})",
        f"and between two requests | {settings.wait_seconds:g} s",
        f"time for a body | {settings.body_seconds:g} s",
        f"leaves its answer unread | {settings.write_seconds:g} s",
        f"({settings.socket_mode:04o} by default)",
    ):
        assert sentence in page


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("block", CONSOLES, ids=lambda block: str(block.line))
def test_what_curl_prints_is_what_the_page_shows(served: Serving, block: Block) -> None:
    """Each command, in order."""
    shutil.copy(ROOT / "probes" / "syscalls" / "syscalls.bpf.o", served.path.parent / "program.bpf.o")
    for command, shown in block.commands():
        output = run(["bash", "-c", command], served)
        assert not matches(shown, output), f"{command}\n{output}"


@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: str(block.line))
def test_the_scripts_of_the_page_run(served: Serving, block: Block) -> None:
    """And print something."""
    assert "program 0" in run([sys.executable, "-c", block.text], served)
