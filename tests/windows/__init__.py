"""What only Windows can say. **Nobody has run this yet**: written from documentation, waiting for the first machine
(`.github/workflows/windows.yml` is to run it). Elsewhere every test here is skipped.
"""

from __future__ import annotations

import ctypes
import sys

import pytest

needs_windows = pytest.mark.skipif(sys.platform != "win32", reason="needs Windows")


def need_administrator() -> None:
    """Skip where this user may not have a session with kernel groups."""
    shell = vars(ctypes)["windll"].shell32
    if not shell.IsUserAnAdmin():
        pytest.skip("needs an administrator: sessions of kernel groups")
