"""The file with the tokens for TCP and the Windows pipe: one to a line, "ROLE TOKEN", or a bare token for admin."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from tracerd.daemon.api.access import Role, Tokens
from tracerd.errors import ConfigError

LEAST_CHARACTERS = 32
_MOST_BYTES = 64 << 10


def read_tokens(path: Path, owner: int | None = None) -> Tokens:
    """Read a token file. `owner` is a user who may have it beside us: the one that the daemon becomes.

    Raises:
        ConfigError: it cannot be read, others may read it, it is a link, or a token is too short to be secret.
    """
    text = _read(path, owner)
    found: list[tuple[bytes, Role]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        role, token = (words[0], words[1]) if len(words) == 2 else ("admin", words[0])
        if len(words) > 2 or role not in ("read", "admin"):
            raise ConfigError(f"{path}:{number}", 'a line is "read TOKEN", "admin TOKEN" or a bare token')
        if len(token) < LEAST_CHARACTERS:
            raise ConfigError(
                f"{path}:{number}", f"a token of fewer than {LEAST_CHARACTERS} characters; try `openssl rand -hex 32`"
            )
        found.append((token.encode(), "admin" if role == "admin" else "read"))
    if not found:
        raise ConfigError(str(path), "has no token; try `openssl rand -hex 32`")
    return Tokens(tuple(found))


def _read(path: Path, owner: int | None) -> str:
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    with os.fdopen(file, "rb") as opened:
        about = os.fstat(opened.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError(str(path), "is no plain file")
        if os.name == "posix" and about.st_mode & 0o077:
            raise ConfigError(str(path), f"others may read it; run: chmod 600 {path}")
        if os.name == "posix" and about.st_uid not in (0, os.geteuid(), owner):
            raise ConfigError(str(path), f"belongs to user {about.st_uid}, who may read it; run: chown root {path}")
        try:
            return opened.read(_MOST_BYTES).decode()
        except UnicodeDecodeError as error:
            raise ConfigError(str(path), "is not text") from error


def make_token(path: Path) -> Tokens:
    """Write a new token for the daemon's own user: how a client on Windows proves that it may use the pipe."""
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(secrets.token_hex(32).encode() + b"\n")
    return read_tokens(path)
