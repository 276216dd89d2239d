"""Check what the user may do that the daemon becomes: run its verifier, write its exporters' files. Changes nothing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import tracerd
from tracerd.config.daemon import DaemonConfig
from tracerd.daemon.exporter import Exporter
from tracerd.daemon.finding import Findings, note, ok, problem
from tracerd.linux.reach import WRITE, allows, first_closed
from tracerd.linux.users import Account, account, this_account

ELSEWHERE = "python3 -m venv /opt/tracerd && /opt/tracerd/bin/pip install tracerd"
UNITS_LOGS = Path("/var/log/tracerd")
"""Made by systemd when the service starts (LogsDirectory=)."""


def user_of(config: DaemonConfig) -> Account | None:
    """Return whom the daemon becomes, or who would start it; None if there is none, or no such thing (Windows)."""
    if not hasattr(os, "geteuid"):
        return None
    return account(config.service.user) if config.service.user else this_account()


def check_user(config: DaemonConfig) -> Findings:
    """Yield whether there is that user, and whether he can run this interpreter and read this package.

    The verifier's process has no capabilities, so what the daemon itself can read says nothing.
    """
    name, who = config.service.user, user_of(config)
    if not name:
        return
    if who is None:
        fix = f"run: useradd --system --no-create-home --shell /usr/sbin/nologin {name}"
        yield problem("service user", name, "there is no such user", fix)
        return
    needed = (Path(sys.executable), Path(sys.executable).resolve(), Path(os.__file__), Path(tracerd.__file__))
    try:
        closed = first_closed(needed, who)
    except OSError as error:
        yield note("service user", name, f"whether he can run tracerd is unknown: {error.strerror}: {error.filename}")
        return
    if closed is not None:
        yield problem("service user", name, f"cannot prove programs: {closed} is closed to this user",
                      f"install it elsewhere: {ELSEWHERE}")  # fmt: skip
    else:
        yield ok("service user", name, "can run tracerd")


def check_target(name: str, exporter: Exporter, who: Account | None) -> Findings:
    """Yield what would keep an exporter from writing its file, if it says that it has one (`file`)."""
    path = getattr(exporter, "file", None)
    if not isinstance(path, Path) or who is None:
        return
    try:
        yield from _target(name, path, who)
    except OSError as error:
        yield problem("exporters' files", name, f"{error.filename}: {error.strerror}")


def _target(name: str, path: Path, who: Account) -> Findings:
    check, folder = "exporters' files", path.parent
    if not folder.is_dir():
        if folder == UNITS_LOGS and not folder.exists():
            yield note(check, name, f"{folder} is not there yet: the service's unit makes it")
            return
        yield problem(check, name, f"{folder} is no directory", f"run: install -d -o {who.uid} -m 750 {folder}")
        return
    fix = f"name a file in a folder of its own: install -d -o {who.uid} -m 750 {UNITS_LOGS}"
    try:
        status = path.lstat()
    except FileNotFoundError:
        if not allows(folder, who, WRITE):
            yield problem(check, name, f"user {who.uid} may not write in {folder}", fix)
        return
    if stat.S_ISLNK(status.st_mode):
        yield problem(check, name, f"{path} is a symbolic link, which is not followed", "name the file itself")
    elif not stat.S_ISREG(status.st_mode):
        yield problem(check, name, f"{path} is not a regular file", 'for a program that reads, use path = "-"')
    elif not allows(path, who, WRITE):
        yield problem(check, name, f"user {who.uid} may not write {path}", f"run: chown {who.uid} {path}")
    elif not allows(folder, who, WRITE):
        yield problem(check, name, f"user {who.uid} may not write in {folder}, so {path} cannot be rotated", fix)
