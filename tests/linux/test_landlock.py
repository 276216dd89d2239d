"""Landlock on its own, in children: what it denies, and what it leaves."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from tracerd.linux import landlock

INSIDE = """
import os, signal, socket, sys
from tracerd.linux.landlock import deny_everything
from tracerd.linux.prctl import set_no_new_privileges
held = open("/etc/passwd")
set_no_new_privileges()
deny_everything()
try:
    {attempt}
except OSError as refused:
    print(refused.errno)
else:
    print("done")
"""


def version() -> int:
    try:
        return landlock.abi()
    except OSError:
        return 0


ATTEMPTS = {
    "read a file": (1, "open('/etc/passwd')", errno.EACCES),
    "list a folder": (1, "os.listdir('/')", errno.EACCES),
    "make a file": (1, "open('/tmp/tracerd-landlock', 'w')", errno.EACCES),
    "delete a file": (1, "os.unlink('/etc/hostname')", errno.EACCES),
    "run a program": (1, "os.execv('/bin/true', ['true'])", errno.EACCES),
    "connect": (4, "socket.create_connection(('127.0.0.1', 9))", errno.EACCES),
    "listen": (4, "socket.socket().bind(('127.0.0.1', 47123))", errno.EACCES),
    "signal its parent": (6, "os.kill(os.getppid(), 0)", errno.EPERM),
}


@pytest.mark.parametrize(("since", "attempt", "error"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_everything_is_denied_that_this_kernel_can_deny(since: int, attempt: str, error: int) -> None:
    """No file, no TCP, no signal to others."""
    if version() < since:
        pytest.skip(f"this kernel has Landlock ABI {version()}, the denial comes with {since}")
    command = [sys.executable, "-c", INSIDE.format(attempt=attempt)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == str(error), run.stderr


def test_what_is_open_stays_open() -> None:
    """Descriptors from before are not taken away."""
    if not version():
        pytest.skip("this kernel has no Landlock")
    command = [sys.executable, "-c", INSIDE.format(attempt="held.read(1)")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == "done", run.stderr


@pytest.mark.parametrize(
    ("abi", "files", "tcp", "scopes"),
    [(1, 13, 0, 0), (2, 14, 0, 0), (3, 15, 0, 0), (4, 15, 3, 0), (5, 16, 3, 0), (6, 16, 3, 3), (9, 16, 3, 3)],
)
def test_each_version_is_asked_for_what_it_knows(abi: int, files: int, tcp: int, scopes: int) -> None:
    """A kernel refuses a ruleset with rights it has never heard of."""
    assert landlock.handled(abi) == ((1 << files) - 1, tcp, scopes)
