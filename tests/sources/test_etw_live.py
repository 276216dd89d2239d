"""A live session of the real pywintrace over a fake Windows: the same as a replay, and whatever Windows answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.sources.etl_support import SAMPLES, Recorder, Seen, drain
from tests.sources.etw_records import replayed, set_clock
from tests.sources.etw_shim import FakeWindows, installed
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_decoding import guid_of
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.schema.etw_names import KERNEL_GROUPS

DEMO = Path(__file__).parents[2] / "probes" / "etw_processes" / "demo.etl"
PROCESS = "etw:Microsoft-Windows-Kernel-Process"
GROUPS = {group.group: group.name for group in KERNEL_GROUPS if group.name not in ("StackWalk", "EventTrace")}
WIDE = {1: 2, 2: 2, 3: 2, 4: 2, 16: 17, 17: 17, 10: 20, 11: 20, 20: 20, 21: 20, 18: 19, 19: 19, 15: 15}

pytestmark = pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning")       # pywintrace's thread calls it


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWindows]:
    with installed(monkeypatch) as fake:
        yield fake


def names_in(path: Path) -> list[str]:
    """Return attach names for all that a live session could have of a recording."""
    source = EtlSource(path)
    try:
        found = list(source.count().by_provider)
    finally:
        source.close()
    guids = [UUID(each) for each in found if guid_of(each) is not None]
    hooks = {int(each.removeprefix("hook="), 16) >> 8 for each in found if guid_of(each) is None and each != "other"}
    hooks |= {CLASSES[guid] for guid in guids if guid in CLASSES}
    kernel = [f"etw-kernel:{GROUPS[hook]}" for hook in sorted(hooks) if hook in GROUPS]
    return kernel + [f"etw:{guid}" for guid in guids if guid.int and guid not in CLASSES]


CLASSES = {UUID(group.guid): group.group for group in KERNEL_GROUPS}


def plain(seen: Seen) -> dict[str, Any]:
    """Return an event without what Windows does not tell of its header's kind."""
    fields = {name: getattr(seen, name) for name in Seen.__dataclass_fields__}
    kind = WIDE[seen.kind]
    return fields | {"kind": 2 if kind == 20 and seen.provider in CLASSES else kind}


def recorded(path: Path, names: list[str]) -> tuple[list[Seen], dict[str, Ledger]]:
    recorder = Recorder()
    source = EtlSource(path)
    try:
        source.open([LinkRequest(name, recorder.program, 96) for name in names])
        drain(source)
        return recorder.seen, {name: source.statistics()[name] for name in names}
    finally:
        source.close()
        recorder.free()


def lived(path: Path, names: list[str], windows: FakeWindows) -> tuple[list[Seen], dict[str, Ledger]]:
    recorder = Recorder()
    set_clock(windows, path)
    source = EtwSource(EtwOptions(include_self=True), 4096)
    try:
        source.open([LinkRequest(name, recorder.program, 96) for name in names])
        windows.play(next(iter(windows.sessions)), replayed(path, windows))
        source.stop()
        return recorder.seen, {name: source.statistics()[name] for name in names}
    finally:
        source.close()
        recorder.free()


RECORDINGS = [DEMO, *(sorted(SAMPLES.glob("*.etl")) if SAMPLES.is_dir() else [])]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_programs_see_live_what_they_see_in_a_recording(path: Path, windows: FakeWindows) -> None:
    """Every event of every known group and provider, in order: times, CPUs, threads, payloads, and the ledgers."""
    names = names_in(path)
    was, balance = recorded(path, names)
    now, live_balance = lived(path, names, windows)
    assert len(now) == len(was) > 0
    for before, after in zip(was, now, strict=True):
        assert plain(after) == plain(before)
    assert live_balance == balance
