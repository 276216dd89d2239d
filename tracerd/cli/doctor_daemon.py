"""What `tracerd doctor` tries of what a daemon needs: each returns what it found, or raises why it is not there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tracerd.cli.daemon import socket_of
from tracerd.cli.options import Global
from tracerd.daemon.client import connect
from tracerd.daemon.install import need_systemd
from tracerd.elf.spec import MapSpec
from tracerd.errors import NotPermitted, NotSupported
from tracerd.linux import capabilities
from tracerd.platforms.model import MapKind
from tracerd.vm.maps import Map


def pinned_maps() -> str:
    """Make a map in a file, and open it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tried.map"
        spec = MapSpec("tried", MapKind.HASH.value, 4, 8, 16)
        for _ in range(2):
            with Map.in_file(spec, MapKind.HASH, 1, path) as made:
                made.update(b"\1\0\0\0", bytes(8))
    return "a map in a file was made and found again"


def dropping_privileges() -> str:
    """Look whether there is something to drop, and whether it can be."""
    try:
        have = capabilities.read().permitted
    except OSError as error:
        raise NotSupported("dropping privileges", f"there are no capabilities ({error.strerror})") from error
    if "SETPCAP" in have:
        return "a daemon started by this user gives up what it does not need, for good"
    if not have:
        return "this user has no capabilities to give up"
    raise NotPermitted(
        f"emptying the bounding set ({', '.join(sorted(have))} are held)", "start tracerd serve as root, or by its unit"
    )


def service() -> str:
    """Look for a systemd that could run the daemon."""
    need_systemd()
    return "systemd runs here: tracerd service install"


def daemon(options: Global) -> str:
    """Ask the daemon how it is."""
    with connect(socket_of(options)) as client:
        ready, reasons = client.ready()
    return "it answers, and does all it was asked to" if ready else f"it answers, but: {'; '.join(reasons)}"
