"""One Wine and one build for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wine.build import LINUX, WINDOWS, build
from tests.wine.systems import Systems
from tests.wine.wine import started


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systems]:
    """Return the driver on both systems; skip where a compiler or Wine is missing."""
    for target in (LINUX, WINDOWS):
        if shutil.which(target.compiler) is None:
            pytest.skip(f"{target.compiler} is not installed: tests/wine/install.sh gets it")
    folder: Path = tmp_path_factory.mktemp("wine")
    with started(folder) as wine:
        yield Systems(build(LINUX), build(WINDOWS), wine, folder)
