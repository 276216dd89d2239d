"""Whether somebody else may use a file, as its mode says: for a user that we are not (yet)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tracerd.linux.users import Account

READ, WRITE, ENTER = 4, 2, 1


def allows(path: Path, who: Account, want: int) -> bool:
    """Return whether a user without capabilities may do that to what a path leads to: root, too, needs a mode then.

    A file with an access list is taken to allow it: what the list says is not read.

    Raises:
        OSError: it cannot be looked at.
    """
    status = path.stat()
    owns, shares = status.st_uid == who.uid, status.st_gid in (who.gid, *who.groups)
    given = stat.S_IMODE(status.st_mode) >> (6 if owns else 3 if shares else 0)
    return given & want == want or _has_list(path)


def first_closed(paths: Iterable[Path], who: Account) -> Path | None:
    """Return the first file that the user may not read, or folder on the way to it that he may not enter.

    Raises:
        OSError: one cannot be looked at.
    """
    for path in paths:
        for folder in reversed(path.parents):
            if not allows(folder, who, ENTER):
                return folder
        if not allows(path, who, READ):
            return path
    return None


def _has_list(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except (AttributeError, OSError):
        return False
