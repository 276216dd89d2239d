"""The daemon as a Windows service. Not run on Windows yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.windows import need_administrator, needs_windows

pytestmark = needs_windows


def service(action: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tracerd.cli", "service", action]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_service_is_installed_told_and_removed() -> None:
    need_administrator()
    pytest.importorskip("win32serviceutil", reason="pywin32 is not installed")
    assert service("install").returncode == 0
    try:
        status = service("status")
        assert (status.returncode, status.stderr) == (0, "")
    finally:
        assert service("remove").returncode == 0
