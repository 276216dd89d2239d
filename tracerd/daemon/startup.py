"""What a daemon does before its first thread: folders and socket as who started it, then no more rights than needed."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracerd.config.daemon import DaemonConfig
from tracerd.daemon.logs import fields
from tracerd.daemon.privileges import drop, justified
from tracerd.daemon.settings import control_settings
from tracerd.errors import ConfigError, RunError, TracerdError
from tracerd.linux.tracefs import tracefs
from tracerd.linux.users import account

if TYPE_CHECKING:
    from tracerd.daemon.api.unix_socket import UnixSocket

LOG = logging.getLogger("tracerd.daemon")
PAGE = 4096


def prepare(config: DaemonConfig) -> UnixSocket | None:
    """Make the folders and the control socket, then become `service.user` with the capabilities that are justified.

    Returns the control socket.

    Raises:
        ConfigError, NotPermitted, RunError: something stands in the way; nothing is served.
    """
    if os.name == "nt":
        return None                  # a service's rights are its account's; the pipe is made by the event loop
    from tracerd.daemon.api.unix_socket import UnixSocket

    user = config.service.user or None
    with suppress(TracerdError):         # whoever needs it says what is missing
        tracefs()                        # mounted where it is not yet: that takes root
    _give_folders(config, user)
    found = account(user) if user is not None else None
    local = UnixSocket.bind(control_settings(config), found.uid if found is not None else None)
    try:
        if user is not None:
            _give(config.control.socket, user)
        _drop(config, user)
    except BaseException:
        local.remove()
        raise
    return local


def _drop(config: DaemonConfig, user: str | None) -> None:
    cpus = os.cpu_count() or 1
    dropped = drop(user, justified((config.sources.perf.pages + 1) * PAGE * cpus))
    LOG.info(
        "privileges dropped",
        extra=fields(uid=dropped.uid, gid=dropped.gid, kept=sorted(dropped.kept), missing=sorted(dropped.missing)),
    )


def _give_folders(config: DaemonConfig, user: str | None) -> None:
    """Make the state directory and the socket's folder; with another user, they become that user's."""
    for folder in (config.state_dir, config.control.socket.parent):
        fresh = not folder.exists()
        try:
            folder.mkdir(mode=0o700 if folder == config.state_dir else 0o755, parents=True, exist_ok=True)
        except PermissionError:
            return                   # whoever needs it says so, with the way out
        except OSError as error:
            raise RunError(str(folder), error.strerror or str(error)) from error
        if user is not None and (fresh or folder == config.state_dir):
            _give(folder, user)


def _give(path: Path, user: str) -> None:
    found = account(user)
    if found is None:
        raise ConfigError("service.user", f"there is no user {user!r}; sudo useradd --system --no-create-home {user}")
    try:
        os.chown(path, found.uid, -1, follow_symlinks=False)
    except OSError as error:
        raise RunError(str(path), f"cannot be given to user {user!r}: {error.strerror}") from error
