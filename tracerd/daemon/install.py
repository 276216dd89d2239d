"""The systemd service: plan what `tracerd service install` and `remove` do, then do it, step by step.

A plan is made by looking and changes nothing, so that it can be shown. What a person wrote is never overwritten: the
configuration is only made where there is none, and a unit carries a checksum by which we know it as ours.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

from tracerd.errors import NotPermitted, NotSupported, RunError
from tracerd.linux.users import find_user

USER = "tracerd"
UNIT = "tracerd.service"
UNIT_DIR = Path("etc/systemd/system")
WANTS = UNIT_DIR / "multi-user.target.wants" / UNIT
DROP_IN = UNIT_DIR / f"{UNIT}.d" / "interpreter-only.conf"
CONFIG = Path("etc/tracerd/tracerd.toml")
PROBES = Path("etc/tracerd/probes.d")
STATE = Path("var/lib/tracerd")

_MARK = "# Written by `tracerd service install`; changes belong into `systemctl edit tracerd`. sha256 of the rest: "

Outcome = Literal["done", "unchanged", "kept"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `do` is None where there is nothing to do, and `outcome` says why then."""

    said: str
    outcome: Outcome
    do: Callable[[], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Installation:
    """Where to install: below `root` ("/" is this machine), run by `command`."""

    root: Path = Path("/")
    interpreter_only: bool = False
    start: bool = False
    command: str = ""

    @property
    def here(self) -> bool:
        """True if it is this machine, not a tree that becomes one."""
        return self.root == Path("/")

    def at(self, path: Path) -> Path:
        """Return where a path of the installed machine is now."""
        return self.root / path


def own_command() -> str:
    """Return how the unit starts this installation: its interpreter, without anything that a user's folders add.

    Raises:
        NotSupported: systemd could not be told the interpreter's path.
    """
    if any(letter in sys.executable for letter in " \t\"'\\%$;") or not sys.executable.startswith("/"):
        raise NotSupported(f"a service run by {sys.executable!r}", "install tracerd at a path without special letters")
    return f"{sys.executable} -I -m tracerd.cli"


def need_systemd(running: Path = Path("/run/systemd/system")) -> None:
    """See that this machine is run by systemd (sd_booted(3)).

    Raises:
        NotSupported: it is not.
    """
    if not running.is_dir():
        raise NotSupported(
            "a service", "systemd does not run this machine; let its own service manager run `tracerd serve`"
        )


def need_readable(executable: Path, user: str = USER) -> None:
    """See that every user can reach the interpreter: the service is another one, and has no home directories.

    Raises:
        RunError: it lies where only some may look, or in a home directory.
    """
    install = f"install tracerd elsewhere: python3 -m venv /opt/{USER} && /opt/{USER}/bin/pip install tracerd"
    for path in {executable, executable.resolve(), Path(__file__).resolve()}:
        closed = next((each for each in reversed(path.parents) if not each.stat().st_mode & 0o001), None)
        home = next((each for each in path.parents if str(each) in ("/home", "/root", "/run/user")), None)
        if closed is not None or home is not None:
            why = f"{closed} is closed to other users" if closed is not None else f"the service does not see {home}"
            raise RunError(f"user {user!r} cannot run {path}", f"{why}; {install}")


def install_steps(to: Installation) -> Iterator[Step]:
    """Yield what is to be done, looking at each thing when its turn comes."""
    command = to.command or own_command()
    yield _user(to)
    yield _directory(to.at(PROBES))
    yield _config(to.at(CONFIG))
    yield _unit(to.at(UNIT_DIR / UNIT), render(UNIT, command))
    if to.interpreter_only:
        yield _unit(to.at(DROP_IN), render(f"{UNIT}.d/{DROP_IN.name}", command))
    else:
        yield from _remove_ours(to.at(DROP_IN))
    if to.here:
        yield _systemctl("daemon-reload")
        yield _systemctl("enable", UNIT)
        if to.start:
            yield _systemctl("restart", UNIT)
    else:
        yield _enabled(to.at(WANTS))


def remove_steps(to: Installation, *, purge: bool) -> Iterator[Step]:
    """Yield what undoes it. Configuration and state stay unless `purge`; what a person changed stays in any case."""
    if to.here and to.at(UNIT_DIR / UNIT).exists():
        yield _systemctl("disable", "--now", UNIT)
    if not to.here and to.at(WANTS).is_symlink():
        yield Step(f"remove {to.at(WANTS)}", "done", to.at(WANTS).unlink)
    yield from _remove_ours(to.at(DROP_IN))
    yield from _remove_ours(to.at(UNIT_DIR / UNIT))
    if to.here:
        yield _systemctl("daemon-reload")
    for path in (to.at(STATE), to.at(CONFIG.parent)):
        if path.is_symlink() or not path.exists():
            continue
        yield _purged(path) if purge else Step(f"keep {path} (--purge removes it)", "kept")
    if to.here and find_user(USER) is not None:
        yield Step(f"keep user {USER!r} (userdel {USER} removes it)", "kept")


def render(name: str, command: str) -> str:
    """Return a unit's text for this installation, behind the line by which it is known as ours."""
    text = (files("tracerd.daemon") / "units" / name).read_text(encoding="utf-8")
    text = text.replace("@TRACERD@", command).replace("@USER@", USER)
    return f"{_MARK}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def is_ours(text: str) -> bool:
    """Return whether a unit's text is just as we once wrote it."""
    first, _, rest = text.partition("\n")
    return first == _MARK + hashlib.sha256(rest.encode()).hexdigest()


def perform(steps: Iterator[Step], *, dry: bool) -> Iterator[Step]:
    """Do each step and yield it once it is done; `dry` only yields.

    Raises:
        NotPermitted: this user may not; what was done stays done, and the same command goes on later.
        RunError: the system refuses.
    """
    for step in steps:
        if step.do is not None and not dry:
            try:
                step.do()
            except PermissionError as error:
                raise NotPermitted(step.said, "run it as root") from error
            except OSError as error:
                raise RunError(step.said, error.strerror or str(error)) from error
        yield step


def _user(to: Installation) -> Step:
    if not to.here:
        return Step(f"leave user {USER!r} to whoever sets up {to.root}", "kept")
    if find_user(USER) is not None:
        return Step(f"user {USER!r} exists", "unchanged")
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
               "--shell", "/usr/sbin/nologin", USER]  # fmt: skip
    return Step(f"make system user {USER!r}", "done", lambda: _run(command))


