"""Names of this machine's users, from whatever the C library asks (files, LDAP, …)."""

from __future__ import annotations

from collections.abc import Iterator


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
