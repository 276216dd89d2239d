"""Which probes a tracerd.toml names, and what is refused of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracerd.config.daemon import DaemonConfig, read_config
from tracerd.errors import ConfigError
from tracerd.runtime.configured import passed_over, resolve_probes

PROBE = '[probe]\nname = "{name}"\nobject = "x.bpf.o"\n[[attach]]\nprogram = "p"\nsource = "begin"\n'


def configured(folder: Path, *entries: str, more: str = "") -> DaemonConfig:
    path = folder / "tracerd.toml"
    path.write_text(f"probes = {list(entries)!r}\n{more}")
    return read_config(path)


def write_probe(folder: Path, name: str, file: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "x.bpf.o").write_bytes(b"")
    path = folder / (file or f"{name}.toml")
    path.write_text(PROBE.format(name=name))
    return path


def test_names_paths_and_globs_are_probes_in_the_configuration_s_order(tmp_path: Path) -> None:
    """Paths are relative to the configuration's folder; a glob's files are sorted, and each is meant once."""
    for name in ("b", "a"):
        write_probe(tmp_path / "probes.d", name)
    write_probe(tmp_path / "one", "one", "probe.toml")
    config = configured(tmp_path, "syscalls", "probes.d/*.toml", "probes.d/a.toml", "./one")
    assert [probe.name for probe in resolve_probes(config)] == ["syscalls", "a", "b", "one"]


def test_a_glob_may_match_nothing_and_leaves_out_what_is_no_probe(tmp_path: Path) -> None:
    """Hidden files (an editor's), folders and other names are not taken."""
    write_probe(tmp_path / "probes.d", "hidden", ".hidden.toml")
    write_probe(tmp_path / "probes.d", "backup", "a.toml~")
    (tmp_path / "probes.d" / "folder.toml").mkdir()
    assert resolve_probes(configured(tmp_path, "probes.d/*", "none.d/*.toml")) == []


def test_what_a_glob_probably_does_not_mean_is_told(tmp_path: Path) -> None:
    """A misspelt folder, a FIFO or folder that is called as a probe; not an empty folder, nor what is named plainly."""
    write_probe(tmp_path / "probes.d", "good")
    (tmp_path / "probes.d" / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "probes.d" / "pipe.toml")
    (tmp_path / "empty.d").mkdir()
    config = configured(tmp_path)
    assert passed_over("probe.d/*.toml", config) == [f"{tmp_path}/probe.d is not there: a misspelt folder?"]
    assert passed_over(f"{tmp_path}/none/*/x.toml", config) == [f"{tmp_path}/none is not there: a misspelt folder?"]
    assert passed_over("probes.d/*", config) == [
        f"{tmp_path}/probes.d/{name}.toml is no regular file, so it is passed over" for name in ("folder", "pipe")
    ]
    for entry in ("empty.d/*", "*/*/x.toml", "syscalls", "none.toml", ""):
        assert passed_over(entry, config) == []


@pytest.mark.parametrize("entries", [("syscalls", "d/*.toml"), ("d/*.toml", "syscalls")])
def test_the_name_of_a_shipped_probe_is_taken(tmp_path: Path, entries: tuple[str, str]) -> None:
    """Whichever comes first: the one that can be renamed is named."""
    path = write_probe(tmp_path / "d", "syscalls", "mine.toml")
    with pytest.raises(ConfigError, match=rf"{path}: a probe that comes with tracerd .*'syscalls'; rename yours"):
        resolve_probes(configured(tmp_path, *entries))


def test_the_folder_s_own_name_is_no_glob(tmp_path: Path) -> None:
    """A configuration may lie in a folder called [a]."""
    folder = tmp_path / "[a]"
    folder.mkdir()
    write_probe(folder / "probes.d", "p")
    assert [probe.name for probe in resolve_probes(configured(folder, "probes.d/*.toml"))] == ["p"]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("syscals", "did you mean 'syscalls'?"),
        ("none.toml", "No such file or directory: .*none.toml; a glob"),
        ("", "neither the name of a probe nor a path"),
    ],
)
def test_what_is_named_must_be_there(tmp_path: Path, entry: str, sentence: str) -> None:
    """A literal name or path that is nothing is an error."""
    with pytest.raises(ConfigError, match=sentence):
        resolve_probes(configured(tmp_path, entry))


def test_two_probes_of_one_name_are_refused_with_both_files(tmp_path: Path) -> None:
    """Neither silently wins."""
    first, second = write_probe(tmp_path / "d", "same", "1.toml"), write_probe(tmp_path / "d", "same", "2.toml")
    with pytest.raises(ConfigError) as caught:
        resolve_probes(configured(tmp_path, "d/*.toml"))
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_more_probes_than_the_limit_are_refused(tmp_path: Path) -> None:
    """The limit is named, so that it can be raised."""
    for number in range(3):
        write_probe(tmp_path / "d", f"p{number}")
    with pytest.raises(ConfigError, match=r"names 3 probes; limits.probes = 2"):
        resolve_probes(configured(tmp_path, "d/*.toml", more="[limits]\nprobes = 2\n"))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no user ids here")
@pytest.mark.parametrize("file", ["p.toml", "x.bpf.o"])
def test_a_probe_that_everybody_may_write_is_not_used(tmp_path: Path, file: str) -> None:
    """Neither the probe.toml nor its object."""
    write_probe(tmp_path / "d", "p")
    (tmp_path / "d" / file).chmod(0o666)
    with pytest.raises(ConfigError, match="every user may write it"):
        resolve_probes(configured(tmp_path, "d/*.toml"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.timeout(20)
def test_a_fifo_for_an_object_is_refused_at_once(tmp_path: Path) -> None:
    """It would hold the daemon when it reads."""
    write_probe(tmp_path / "d", "p")
    (tmp_path / "d" / "x.bpf.o").unlink()
    os.mkfifo(tmp_path / "d" / "x.bpf.o")
    with pytest.raises(ConfigError, match="not a regular file"):
        resolve_probes(configured(tmp_path, "d/*.toml"))
