"""`tracerd service` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import tracerd

needs_no_systemd = pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="it would really be installed here")


@needs_no_systemd
@pytest.mark.parametrize("words", [("install",), ("remove",), ("status",)])
def test_without_systemd_it_is_not_supported_here(words: tuple[str, ...]) -> None:
    """Exit code 4 and one sentence; nothing is half done."""
    done = tracerd("service", *words)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("tracerd: a service: not supported here: systemd does not run this machine")


def test_a_tree_is_installed_and_removed_step_by_step(tmp_path: Path) -> None:
    """Each step is one line; --json has them all."""
    done = tracerd("service", "install", "--root", tmp_path)
    assert done.returncode == 0
    assert done.stderr == "" or done.stderr.startswith("warning: if ")       # this interpreter may be root's alone
    assert f"write {tmp_path}/etc/systemd/system/tracerd.service" in done.stdout.splitlines()
    dry = tracerd("service", "install", "--root", tmp_path, "--interpreter-only", "--dry-run")
    assert f"would write {tmp_path}/etc/systemd/system/tracerd.service.d/interpreter-only.conf" in dry.stdout
    document = json.loads(tracerd("service", "remove", "--root", tmp_path, "--json").stdout)
    assert {"step": f"remove {tmp_path}/etc/systemd/system/tracerd.service", "outcome": "done"} in document["steps"]
    assert not (tmp_path / "etc/systemd/system/tracerd.service").exists()


@needs_no_systemd
def test_a_dry_run_says_its_steps_anywhere() -> None:
    """One may look at what would be done on this machine; without systemd the exit code is the real call's."""
    done = tracerd("service", "install", "--dry-run")
    assert done.returncode == 4
    assert "would write /etc/systemd/system/tracerd.service" in done.stdout or "up to date" in done.stdout
