"""The recording that ships with the package: made by this file, not captured on any machine.

Twenty seconds of a small Windows workstation: what runs already is listed, a user starts a browser and an editor, a
build runs compilers, a scheduled task fails. Names, order and layouts are those of Microsoft-Windows-Kernel-Process;
processes, times and numbers are invented. Byte for byte reproducible: `python -m tracerd.sources.demo FILE`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.process_events import (
    MEDIUM_LABEL,
    SYSTEM_LABEL,
    ProcessFacts,
    image_load,
    process_start,
    process_stop,
    thread_start,
)

KERNEL_PROCESS = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
START_NS = 1_767_225_600_000_000_000          # 2026-01-01 00:00:00 UTC
CPUS = 4

_FREQUENCY = 10_000_000
_START_TICKS = 36_000_000_000                 # an hour after boot
_SYSTEM32 = "\\Device\\HarddiskVolume3\\Windows\\System32\\"
_PROGRAMS = "\\Device\\HarddiskVolume3\\Program Files\\"
_BUILD = _PROGRAMS + "Microsoft Visual Studio\\2022\\MSBuild\\Current\\Bin\\amd64\\"
_COMPILER = _PROGRAMS + "Microsoft Visual Studio\\2022\\VC\\bin\\"
_CHROME = _PROGRAMS + "Google\\Chrome\\Application\\chrome.exe"
_SERVICE, _USER = 0, 1                        # sessions
_PROCESS, _THREAD, _IMAGE = 0x10, 0x20, 0x40  # keywords of the provider
_ANALYTIC = 16
_MODULES = ("ntdll.dll", "kernel32.dll", "KernelBase.dll", "ucrtbase.dll", "user32.dll", "rpcrt4.dll")


@dataclass(frozen=True, slots=True)
class _Row:
    """A process of the plan: times in ms from the start of the recording, None for "still running"."""

    pid: int
    parent: int
    image: str
    session: int
    start: int
    end: int | None = None
    exit_code: int = 0


RUNNING = (
    _Row(4, 0, "System", _SERVICE, -3_600_000),
    _Row(388, 4, _SYSTEM32 + "smss.exe", _SERVICE, -3_599_000),
    _Row(512, 388, _SYSTEM32 + "csrss.exe", _SERVICE, -3_597_500),
    _Row(588, 388, _SYSTEM32 + "wininit.exe", _SERVICE, -3_597_100),
    _Row(724, 588, _SYSTEM32 + "services.exe", _SERVICE, -3_596_700),
    _Row(744, 588, _SYSTEM32 + "lsass.exe", _SERVICE, -3_596_600),
    _Row(880, 724, _SYSTEM32 + "svchost.exe", _SERVICE, -3_596_000),
    _Row(1004, 724, _SYSTEM32 + "svchost.exe", _SERVICE, -3_595_500),
    _Row(1260, 724, _SYSTEM32 + "spoolsv.exe", _SERVICE, -3_593_000),
    _Row(2140, 588, _SYSTEM32 + "winlogon.exe", _USER, -3_400_000),
    _Row(3316, 2140, "\\Device\\HarddiskVolume3\\Windows\\explorer.exe", _USER, -3_380_000),
    _Row(4072, 3316, _SYSTEM32 + "cmd.exe", _USER, -120_000),
)
"""What ran before the recording began."""

_BROWSER = tuple(
    _Row(5200 + 44 * i, 5200 if i else 3316, _CHROME, _USER, 1_200 + 90 * i, 9_000 + 700 * i if i > 6 else None)
    for i in range(10)
)
_COMPILERS = tuple(
    _Row(7000 + 16 * i, 6824, _COMPILER + "cl.exe", _USER, 4_300 + 410 * i, 5_900 + 560 * i, 2 if i == 6 else 0)
    for i in range(9)
)

STARTED = (
    *_BROWSER,
    _Row(6100, 724, _SYSTEM32 + "svchost.exe", _SERVICE, 2_050, 17_900),
    _Row(6148, 6100, _SYSTEM32 + "taskhostw.exe", _USER, 2_400, 3_150),
    _Row(6408, 4072, _SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe", _USER, 3_000, 14_400, 1),
    _Row(6412, 6408, _SYSTEM32 + "conhost.exe", _USER, 3_020, 14_420),
    _Row(6824, 6408, _BUILD + "MSBuild.exe", _USER, 3_900, 13_600, 1),
    *_COMPILERS,
    _Row(7300, 6824, _COMPILER + "link.exe", _USER, 11_800, 13_100, 1120),
    _Row(7412, 6100, _SYSTEM32 + "schtasks.exe", _SERVICE, 12_500, 12_740, 0xC0000005),
    _Row(7420, 724, _SYSTEM32 + "WerFault.exe", _SERVICE, 12_760, 15_300),
    _Row(7500, 3316, _SYSTEM32 + "notepad.exe", _USER, 15_600),
    _Row(7520, 4072, _SYSTEM32 + "PING.EXE", _USER, 17_900, 19_950),
)
"""What starts while it runs; MSBuild's failed compiler is the reason for the exit codes above it."""


