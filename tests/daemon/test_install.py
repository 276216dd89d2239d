"""Installing the service: idempotent, never over what a person wrote, and a unit that systemd accepts."""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracerd.cli import service
from tracerd.config.daemon import read_config
from tracerd.daemon import install, windows_service
from tracerd.daemon.install import CONFIG, DROP_IN, PROBES, STATE, UNIT, UNIT_DIR, WANTS, Installation, Step
from tracerd.errors import NotPermitted, NotSupported, RunError


def installed(root: Path, *, interpreter_only: bool = False, dry: bool = False) -> list[Step]:
    return list(install.perform(install.install_steps(Installation(root, interpreter_only)), dry=dry))


def removed(root: Path, *, purge: bool = False) -> list[Step]:
    return list(install.perform(install.remove_steps(Installation(root), purge=purge), dry=False))


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_tree_gets_unit_configuration_and_directories(tmp_path: Path) -> None:
    """With modes that do not depend on who installs; the unit runs this interpreter, without its user's folders."""
    installed(tmp_path)
    assert files(tmp_path) == {str(UNIT_DIR / UNIT), str(CONFIG)}
    assert (tmp_path / WANTS).readlink() == Path("/") / UNIT_DIR / UNIT
    assert (tmp_path / PROBES).is_dir()
    assert stat.S_IMODE((tmp_path / UNIT_DIR / UNIT).stat().st_mode) == 0o644
    unit = (tmp_path / UNIT_DIR / UNIT).read_text()
    assert f"ExecStart={sys.executable} -I -m tracerd.cli serve --config /{CONFIG}\n" in unit
    assert not re.search(r"@\w+@", unit)
    config = read_config(tmp_path / CONFIG)
    assert (config.probes, config.service.user) == ((), "tracerd")


def test_installing_again_changes_nothing(tmp_path: Path) -> None:
    """Every step says that there is nothing to do."""
    installed(tmp_path)
    assert {step.outcome for step in installed(tmp_path)} <= {"unchanged", "kept"}
    assert all(step.do is None for step in installed(tmp_path))


def test_what_a_person_wrote_is_kept_and_said_to_be(tmp_path: Path) -> None:
    """The configuration always; a unit that is not as we wrote it."""
    installed(tmp_path)
    for path in (tmp_path / CONFIG, tmp_path / UNIT_DIR / UNIT):
        path.write_text(path.read_text() + "# mine\n")
    steps = installed(tmp_path)
    assert (tmp_path / CONFIG).read_text().endswith("# mine\n")
    assert (tmp_path / UNIT_DIR / UNIT).read_text().endswith("# mine\n")
    assert any("changed by hand" in step.said and step.outcome == "kept" for step in steps)
    assert any(f"changed by hand; if nobody needs it: rm {tmp_path / UNIT_DIR / UNIT}" in step.said
               for step in removed(tmp_path))  # fmt: skip
    assert (tmp_path / UNIT_DIR / UNIT).exists()


