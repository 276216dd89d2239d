"""`tracerd top` before there is a picture: what is wrong is one sentence and an exit code; then how it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tracerd.cli.exits import FAILED, NOT_SUPPORTED, USAGE


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["top", "host"], NOT_SUPPORTED, "this is no terminal; --web shows it in a browser"),
        (["top", "no-such-probe"], USAGE, "unknown probe 'no-such-probe'; valid: "),
        (["top", "host", "none.bpf.o"], FAILED, "none.bpf.o: "),
        (["top", "--web", "no-such-probe"], USAGE, "unknown probe 'no-such-probe'; valid: "),
        (["--socket", "/nowhere/control.sock", "top"], FAILED, "no tracerd daemon answers at /nowhere/control.sock"),
        (["top", "--socket", "/nowhere/control.sock"], FAILED, "no tracerd daemon answers at /nowhere/control.sock"),
    ],
)
def test_nothing_is_drawn_where_nothing_can_be_shown(arguments: list[str], code: int, told: str) -> None:
    """Neither in a pipe, nor of a probe or a daemon that is not there."""
    command = [sys.executable, "-m", "tracerd.cli", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("tracerd: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
