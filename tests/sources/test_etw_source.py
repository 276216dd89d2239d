"""The source of live ETW events, as the runtime uses it: links that change, probes, recordings, decoded events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.sources.etl_support import SAMPLES, Recorder, drain, needs_samples
from tests.sources.etw_records import replayed, set_clock
from tests.sources.etw_shim import FakeWindows, installed
from tracerd.errors import ConfigError, SourceError
from tracerd.runtime.live import LiveSources
from tracerd.runtime.locate import locate
from tracerd.runtime.recorded_events import plan_sources
from tracerd.runtime.recording import Recording, RecordOptions
from tracerd.runtime.session import Session, Settings
from tracerd.sources.base import LinkRequest
from tracerd.sources.choose import LiveOptions
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_decoding import EtlDecoding, Selection
from tracerd.sources.etw.plan import profile_names
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.etw_decoder import EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.etw_names import KERNEL_GROUPS
from tracerd.sources.trec.source import TrecSource

pytestmark = pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning")       # pywintrace's thread calls it

DEMO = Path(__file__).parents[2] / "probes" / "etw_processes" / "demo.etl"
START, STOP = ("etw:Microsoft-Windows-Kernel-Process:" + event for event in ("ProcessStart", "ProcessStop"))
PROCESS_GUID = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716").bytes_le
EVERYTHING = LiveOptions(etw=EtwOptions(include_self=True))


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWindows]:
    monkeypatch.setattr("tracerd.sources.choose.cpu_slots", lambda: 64)
    monkeypatch.setattr("tracerd.runtime.live.cpu_slots", lambda: 64)
    with installed(monkeypatch) as fake:
        set_clock(fake, DEMO)
        yield fake


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.free()


def test_a_probe_collects_live_what_it_collects_in_a_replay(windows: FakeWindows) -> None:
    """The same maps, shown as the same tables, and the same ledgers."""
    with Session(Settings(recording=DEMO)) as session:
        session.add(locate("etw_processes"))
        session.start()
        assert session.wait(60)
        replay = session.stop()
        replayed_tables = [table.rows() for _, table in session.tables(replay)]
    with Session(Settings(live=EVERYTHING)) as session:
        session.add(locate("etw_processes"))
        session.start()
        windows.play("tracerd", replayed(DEMO, windows))
        live = session.stop()
        tables = [table.rows() for _, table in session.tables(live)]
    assert tables == replayed_tables
    assert any(tables)
    names = [name for name in replay.ledger if not name.startswith("etl:")]
    assert {name: live.ledger[name] for name in names} == {name: replay.ledger[name] for name in names}


def test_only_what_the_links_need_is_enabled(windows: FakeWindows, recorder: Recorder) -> None:
    """Keywords, levels and ids of all links together; when one goes, less."""
    sources = LiveSources(EVERYTHING, lambda: None)
    start, stop = (LinkRequest(name, recorder.program, 96) for name in (START, STOP))
    try:
        sources.relink([start, stop])
        assert windows.sessions["tracerd"].enabled == {PROCESS_GUID: (4, 0x10, (1, 2))}
        sources.relink([stop])
        assert windows.sessions["tracerd"].enabled == {PROCESS_GUID: (4, 0x10, (2,))}
        kernel = LinkRequest("etw-kernel:Process", recorder.program, 96)
        sources.relink([kernel])
        assert set(windows.sessions) == {"tracerd-kernel"}
        session = windows.sessions["tracerd-kernel"]
        assert (session.flags, session.mode & 0x02000000, session.clock) == (1, 0x02000000, 1)
        assert session.guid != bytes(16)
        sources.relink([kernel, LinkRequest("etw-kernel:Image", recorder.program, 96)])
        assert windows.sessions["tracerd-kernel"].flags == 5
        sources.relink([])
        assert not windows.sessions
    finally:
        sources.close()


def test_links_that_stay_keep_their_counts(windows: FakeWindows, recorder: Recorder) -> None:
    """And those that go leave their ledger behind; one that comes again goes on from it."""
    sources = LiveSources(EVERYTHING, lambda: None)
    start, stop = (LinkRequest(name, recorder.program, 96) for name in (START, STOP))
    try:
        sources.relink([start, stop])
        _play(windows)
        once = sources.ledger()
        sources.relink([stop])
        _play(windows)
        sources.relink([start, stop])
        _play(windows)
        assert once[START].delivered > 0
        assert sources.counts(stop) == (3 * once[STOP].delivered, 0)
        assert sources.counts(start) == (once[START].delivered, 0)
        ledger = sources.ledger()
        assert ledger[START].delivered == 2 * once[START].delivered
        assert ledger[STOP].delivered == 3 * once[STOP].delivered
    finally:
        sources.close()


def test_no_program_runs_between_two_turns_of_the_pump(windows: FakeWindows, recorder: Recorder) -> None:
    """The daemon relies on it where it exchanges a running map's memory; the events wait in Windows' buffers."""
    sources = LiveSources(EVERYTHING, lambda: None)
    start = LinkRequest(START, recorder.program, 96)
    try:
        sources.relink([start])
        with sources.parked():
            before = sources.counts(start)
            windows.play("tracerd", replayed(DEMO, windows))
            time.sleep(0.05)
            assert sources.counts(start) == before == (0, 0)
        windows.played("tracerd")
        assert sources.counts(start)[0] > 0
    finally:
        sources.close()


def test_a_change_that_windows_refuses_changes_nothing(windows: FakeWindows, recorder: Recorder) -> None:
    sources = LiveSources(EVERYTHING, lambda: None)
    start = LinkRequest(START, recorder.program, 96)
    dns = LinkRequest("etw:Microsoft-Windows-DNS-Client", recorder.program, 96)
    windows.refused_providers[UUID("1c95126e-7eea-49a9-a3fe-a378b03ddb4d").bytes_le] = 87
    try:
        sources.relink([start])
        before = dict(windows.sessions["tracerd"].enabled)
        with pytest.raises(SourceError, match="DNS-Client"):
            sources.relink([start, dns])
        assert windows.sessions["tracerd"].enabled == before
        _play(windows)
        assert sources.counts(start)[0] > 0
    finally:
        sources.close()


def test_a_session_that_died_is_opened_again(windows: FakeWindows, recorder: Recorder) -> None:
    """With the links it had: the daemon asks for that."""
    sources = LiveSources(EVERYTHING, lambda: None)
    start = LinkRequest(START, recorder.program, 96)
    try:
        sources.relink([start])
        windows.remove("tracerd")
        deadline = time.monotonic() + 60
        while not sources.failed() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "somebody stopped it" in sources.failed()["etw"]
        assert sources.revive() == ["etw"]
        _play(windows)
        assert sources.counts(start)[0] > 0
    finally:
        sources.close()


def _play(windows: FakeWindows) -> None:
    windows.play("tracerd", replayed(DEMO, windows))
    windows.played("tracerd")


def test_an_unknown_provider_is_a_sentence(windows: FakeWindows, recorder: Recorder) -> None:
    source = EtwSource(EtwOptions(), 4)
    with pytest.raises(ConfigError, match="unknown provider 'No-Such'"):
        source.open([LinkRequest("etw:No-Such", recorder.program, 96)])
    assert not windows.sessions


@needs_samples
@pytest.mark.parametrize("sample", ["perfview_SelfDescribingSingleEvent", "perfview_primitive-types"])
def test_events_that_describe_themselves_are_decoded_live(windows: FakeWindows, sample: str) -> None:
    """Schema and traits come as extended items of the record: the text is that of the recording."""
    path = SAMPLES / f"{sample}.etl"
    set_clock(windows, path)
    guids = [each for each in _providers(path) if UUID(each).int]
    recorded, _ = _decoded(EtlSource(path), guids, lambda source: drain(source))
    live, described = _decoded(EtwSource(EtwOptions(include_self=True), 64), guids, lambda _: _live(windows, path))
    assert live == recorded
    assert described > 0


def _providers(path: Path) -> list[str]:
    with closing(EtlSource(path)) as source:
        return [each for each in source.count().by_provider if "=" not in each and each not in CLASSES]


CLASSES = {group.guid for group in KERNEL_GROUPS}


def _live(windows: FakeWindows, path: Path) -> None:
    windows.play("tracerd", replayed(path, windows))


def _decoded(source: Any, guids: list[str], flow: Callable[[Any], object]) -> tuple[bytes, int]:
    """Return the text of a source's events, and how many described themselves."""
    schemas = EtwSchemas()
    decoder = EtwDecoder(schemas, "json")
    try:
        source.open([LinkRequest(f"etw:{guid}", decoder.program, 96) for guid in guids])
        flow(source)
        source.stop()
        return decoder.take(), decoder.counts().self_described
    finally:
        source.close()
        decoder.close()
        schemas.close()


def test_a_profile_is_recorded(windows: FakeWindows, tmp_path: Path) -> None:
    """`record etw --profile process`: its providers with its keywords and level, and the kernel groups."""
    path = tmp_path / "live.trec"
    options = LiveOptions(etw=EtwOptions(profile="process", include_self=True))
    with Recording(plan_sources(profile_names("process"), options), RecordOptions(path)) as recording:
        recording.start()
        assert windows.sessions["tracerd"].enabled == {PROCESS_GUID: (4, 0x50, ())}
        assert windows.sessions["tracerd-kernel"].flags == 0x1 | 0x4
        _play(windows)
        summary = recording.stop()
    with closing(EtlDecoding(DEMO, Catalog(), Selection(profiles=("process",)))) as decoding:
        assert sum(1 for piece in decoding.pieces("json") for _ in piece.splitlines()) == summary.events > 100
    source = TrecSource(path)
    assert {event.name for event in source.reader.meta.events} == set(profile_names("process"))
    source.close()
