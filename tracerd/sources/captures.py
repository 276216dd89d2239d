"""Tell a capture of packets by how it starts, or is called."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

_MAGICS = {bytes.fromhex(each) for each in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a")}

SUFFIXES = (".pcap", ".pcapng", ".cap")


def is_capture(path: Path) -> bool:
    """True if a file starts as a capture does; one that does not, but is called one, is for its reader to refuse."""
    if path.suffix.lower() in SUFFIXES:
        return True
    with suppress(OSError, ValueError):
        if stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as file:
                return file.read(4) in _MAGICS
    return False