def test_an_older_unit_of_ours_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade may write another interpreter or other directives."""
    monkeypatch.setattr(sys, "executable", "/opt/old/bin/python")
    installed(tmp_path)
    monkeypatch.setattr(sys, "executable", "/opt/new/bin/python")
    installed(tmp_path)
    unit = (tmp_path / UNIT_DIR / UNIT).read_text()
    assert "/opt/new/bin/python" in unit
    assert "/opt/old" not in unit


def test_the_interpreter_only_drop_in_comes_and_goes(tmp_path: Path) -> None:
    """Installing without the option takes it away again."""
    installed(tmp_path, interpreter_only=True)
    drop_in = (tmp_path / DROP_IN).read_text()
    assert "\nMemoryDenyWriteExecute=yes\n" in drop_in
    assert "tracerd.cli --code-integrity enforce serve" in drop_in
    installed(tmp_path)
    assert not (tmp_path / DROP_IN).parent.exists()


def test_a_dry_run_says_the_same_steps_and_does_none(tmp_path: Path) -> None:
    """Nothing is made."""
    said = [step.said for step in installed(tmp_path, dry=True)]
    assert list(tmp_path.iterdir()) == []
    assert said == [step.said for step in installed(tmp_path)]


def test_removing_leaves_configuration_and_state_unless_purged(tmp_path: Path) -> None:
    """And purging follows no link out of the tree."""
    installed(tmp_path, interpreter_only=True)
    (tmp_path / STATE).mkdir(parents=True)
    (tmp_path / STATE / "pin").write_text("")
    steps = removed(tmp_path)
    assert not (tmp_path / WANTS).is_symlink()
    assert files(tmp_path) == {str(CONFIG), str(STATE / "pin")}
    assert sum("--purge removes it" in step.said for step in steps) == 2
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("")
    (tmp_path / STATE / "link").symlink_to(tmp_path / "elsewhere")
    removed(tmp_path, purge=True)
    assert files(tmp_path) == {"elsewhere/precious"}
    (tmp_path / STATE).symlink_to(tmp_path / "elsewhere")
    removed(tmp_path, purge=True)
    assert files(tmp_path) == {"elsewhere/precious"}
    assert removed(tmp_path, purge=True) == []


def test_a_masked_unit_is_not_written_through(tmp_path: Path) -> None:
    """`systemctl mask` links it to /dev/null."""
    (tmp_path / UNIT_DIR).mkdir(parents=True)
    (tmp_path / UNIT_DIR / UNIT).symlink_to("/dev/null")
    with pytest.raises(RunError, match="masked"):
        installed(tmp_path)


def test_what_the_system_refuses_is_a_sentence(tmp_path: Path) -> None:
    """A file where a directory should be; a directory that may not be written."""
    (tmp_path / "etc").write_text("")
    with pytest.raises(RunError, match=r"make .*probes.d: Not a directory"):
        installed(tmp_path)

    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(NotPermitted, match="run it as root"):
        list(install.perform(iter([Step("write it", "done", refuse)]), dry=False))


def test_without_systemd_there_is_no_service(tmp_path: Path) -> None:
    """The sentence says what to do instead."""
    with pytest.raises(NotSupported, match="its own service manager run `tracerd serve`"):
        install.need_systemd(tmp_path / "none")
    install.need_systemd(tmp_path)


def test_an_interpreter_that_the_service_s_user_cannot_reach_is_refused(tmp_path: Path) -> None:
    """A virtual environment in root's home, or in a folder that is closed to others."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(RunError, match=r"closed to other users; install tracerd elsewhere: python3 -m venv /opt"):
        install.need_readable(closed / "python")


def test_a_path_that_systemd_would_read_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces, specifiers and quotes mean something in a unit."""
    for path in ("/opt/my tracerd/python", "/opt/100%/python", "relative/python"):
        monkeypatch.setattr(sys, "executable", path)
        with pytest.raises(NotSupported):
            install.own_command()


@pytest.mark.skipif(sys.platform == "win32", reason="there it would really be asked")
def test_the_windows_service_says_what_it_lacks_elsewhere() -> None:
    """Not a traceback of an import."""
    with pytest.raises(NotSupported, match="pywin32"):
        windows_service.control("status")
    with pytest.raises(NotSupported, match="pywin32"):
        getattr(windows_service, "Service")  # noqa: B009  what pywin32's host does


def test_a_dry_run_says_what_it_would_do_and_fails_where_the_real_call_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --root what could go wrong there is a warning; on this machine it is the exit code."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    done = CliRunner().invoke(service.command, ["install", "--root", str(tmp_path / "tree"), "--dry-run", "--json"])
    assert done.exit_code == 0
    assert "would" in {step["outcome"] for step in json.loads(done.stdout)["steps"]}
    assert "warning: if" in done.stderr
    assert not (tmp_path / "tree").exists()
    monkeypatch.setattr(install, "need_systemd", lambda: None)
    done = CliRunner().invoke(service.command, ["install", "--dry-run"])
    assert isinstance(done.exception, RunError)
    assert "would" in done.stdout
