"""What the tests of maps in files share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a map's file may be: in a folder that is ours alone."""
    tmp_path.chmod(0o700)
    return tmp_path / "m.map"
