"""`tracerd check` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_commands import tracerd


def configured(folder: Path, text: str) -> Path:
    path = folder / "tracerd.toml"
    path.write_text(f'state_dir = "{folder}/state"\n{text}\n[control]\nsocket = "{folder}/c.sock"\n')
    return path


def test_check_prints_a_line_a_finding_and_the_count(tmp_path: Path) -> None:
    """Exit code 0 with nothing in the way."""
    done = tracerd("check", "--config", configured(tmp_path, ""))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ok       configuration: {tmp_path}/tracerd.toml: is understood" in done.stdout
    assert done.stdout.endswith("0 problems\n")


def test_check_json_has_the_same_findings(tmp_path: Path) -> None:
    """One document; a problem of the machine is exit code 1, of the configuration 2."""
    (tmp_path / "state").write_text("")
    done = tracerd("check", "--json", "--config", configured(tmp_path, ""))
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (1, False)
    (wrong,) = [row for row in document["findings"] if row["state"] == "problem"]
    assert set(wrong) == {"check", "subject", "state", "said", "fix"}
    assert tracerd("check", "--config", configured(tmp_path, "state_dri = 1")).returncode == 2
    assert tracerd("check", "--config", tmp_path / "none.toml").returncode == 2


def test_a_hostile_name_does_not_reach_the_terminal(tmp_path: Path) -> None:
    """What a configuration names is escaped."""
    done = tracerd("check", "--config", configured(tmp_path, 'probes = ["\\u001b[2J.toml"]'))
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J.toml" in done.stdout
