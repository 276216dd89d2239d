"""Where the software is that nobody here wrote: in build/e2e, where tests/e2e/install.sh puts it, or on the path."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "build" / "e2e"
FOLDERS = (BUILD / "rotel" / "rotel", BUILD / "debian" / "usr" / "bin")


def need(program: str) -> str:
    """Return the path of a program; skip the test where there is none."""
    for folder in FOLDERS:
        if found := shutil.which(folder / program):
            return found
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed here: tests/e2e/install.sh gets it, where its registry is reached")
    return found
