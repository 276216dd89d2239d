"""Check what the daemon needs of this machine: directories, sockets, accounts, secrets, an engine. Changes nothing."""

from __future__ import annotations

import os
import socket
import ssl
import stat
from collections.abc import Iterable
from pathlib import Path

from tracerd.config.daemon import DaemonConfig, RoleSection
from tracerd.config.trust import distrusted
from tracerd.daemon.finding import Finding, Findings, note, ok, problem, refused
from tracerd.errors import TracerdError
from tracerd.linux.users import find_group, find_user
from tracerd.vm.policy import choice_here

PINS = "pins"
SHORTEST_TOKEN = 32
"""Bytes of a token: 128 bits in hex."""


def check_machine(config: DaemonConfig) -> Findings:
    """Yield what is found, one topic after the other."""
    yield from _service_user(config)
    yield from _directory("state directory", config.state_dir, config)
    if _is_there(config.state_dir / PINS):
        yield from _directory("pins", config.state_dir / PINS, config)
    yield from _socket(config)
    yield from _access(config)
    yield from _tcp(config)
    yield _engine(config)


def _service_user(config: DaemonConfig) -> Findings:
    user = config.service.user
    if user and find_user(user) is None:
        fix = f"run: useradd --system --no-create-home --shell /usr/sbin/nologin {user}"
        yield problem("service user", user, "there is no such user", fix)


def _directory(check: str, path: Path, config: DaemonConfig) -> Findings:
    """Check a directory that must be the daemon's alone; one that is not there must be possible to make."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        yield _can_be_made(check, path)
        return
    except OSError as error:
        yield problem(check, str(path), error.strerror or str(error))
        return
    named = find_user(config.service.user) if config.service.user else None
    users = {getattr(os, "geteuid", lambda: status.st_uid)(), *([named[0]] if named else [])}
    if stat.S_ISLNK(status.st_mode):
        yield problem(check, str(path), "is a symbolic link, which is not followed", "name the directory itself")
    elif not stat.S_ISDIR(status.st_mode):
        yield problem(check, str(path), "is not a directory", f"move it away: mv {path} {path}.old")
    elif status.st_uid not in users:
        who = config.service.user or f"#{min(users)}"
        yield problem(check, str(path), f"belongs to user {status.st_uid}", f"run: chown {who} {path}")
    elif status.st_mode & 0o022:
        yield problem(check, str(path), "may be written by others", f"look at what is in it; chmod 700 {path}")
    elif not os.access(path, os.W_OK):
        yield problem(check, str(path), "cannot be written", "is the disk mounted read-only?")
    else:
        yield ok(check, str(path), "is the daemon's alone")


def _is_there(path: Path) -> bool:
    """False also where we may not look."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _can_be_made(check: str, path: Path) -> Finding:
    above = next(parent for parent in path.parents if _is_there(parent))
    if os.access(above, os.W_OK | os.X_OK):
        return ok(check, str(path), "is not there yet and will be made")
    return problem(check, str(path), f"is not there and this user may not make it in {above}",
                   f"run as the daemon's user, or as root: install -d -m 700 {path}")  # fmt: skip


def _socket(config: DaemonConfig) -> Findings:
    path = config.control.socket
    check = "control socket"
    if len(os.fsencode(path)) > 107:
        yield problem(check, str(path), "is longer than the 107 bytes that a socket's path may have")
        return
    try:
        status = path.lstat()
    except FileNotFoundError:
        yield ok(check, str(path), "is free") if _is_there(path.parent) else _can_be_made(check, path.parent)
    except OSError as error:
        yield problem(check, str(path), error.strerror or str(error))
    else:
        if not stat.S_ISSOCK(status.st_mode):
            yield problem(check, str(path), "is there and is no socket", f"move it away: mv {path} {path}.old")
        elif _answers(path):
            yield note(check, str(path), "a daemon answers there")
        else:
            yield ok(check, str(path), "was left by a daemon that is gone, and will be replaced")
    group = config.control.group
    if group and find_group(group) is None:
        yield problem(check, group, "control.group: there is no such group", f"run: groupadd --system {group}")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _access(config: DaemonConfig) -> Findings:
    for role, section in (("read", config.access.read), ("admin", config.access.admin)):
        yield from _role(role, section)


def _role(role: str, section: RoleSection) -> Findings:
    unknown = [("user", each) for each in section.users if find_user(each) is None and isinstance(each, str)]
    unknown += [("group", each) for each in section.groups if find_group(each) is None and isinstance(each, str)]
    for kind, name in unknown:
        yield problem("access", f"access.{role}", f"there is no {kind} {name!r}", f"add it, or take it out of {kind}s")


def _tcp(config: DaemonConfig) -> Findings:
    tcp = config.control.tcp
    if not tcp.listen:
        return
    yield note("control over TCP", tcp.listen, "other machines may connect, with the token and TLS")
    assert tcp.token_file is not None, "the model sees to it"
    assert tcp.key is not None, "the model sees to it"
    assert tcp.certificate is not None, "the model sees to it"
    yield from _secrets((tcp.token_file, tcp.key))
    try:
        if len(tcp.token_file.read_bytes().strip()) < SHORTEST_TOKEN:
            fix = f"run: openssl rand -hex 32 > {tcp.token_file}"
            yield problem("control over TCP", str(tcp.token_file), f"has fewer than {SHORTEST_TOKEN} bytes", fix)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tcp.certificate, tcp.key)
    except OSError as error:                     # ssl.SSLError is one
        yield problem("control over TCP", str(getattr(error, "filename", None) or tcp.certificate),
                      f"cannot be used: {error.strerror or error}")  # fmt: skip


def _secrets(paths: Iterable[Path]) -> Findings:
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue                             # told where it is read
        if why := distrusted(status):
            yield problem("control over TCP", str(path), why, f"run: chown root {path} && chmod go-w {path}")
        elif status.st_mode & stat.S_IROTH:
            yield problem("control over TCP", str(path), "every user may read it", f"run: chmod o-r {path}")


def _engine(config: DaemonConfig) -> Finding:
    try:
        choice = choice_here("auto", config.code_integrity)
    except TracerdError as error:
        return refused("engine", "code integrity", error)
    return ok("engine", choice.engine, choice.reason)
