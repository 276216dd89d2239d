"""Disks that fill up or become read-only under a daemon."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def disk(at: Path, size: str) -> Iterator[Path]:
    """Mount a small disk of its own on a folder; skips where that is not permitted."""
    at.mkdir(mode=0o700, exist_ok=True)
    options = f"size={size},mode=700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tracerd-test", str(at)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a disk to fill: {mounted.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill(folder: Path) -> Path:
    """Take every byte that is left; returns the file to remove again."""
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT, 0o600)
    with suppress(OSError):
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while os.write(descriptor, bytes(size)):
                    pass
    os.close(descriptor)
    return filler


def read_only(at: Path, *, really: bool) -> None:
    """Remount a disk, read-only or again for writing."""
    subprocess.run(["mount", "-o", f"remount,{'ro' if really else 'rw'}", str(at)], check=True)
