"""Read from the operating system what it says, and what it does, about code that is made at run time.

A fact is what was seen and where; what follows from it is `policy`'s work. Nothing is cached: a fact about this process
may change (`lock_the_door`), never for the laxer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

UNREADABLE = "unreadable"

# Names of the facts that decide; all others are only shown.
MDWE, PROBE_PAGE, HVCI, ACG = "mdwe", "probe page", "hvci", "acg"

LOCKDOWN = Path("/sys/kernel/security/lockdown")
SELINUX = Path("/sys/fs/selinux/enforce")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing seen. `enforced` is True if it forbids code made at run time, False if it does not, None if it says
    nothing about it or was not to be read; `decides` tells whether a None counts as enforced."""

    name: str
    value: str
    source: str
    enforced: bool | None
    decides: bool = True


class FactReader(Protocol):
    """One operating system's way to read its facts."""

    def read(self) -> tuple[Fact, ...]:
        """Return all facts, the deciding ones first. What cannot be read is a fact too."""

    def lock(self) -> None:
        """Give up, for this process and for good, the right to make memory executable.

        Raises:
            OSError: the system cannot, or will not.
        """


class LinuxFacts:
    """MDWE and a probe page decide; lockdown and SELinux are shown."""

    def read(self) -> tuple[Fact, ...]:
        return (
            self._mdwe(),
            self._probe_page(),
            _shown("lockdown", LOCKDOWN, _bracketed),
            _shown("selinux", SELINUX, lambda text: "enforcing" if text == "1" else "permissive"),
        )

    def lock(self) -> None:
        from tracerd.linux.prctl import set_mdwe

        set_mdwe()

    @staticmethod
    def _mdwe() -> Fact:
        from errno import EINVAL

        from tracerd.linux.prctl import mdwe

        source = "prctl(PR_GET_MDWE)"
        try:
            flags = mdwe()
        except OSError as error:
            if error.errno == EINVAL:
                # A kernel without MDWE cannot enforce it; the probe page still speaks.
                return Fact(MDWE, "unknown to this kernel", source, False)
            return Fact(MDWE, f"{UNREADABLE}: {error.strerror}", source, None)
        return Fact(MDWE, "on" if flags else "off", source, bool(flags))

    @staticmethod
    def _probe_page() -> Fact:
        from tracerd.linux.prctl import can_make_executable

        source = "mmap, mprotect and a call in this process"
        try:
            runs = can_make_executable()
        except OSError as error:
            return Fact(PROBE_PAGE, f"{UNREADABLE}: {error.strerror}", source, None)
        return Fact(PROBE_PAGE, "runs" if runs else "refused", source, not runs)


def _bracketed(text: str) -> str:
    """Return the chosen one of `none [integrity] confidentiality`."""
    return text[text.find("[") + 1 : text.find("]")] if "[" in text else text


def _shown(name: str, path: Path, meaning: Callable[[str], str]) -> Fact:
    try:
        value = meaning(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        value = "absent"
    except (OSError, UnicodeDecodeError) as error:
        value = f"{UNREADABLE}: {error}"
    return Fact(name, value, str(path), None, decides=False)


class NoFacts:
    """A system whose facts nobody has taught us to read: unreadable, so enforced."""

    def read(self) -> tuple[Fact, ...]:
        return (Fact("code integrity", UNREADABLE, f"no reader for {sys.platform}", None),)

    def lock(self) -> None:
        raise OSError(f"tracerd knows no way to lock the door on {sys.platform}")


def facts_of_this_system() -> FactReader:
    """Return the reader for the operating system we run on: the one place that chooses."""
    if sys.platform == "linux":
        return LinuxFacts()
    if sys.platform == "win32":
        from tracerd.vm.facts_windows import WindowsCalls, WindowsFacts

        return WindowsFacts(WindowsCalls())
    return NoFacts()