@dataclass(frozen=True, slots=True)
class _Event:
    """An event before it is written; sorted by time, then by the order in which the plan made it."""

    ns: int                      # from the start of the recording
    order: int
    event: int
    version: int
    opcode: int
    keyword: int
    pid: int                     # of the header: who caused it
    payload: bytes


class _Plan:
    """Turns rows into events. Sub-millisecond times come from a fixed generator, so that no two runs differ."""

    def __init__(self) -> None:
        self.events: list[_Event] = []
        self._state = 2463534242
        self._sequence: dict[int, int] = {}

    def rundown(self, row: _Row, number: int) -> None:
        facts = self._facts(row)
        self._add(number * 20_000, 15, 1, 0, _PROCESS, 0, process_start(facts))

    def life(self, row: _Row) -> None:
        begin = row.start * 1_000_000 + self._jitter()
        facts = replace(self._facts(row), started_ns=START_NS + begin)
        self._add(begin, 1, 3, 1, _PROCESS, row.parent, process_start(facts))
        for i in range(3):
            self._add(begin + 150_000 * (i + 1), 3, 1, 1, _THREAD, row.pid, thread_start(row.pid, row.pid + 4 * i + 4))
        for i, module in enumerate((facts.image, *(_SYSTEM32 + name for name in _MODULES))):
            self._add(begin + 70_000 * (i + 1), 5, 0, 0, _IMAGE, row.pid, image_load(row.pid, module))
        if row.end is not None:
            end = row.end * 1_000_000 + self._jitter()
            payload = process_stop(facts, START_NS + end, row.exit_code)
            self._add(end, 2, 2, 2, _PROCESS, row.pid, payload)

    def _facts(self, row: _Row) -> ProcessFacts:
        self._sequence[row.pid] = len(self._sequence) + 1
        return ProcessFacts(
            row.pid, row.parent, row.image, START_NS + row.start * 1_000_000, row.session, self._sequence[row.pid],
            self._sequence.get(row.parent, 0), SYSTEM_LABEL if row.session == _SERVICE else MEDIUM_LABEL,
        )

    def _add(self, ns: int, event: int, version: int, opcode: int, keyword: int, pid: int, payload: bytes) -> None:
        self.events.append(_Event(ns, len(self.events), event, version, opcode, keyword, pid, payload))

    def _jitter(self) -> int:
        """Return 0 to 1 ms, in whole clock ticks (xorshift32)."""
        state = self._state
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        self._state = state
        return state % 10_000 * 100


def write_demo(path: Path) -> None:
    """Write the recording: 12 processes listed, 29 started, 4 CPUs, 8 KiB buffers."""
    plan = _Plan()
    for number, row in enumerate(RUNNING):
        plan.rundown(row, number)
    for row in STARTED:
        plan.life(row)
    with EtlWriter(
        path, cpus=CPUS, buffer_size=8192, frequency=_FREQUENCY, start_ns=START_NS, start_ticks=_START_TICKS,
        name="tracerd-demo-made-not-captured",
    ) as writer:
        for event in sorted(plan.events, key=lambda each: (each.ns, each.order)):
            writer.manifest_event(
                _START_TICKS + event.ns // 100, KERNEL_PROCESS, event.event, event.payload,
                cpu=event.pid // 4 % CPUS, version=event.version, channel=_ANALYTIC, opcode=event.opcode,
                task=event.event, keyword=event.keyword | 1 << 63, pid=event.pid, tid=event.pid + 4, flags=0x240,
            )


if __name__ == "__main__":
    write_demo(Path(sys.argv[1]))
