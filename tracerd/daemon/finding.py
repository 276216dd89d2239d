"""What a check found: good or bad, and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tracerd.errors import NotPermitted, TracerdError

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `tracerd check`. A `note` is worth knowing and keeps nothing from working."""

    check: str
    subject: str
    state: State
    said: str
    fix: str = ""


def ok(check: str, subject: str, said: str) -> Finding:
    """Something is as it should be."""
    return Finding(check, subject, "ok", said)


def note(check: str, subject: str, said: str, fix: str = "") -> Finding:
    """Something is different from what one might expect."""
    return Finding(check, subject, "note", said, fix)


def problem(check: str, subject: str, said: str, fix: str = "") -> Finding:
    """Something keeps the daemon from doing what it was told."""
    return Finding(check, subject, "problem", said, fix)


def refused(check: str, subject: str, error: TracerdError | OSError) -> Finding:
    """Something raised."""
    if isinstance(error, NotPermitted):
        return problem(check, subject, f"{error.what}: not permitted", error.fix)
    return problem(check, subject, str(error).removeprefix(f"{subject}: "))


Findings = Iterator[Finding]