def _directory(path: Path) -> Step:
    if path.is_dir():
        return Step(f"{path} exists", "unchanged")

    def make() -> None:
        path.mkdir(parents=True, mode=0o755)

    return Step(f"make {path}", "done", make)


def _config(path: Path) -> Step:
    if path.is_symlink() or path.exists():
        return Step(f"keep {path}", "unchanged")
    text = (files("tracerd.daemon") / "units" / "tracerd.toml").read_text(encoding="utf-8")
    # The unit's user, so that `tracerd check` by root knows whose the state directory is.
    return Step(f"write {path}", "done", lambda: _write(path, text.replace('#user = ""', f'user = "{USER}"')))


def _unit(path: Path, text: str) -> Step:
    if path.is_symlink():
        raise RunError(str(path), "is a symbolic link (a masked unit?); remove it first")
    if path.exists():
        old = path.read_text(encoding="utf-8", errors="replace")
        if old == text:
            return Step(f"{path} is up to date", "unchanged")
        if not is_ours(old):
            return Step(f"keep {path}: it was changed by hand; remove it to have a new one", "kept")
    return Step(f"write {path}", "done", lambda: _write(path, text))


def _enabled(path: Path) -> Step:
    """In a tree no systemd can be asked: make the link that `systemctl enable` makes."""
    if path.is_symlink() or path.exists():
        return Step(f"{path} exists", "unchanged")

    def link() -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.symlink_to(Path("/") / UNIT_DIR / UNIT)

    return Step(f"enable {UNIT}: link {path}", "done", link)


def _remove_ours(path: Path) -> Iterator[Step]:
    if path.is_symlink() or not path.exists():
        return
    if not is_ours(path.read_text(encoding="utf-8", errors="replace")):
        yield Step(f"keep {path}: it was changed by hand; if nobody needs it: rm {path}", "kept")
        return

    def remove() -> None:
        path.unlink()
        if path.parent.name.endswith(".d") and not any(path.parent.iterdir()):
            path.parent.rmdir()

    yield Step(f"remove {path}", "done", remove)


def _purged(path: Path) -> Step:
    return Step(f"remove {path} and all in it", "done", lambda: shutil.rmtree(path))


def _systemctl(*words: str) -> Step:
    return Step(f"systemctl {' '.join(words)}", "done", lambda: _run(["systemctl", *words]))


def _write(path: Path, text: str) -> None:
    """Put a whole file in place, with a mode that does not depend on who installs."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        raise RunError(" ".join(command), f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise RunError(" ".join(command), "did not end within two minutes") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RunError(" ".join(command), said[-1] if said else f"exit status {done.returncode}")
