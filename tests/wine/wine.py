"""Wine for the tests: found, given a prefix of its own, and ended with it. Nothing is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_LOADERS = ("wine64", "/usr/lib/wine/wine64", "wine")
_SERVERS = ("wineserver64", "wineserver", "/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver")
START_SECONDS = 300
"""A new prefix takes some seconds here; on a machine that is busy, minutes."""


class Wine:
    """Runs PE executables of 64 bits in one prefix."""

    def __init__(self, loader: str, prefix: Path) -> None:
        self._loader = loader
        self._environment = _environment(prefix)

    def run(self, executable: Path, *arguments: Path, seconds: float = START_SECONDS) -> str:
        """Run to the end, without display, sound or desktop; return what it said on standard error.

        Paths are given as they are: the drive of the current folder is the root of this system.
        """
        command = [self._loader, str(executable), *map(str, arguments)]
        done = subprocess.run(
            command, cwd=executable.parent, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=seconds, check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr}"
        return done.stderr


@contextmanager
def started(folder: Path) -> Iterator[Wine]:
    """Make a prefix in a folder; at the end, end all that runs in it and remove it. Skips where there is no Wine."""
    loader = _first(_LOADERS)
    server = _first(_SERVERS)
    if loader is None or server is None:
        pytest.skip("Wine is not installed (wine64): tests/wine/install.sh gets it")
    prefix = folder / "prefix"
    prefix.mkdir()
    environment = _environment(prefix)
    try:
        boot = [loader, "wineboot", "--init"]
        subprocess.run(
            boot, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=START_SECONDS, check=True
        )
        yield Wine(loader, prefix)
    finally:
        subprocess.run([server, "-k"], env=environment, capture_output=True, timeout=60, check=False)
        subprocess.run([server, "-w"], env=environment, capture_output=True, timeout=60, check=False)
        shutil.rmtree(prefix, ignore_errors=True)


def _environment(prefix: Path) -> dict[str, str]:
    """No display, no messages, and none of the add-ons that Wine would ask for or fetch."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "USER", "LANG") if name in os.environ}
    return {**kept, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}


def _first(names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)
