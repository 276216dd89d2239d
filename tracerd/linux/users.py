"""Names of this machine's users, from whatever the C library asks (files, LDAP, …)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass


def every_user() -> Iterator[tuple[int, str]]:
    """Yield (uid, name) of all users that can be listed; directory services may name others only when asked."""
    import pwd  # not on Windows, where this module is only imported

    for entry in pwd.getpwall():
        yield entry.pw_uid, entry.pw_name


def user_name(uid: int) -> str:
    """Return a user's name, or the number as text if nobody has it."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a process can become: user, group, and further groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def account(user: str) -> Account | None:
    """Return a user by name or number; None if nobody has that name. A number that nobody has is a user with a group of
    the same number and no other groups."""
    import pwd

    try:
        entry = pwd.getpwuid(int(user)) if _is_number(user) else pwd.getpwnam(user)
    except KeyError:
        return Account(int(user), int(user), ()) if _is_number(user) else None
    return Account(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def this_account() -> Account:
    """Return who runs this process."""
    return Account(os.geteuid(), os.getegid(), tuple(os.getgroups()))


def _is_number(user: str) -> bool:
    return user.isascii() and user.isdigit() and int(user) < 0xFFFFFFFF


def find_user(user: str | int) -> tuple[int, int] | None:
    """Return (uid, gid) of a user by name or number; None if there is none."""
    try:
        import pwd

        found = pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except (ImportError, KeyError, OverflowError):
        return None
    return found.pw_uid, found.pw_gid


def find_group(group: str | int) -> int | None:
    """Return the number of a group by name or number; None if there is none."""
    try:
        import grp

        return (grp.getgrgid(group) if isinstance(group, int) else grp.getgrnam(group)).gr_gid
    except (ImportError, KeyError, OverflowError):
        return None
