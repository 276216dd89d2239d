"""Check where the control API answers and who may ask: the socket, names, and for TCP the secrets. Changes nothing."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import stat
from pathlib import Path
from typing import Literal

from tracerd.config.daemon import DaemonConfig, RoleSection
from tracerd.config.trust import distrusted
from tracerd.config.units import split_listen
from tracerd.daemon.api.access import Role, numbers
from tracerd.daemon.api.tokens import read_tokens
from tracerd.daemon.check_machine import can_be_made, is_there
from tracerd.daemon.check_user import user_of
from tracerd.daemon.finding import Findings, note, ok, problem, refused
from tracerd.daemon.state import holder_of
from tracerd.errors import ConfigError
from tracerd.linux.users import find_group

TCP = "control over TCP"


def check_control(config: DaemonConfig) -> Findings:
    """Yield what is found, one topic after the other."""
    yield from _in_use(config)
    yield from _socket(config)
    yield from _role("read", config.access.read)
    yield from _role("admin", config.access.admin)
    yield from _tcp(config)


def _in_use(config: DaemonConfig) -> Findings:
    """Yield who uses the state directory: the daemon of this configuration, or another one, which keeps it out."""
    holder = holder_of(config.state_dir)
    if holder is None:
        return
    who = f"a daemon uses it (pid {holder or 'unknown'})"
    if answers(config.control.socket) is False:
        yield problem("state directory", str(config.state_dir), f"{who}, and it does not answer at control.socket",
                      "stop it, or name a state_dir of your own")  # fmt: skip
    else:
        yield note("state directory", str(config.state_dir), who)


def _socket(config: DaemonConfig) -> Findings:
    path = config.control.socket
    check = "control socket"
    if len(os.fsencode(path)) > 107:
        yield problem(check, str(path), "is longer than the 107 bytes that a socket's path may have")
        return
    try:
        status = path.lstat()
    except FileNotFoundError:
        yield ok(check, str(path), "is free") if is_there(path.parent) else can_be_made(check, path.parent)
    except OSError as error:
        yield problem(check, str(path), error.strerror or str(error))
    else:
        if not stat.S_ISSOCK(status.st_mode):
            yield problem(check, str(path), "is there and is no socket", f"move it away: mv {path} {path}.old")
        elif (answer := answers(path)) is None:
            yield note(check, str(path), "this user may not connect, so whether a daemon answers there is not known",
                       "run it as root or as the daemon's user")  # fmt: skip
        elif answer:
            yield note(check, str(path), "a daemon answers there")
        else:
            yield ok(check, str(path), "was left by a daemon that is gone, and will be replaced")
    group = config.control.group
    if group and find_group(group) is None:
        yield problem(check, group, "control.group: there is no such group", f"run: groupadd --system {group}")


def answers(path: Path) -> bool | None:
    """Return whether a daemon answers at a socket; None where this user may not find out."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(os.fspath(path))
        except PermissionError:
            return None
        except OSError:
            return False
    return True


def _role(role: Role, section: RoleSection) -> Findings:
    """Look every name up as the daemon does when it starts."""
    for name in section.users:
        yield from _listed(role, "users", name)
    for name in section.groups:
        yield from _listed(role, "groups", name)


def _listed(role: Role, kind: Literal["users", "groups"], name: str | int) -> Findings:
    try:
        numbers(role, kind, (name,))
    except ConfigError as error:
        yield problem("access", error.where, error.cause, f"take it out of {kind}, or name one that is there")


def _tcp(config: DaemonConfig) -> Findings:
    tcp = config.control.tcp
    if not tcp.listen:
        return
    assert tcp.token_file is not None, "the model sees to it"
    assert tcp.key is not None, "the model sees to it"
    assert tcp.certificate is not None, "the model sees to it"
    whose = "programs of this machine" if _is_local(tcp.listen) else "other machines"
    yield note(TCP, tcp.listen, f"{whose} may connect, with the token and TLS")
    user = user_of(config)
    try:
        read_tokens(tcp.token_file, user.uid if user is not None else None)
    except ConfigError as error:
        yield refused(TCP, str(tcp.token_file), error)
    yield from _secret(tcp.key, user.uid if user is not None else None)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tcp.certificate, tcp.key)
    except OSError as error:                     # ssl.SSLError is one
        yield problem(TCP, str(getattr(error, "filename", None) or tcp.certificate),
                      f"cannot be used: {error.strerror or error}")  # fmt: skip


def _is_local(listen: str) -> bool:
    host, _ = split_listen(listen)
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False                             # another name


def _secret(path: Path, owner: int | None) -> Findings:
    try:
        status = path.stat()
    except OSError:
        return                                   # told where it is read
    if why := distrusted(status, owner):
        yield problem(TCP, str(path), why, f"run: chown root {path} && chmod go-w {path}")
    elif status.st_mode & stat.S_IROTH:
        yield problem(TCP, str(path), "every user may read it", f"run: chmod 600 {path}")
