"""Who asks, and what he may: peer credentials of a Unix socket, a token over TCP and on a Windows pipe.

The kernel notes user, group and supplementary groups of a peer when it connects (SO_PEERCRED, SO_PEERGROUPS): nothing
is read from /proc by process id, which another process may have by then. Where the supplementary groups cannot be had
(before Linux 4.13, or more than 256 of them) only the primary group counts. Lists only grant, so knowing less never
grants more.
"""

from __future__ import annotations

import hmac
import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from tracerd.daemon.api.settings import ControlSettings
from tracerd.errors import ConfigError

Role = Literal["read", "admin"]
Transport = Literal["unix", "tcp", "pipe"]

_UCRED = struct.Struct("iII")               # pid, uid, gid: struct ucred of <sys/socket.h>
_SO_PEERGROUPS = 59                         # <asm-generic/socket.h>; Python has no name for it
_MOST_BYTES = 1024                          # Python's getsockopt takes no more

OVERFLOW_ID = 65534
"""What the kernel shows of users and groups that have no number here: it must not be in a list."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end. Numbers are None where the transport tells none."""

    transport: Transport
    address: str = ""
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None
    role: Role | None = None

    @property
    def key(self) -> str:
        """Whom limits count together: a user, or an address."""
        return f"uid {self.uid}" if self.uid is not None else f"{self.transport} {self.address}"

    def may(self, role: Role) -> bool:
        """True if this peer has a role; an administrator may read."""
        return self.role == "admin" or self.role == role


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the kernel says of a Unix socket's peer."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int]


class HasOptions(Protocol):
    """A socket, or asyncio's view of one."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def credentials_of(peer: HasOptions) -> Credentials:
    """Return the credentials that a connected Unix socket's peer had when it connected."""
    pid, uid, gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        packed = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:
        packed = b""
    groups = struct.unpack(f"{len(packed) // 4}I", packed)
    return Credentials(pid, uid, gid, frozenset((gid, *groups)))


class AccessList:
    """The users and groups of the configuration, as numbers."""

    def __init__(self, settings: ControlSettings) -> None:
        """Look the names up, once.

        Raises:
            ConfigError: there is no such user or group, or it is the one that stands for unknown ones.
        """
        self._admin_users = {0, os.geteuid(), *numbers("admin", "users", settings.admin_users)}
        self._admin_groups = numbers("admin", "groups", settings.admin_groups)
        self._read_users = numbers("read", "users", settings.read_users)
        self._read_groups = numbers("read", "groups", settings.read_groups)

    def peer(self, who: Credentials) -> Peer:
        """Return the peer with its role."""
        role: Role | None = None
        if who.uid in self._admin_users or who.groups & self._admin_groups:
            role = "admin"
        elif who.uid in self._read_users or who.groups & self._read_groups:
            role = "read"
        return Peer("unix", pid=who.pid, uid=who.uid, gid=who.gid, role=role)


def numbers(role: Role, kind: Literal["users", "groups"], names: Iterable[str | int]) -> set[int]:
    """Look up one list of the configuration.

    Raises:
        ConfigError: there is no such user or group, or it is the one that stands for unknown ones.
    """
    where = f"access.{role}.{kind}"
    found = {user_id(name, where) if kind == "users" else group_id(name, where) for name in names}
    if OVERFLOW_ID in found:
        one = kind.removesuffix("s")
        raise ConfigError(where, f"{OVERFLOW_ID} stands for every {one} the kernel has no number for; name another")
    return found


def user_id(name: str | int, where: str) -> int:
    """Return a user's number.

    Raises:
        ConfigError: there is no such user.
    """
    import pwd  # Unix only, as the sockets that ask for it

    try:
        return name if isinstance(name, int) else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ConfigError(where, f"there is no user {name!r} on this machine") from None


def group_id(name: str | int, where: str) -> int:
    """Return a group's number.

    Raises:
        ConfigError: there is no such group.
    """
    import grp

    try:
        return name if isinstance(name, int) else grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(where, f"there is no group {name!r} on this machine") from None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Secrets that stand for a role."""

    secrets: tuple[tuple[bytes, Role], ...]

    def role(self, authorization: str) -> Role | None:
        """Return what an Authorization header gives. Every secret is compared, each in time that tells nothing."""
        scheme, _, offered = authorization.partition(" ")
        given = offered.strip().encode("utf-8", "surrogateescape")
        roles = [role for secret, role in self.secrets if hmac.compare_digest(secret, given)]
        return roles[0] if roles and scheme.lower() == "bearer" else None
