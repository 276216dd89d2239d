"""The units as systemd itself reads them, and the page that says what they leave open."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tracerd.daemon.install import UNIT, render

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def unit(folder: Path, *, interpreter_only: bool = False) -> Path:
    """The unit as installed, for a user and an interpreter that are here."""
    path = folder / UNIT
    path.write_text(render(UNIT, "/bin/true"))
    if interpreter_only:
        drop_in = folder / f"{UNIT}.d" / "interpreter-only.conf"
        drop_in.parent.mkdir()
        drop_in.write_text(render(f"{UNIT}.d/interpreter-only.conf", "/bin/true"))
    return path


@pytest.mark.parametrize("interpreter_only", [False, True])
def test_systemd_understands_every_line(tmp_path: Path, interpreter_only: bool) -> None:
    """No unknown directive, no system call that it does not know, no missing program."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit(tmp_path, interpreter_only=interpreter_only))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, [line for line in done.stderr.splitlines() if "tracerd" in line]) == (0, [])


def left_open(path: Path) -> dict[str, float]:
    """What systemd-analyze finds missing: name -> exposure."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--json=short", "--no-pager", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "--offline" in done.stderr or not done.stdout:
        pytest.skip("this systemd-analyze cannot look at a file (needs systemd 250)")
    return {row["name"]: float(row["exposure"]) for row in json.loads(done.stdout) if float(row["exposure"] or 0) > 0}


def documented() -> set[str]:
    text = (DOCS / "service.md").read_text().partition("## What the unit leaves open")[2]
    return {name.replace("\\|", "|") for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)}


def test_the_page_lists_what_the_unit_leaves_open_and_nothing_else(tmp_path: Path) -> None:
    """A directive that is lost from the unit shows up here; so does a row that is no longer true."""
    assert set(left_open(unit(tmp_path))) == documented()


def test_the_interpreter_only_unit_makes_no_code(tmp_path: Path) -> None:
    """The drop-in closes just that."""
    closed = documented() - set(left_open(unit(tmp_path, interpreter_only=True)))
    assert closed == {"MemoryDenyWriteExecute="}
