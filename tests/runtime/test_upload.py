"""Probes that come through the control API: what a client sends is content, never a path of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.daemon.running import TALLY
from tracerd.config.probe import MOST_VIEWS
from tracerd.elf.load import load
from tracerd.errors import ConfigError, ObjectError, TracerdError
from tracerd.runtime.upload import Upload, Uploads


@pytest.mark.parametrize("name", ["secret.toml", "secret.o", "folder", "..", "churn/probe.toml", "no_such_probe"])
def test_a_name_is_that_of_a_shipped_probe_and_no_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lies in the folder the daemon was started in: it is neither read nor told."""
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "secret.toml", tmp_path / "folder" / "probe.toml"):
        file.write_text('[probe]\nname = "secret"\nobject = "secret.o"\n')
    (tmp_path / "secret.o").write_bytes(TALLY.read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"unknown probe|is no probe's name"):
        Uploads(tmp_path / "kept").draft(Upload(name=name))
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("toml", [
    '[probe]\nname = "../x"\nobject = "o"\n',
    '[probe]\nname = ".draft-x"\nobject = "o"\n',
    '[probe]\nname = "x/y"\nobject = "o"\n',
    '[probe]\nname = "x"\nobject = "o"\n' + '[[view]]\nname = "v"\nmap = "tally_total"\n' * (MOST_VIEWS + 1),
])  # fmt: skip
def test_a_hostile_probe_toml_is_refused_and_leaves_nothing(toml: str, tmp_path: Path) -> None:
    """Names that are paths, and tables without end."""
    uploads = Uploads(tmp_path / "kept")
    with pytest.raises(TracerdError):
        uploads.draft(Upload(toml=toml, object=TALLY.read_bytes()))
    assert list((tmp_path / "kept").iterdir()) == []


def test_the_object_of_a_probe_toml_is_the_one_that_was_sent(tmp_path: Path) -> None:
    """Its path is not followed, wherever it leads."""
    toml = '[probe]\nname = "x"\nobject = "/etc/shadow"\n'
    probe, folder = Uploads(tmp_path / "kept").draft(Upload(toml=toml, object=TALLY.read_bytes()))
    assert probe.object.parent == folder
    assert probe.object.read_bytes() == TALLY.read_bytes()


def test_an_object_that_is_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe that nobody writes would hold the daemon for ever, /dev/zero would take its memory."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    pipe, device = tmp_path / "pipe.o", tmp_path / "device.o"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        with pytest.raises(ObjectError, match="no regular file"):
            load(path)
