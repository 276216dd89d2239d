"""Check the daemon's directories and its engine. Changes nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tracerd.config.daemon import DaemonConfig
from tracerd.daemon.check_user import user_of
from tracerd.daemon.finding import Finding, Findings, ok, problem, refused
from tracerd.daemon.state import check_above
from tracerd.errors import TracerdError
from tracerd.linux.users import Account
from tracerd.vm.policy import choice_here

PINS = "pins"
UNMAKEABLE = (Path("/proc"), Path("/sys"))
"""Where nobody makes a directory, whatever its mode says."""


def check_machine(config: DaemonConfig) -> Findings:
    """Yield what is found, one topic after the other."""
    yield from _directory("state directory", config.state_dir, config)
    if is_there(config.state_dir / PINS):
        yield from _directory("pins", config.state_dir / PINS, config)
    yield _engine(config)


def _directory(check: str, path: Path, config: DaemonConfig) -> Findings:
    """Check a directory that must be the daemon's alone; one that is not there must be possible to make."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        yield _in_its_place(check, path, can_be_made(check, path), user_of(config))
        return
    except OSError as error:
        yield problem(check, str(path), error.strerror or str(error))
        return
    named = user_of(config)
    users = {getattr(os, "geteuid", lambda: status.st_uid)(), status.st_uid if named is None else named.uid}
    if stat.S_ISLNK(status.st_mode):
        yield problem(check, str(path), "is a symbolic link, which is not followed", "name the directory itself")
    elif not stat.S_ISDIR(status.st_mode):
        yield problem(check, str(path), "is not a directory", f"move it away: mv {path} {path}.old")
    elif status.st_uid not in users:
        fix = f"run: chown {config.service.user or 'root'} {path}" if _is_root() else _AS_DAEMON
        yield problem(check, str(path), f"belongs to user {status.st_uid}", fix)
    elif status.st_mode & 0o022:
        yield problem(check, str(path), "may be written by others", f"look at what is in it; chmod 700 {path}")
    elif not os.access(path, os.W_OK):
        yield problem(check, str(path), "cannot be written", "is the disk mounted read-only?")
    else:
        yield _in_its_place(check, path, ok(check, str(path), "is the daemon's alone"), named)


def _in_its_place(check: str, path: Path, finding: Finding, named: Account | None) -> Finding:
    """Return a finding, or that others could put another directory in that one's place."""
    try:
        if is_there(path.parent):
            check_above(path.parent, named.uid if named is not None else None)
    except TracerdError as error:
        return refused(check, str(path.parent), error)
    return finding


def is_there(path: Path) -> bool:
    """False also where we may not look."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def can_be_made(check: str, path: Path) -> Finding:
    """Return whether a directory that is not there can be made, by this user."""
    above = next(parent for parent in path.parents if is_there(parent))
    if above.stat().st_dev in [each.stat().st_dev for each in UNMAKEABLE if each.exists()]:
        return problem(check, str(path), f"cannot be made in {above}: its files are the kernel's", "name another")
    if os.access(above, os.W_OK | os.X_OK):
        return ok(check, str(path), "is not there yet and will be made")
    return problem(check, str(path), f"is not there and this user may not make it in {above}",
                   f"run as the daemon's user, or as root: install -d -m 700 {path}")  # fmt: skip


def _is_root() -> bool:
    return getattr(os, "geteuid", lambda: 1)() == 0


_AS_DAEMON = "run the check as the user that runs the daemon, or name a state_dir of its own"


def _engine(config: DaemonConfig) -> Finding:
    try:
        choice = choice_here("auto", config.code_integrity)
    except TracerdError as error:
        return refused("engine", "code integrity", error)
    return ok("engine", choice.engine, choice.reason)
