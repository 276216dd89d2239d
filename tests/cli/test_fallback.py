"""`tracerd run` without arguments shows the best that this machine and user can have, and says why not more."""

from __future__ import annotations

import pytest

from tracerd.cli import run as command
from tracerd.config import Probe
from tracerd.errors import NotPermitted, SourceError, TracerdError
from tracerd.runtime import Settings


@pytest.mark.parametrize(
    ("refusals", "shown", "told"),
    [
        ({}, ["syscalls"], []),
        ({"syscalls": NotPermitted("tracing", "be root")}, ["syscalls", "host"], ["no privilege (probe 'host')"]),
        (
            {"syscalls": NotPermitted("tracing", "be root"), "host": SourceError("system", "cannot be read")},
            ["syscalls", "host", "etw_processes"],
            ["no privilege (probe 'host')", "cannot be read; showing the recording that comes with tracerd"],
        ),
    ],
)
def test_each_refusal_is_told_and_leads_to_the_next_best(
    refusals: dict[str, TracerdError],
    shown: list[str],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """System calls, else what needs no privilege, else the shipped recording with its own probe."""
    tried: list[tuple[str, Settings]] = []

    def refusing(probes: list[Probe], settings: Settings, _watched: command.Watch) -> None:
        tried.append((probes[0].name, settings))
        if probes[0].name in refusals:
            raise refusals[probes[0].name]

    monkeypatch.setattr(command, "run", refusing)
    command.run_what_can_be_had(Settings(), command.Watch())
    assert [name for name, _ in tried] == shown
    assert [settings.recording is not None for _, settings in tried] == [name == "etw_processes" for name in shown]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(told)
    assert all(sentence in line for sentence, line in zip(told, lines, strict=True))
