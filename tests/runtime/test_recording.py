"""Recording: what is in the file and what is not, to the event, however the recording ends."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.cli.test_commands import DEMO
from tests.sources.live import need_live_events
from tests.sources.trec_support import LETTER, PLAIN, Given, drain, record, replay
from tracerd.clock import FARTHEST_NS
from tracerd.config import Probe
from tracerd.errors import ConfigError, SourceError
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.runtime.recorded_events import Plan, plan_file, plan_sources
from tracerd.runtime.recording import Recording, RecordOptions, Summary
from tracerd.snapshot import Ledger
from tracerd.sources.choose import LiveOptions
from tracerd.sources.trec.format import Codec
from tracerd.sources.trec.reader import Reader
from tracerd.sources.trec.recorder import Filter
from tracerd.sources.trec.source import TrecSource
from tracerd.sources.trec.writer import TrecWriter

CALLS = 200_000
KINDS = ("jit", "interpreter")


def cut(path: Path, options: RecordOptions, *names: str, spoil: Callable[[], None] = lambda: None) -> Summary:
    """Record a recording again to its end; `spoil` is called once the file is there."""
    with Recording(plan_file(path, names), options) as recording:
        recording.start()
        spoil()
        recording.wait(60)
        return recording.stop()


def many(count: int) -> list[Given]:
    """Return events that do not compress to nothing."""
    return [Given(now_ns=n, context=os.urandom(400)) for n in range(count)]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 12,000 events in several MiB."""
    return record(tmp_path_factory.mktemp("large") / "large.trec", [many(3000) for _ in range(4)])


def test_recording_a_recording_changes_nothing(tmp_path: Path, large: Path) -> None:
    """All events, tasks, times and contexts, with another codec and other blocks; and what had been lost before."""
    lossy = record(tmp_path / "lossy.trec", [[Given(), Given(1, payload=b"x")]], lost=9)
    for source in (large, lossy):
        summary = cut(source, RecordOptions(tmp_path / "b.trec", Codec.NONE, force=True))
        again, first = replay(tmp_path / "b.trec"), replay(source)
        assert again.seen == first.seen
        assert sum(row.lost for row in again.ledger.values()) == sum(row.lost for row in first.ledger.values())
        assert all(row.missing == 0 for row in summary.ledger.values())


def test_a_cut_by_time_and_event(tmp_path: Path) -> None:
    """Only the chosen event is in the file, and says so when asked for the others."""
    source = record(tmp_path / "a.trec", [[Given(now_ns=n) for n in range(10)] + [Given(1, now_ns=5)]])
    summary = cut(source, RecordOptions(tmp_path / "b.trec", keep=Filter(3, 6)), PLAIN.name)
    assert [each.now_ns for each in replay(tmp_path / "b.trec", (PLAIN.name,)).seen] == [3, 4, 5, 6]
    assert (summary.events, summary.ledger[PLAIN.name].filtered) == (4, 6)
    with pytest.raises(SourceError, match="which has: tracepoint:test:plain"):
        replay(tmp_path / "b.trec")


def test_a_recording_ends_when_the_file_is_full(tmp_path: Path, large: Path) -> None:
    """The file is never larger than asked for (but for its last block); what did not fit is filtered, to the event."""
    most = 1 << 20
    summary = cut(large, RecordOptions(tmp_path / "b.trec", size=most))
    assert summary.full
    assert summary.error is None
    assert summary.bytes <= most + 1000
    row = summary.ledger[PLAIN.name]
    assert (row.missing, row.delivered) == (0, summary.events)
    result = replay(tmp_path / "b.trec")
    assert len(result.seen) == summary.events
    assert (result.ledger[PLAIN.name].lost, row.dropped_in_ring) == (0, 0)     # what came after the end is filtered
    assert row.filtered > 0


def test_a_full_disk_ends_the_recording_in_order(tmp_path: Path, large: Path) -> None:
    """One sentence, the ledger, and a file that is a whole recording of what found room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        options = RecordOptions(tmp_path / "b.trec")
        limit = (1_500_000, before[1])
        summary = cut(large, options, spoil=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(summary.error) == f"{tmp_path / 'b.trec'}: recording ended: File too large"
    assert summary.ledger[PLAIN.name].missing == 0
    result = replay(tmp_path / "b.trec")
    assert 0 < len(result.seen) == summary.events < 12_000
    dropped = summary.ledger[PLAIN.name].dropped_in_ring
    assert (result.ledger[PLAIN.name].dropped_in_ring, result.ledger[PLAIN.name].lost) == (dropped, 0)
    assert dropped > 0


def test_a_writer_that_fails_unexpectedly_keeps_nobody_waiting(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording waits for room: if the thread that makes it were gone, for ever."""
    def out_of_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(TrecWriter, "events_block", out_of_memory)
    summary = cut(large, RecordOptions(tmp_path / "b.trec", blocks=2))
    assert str(summary.error) == "recorder: cannot write: MemoryError()"
    assert summary.ledger[PLAIN.name].missing == 0


def test_a_disk_that_is_full_from_the_start_leaves_no_file(tmp_path: Path, large: Path) -> None:
    """What cannot even be begun is refused, and nothing is left behind."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        with pytest.raises(SourceError, match="File too large"):
            cut(large, RecordOptions(tmp_path / "b.trec"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "b.trec").exists()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, large: Path) -> None:
    """Only with `force`."""
    path = tmp_path / "b.trec"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="exists; --force"):
        cut(large, RecordOptions(path))
    assert path.read_text() == "precious"
    cut(large, RecordOptions(path, force=True))
    assert len(replay(path).seen) == 12_000


@pytest.mark.parametrize("name", ["itself", "symbolic", "hard", "roundabout"])
@pytest.mark.parametrize("kind", ["trec", "etl", "source"])
def test_what_is_read_is_not_written_over(tmp_path: Path, kind: str, name: str) -> None:
    """Its name, a link to it or a way around: it would be gone, whatever became of the recording. Nothing changes."""
    path = record(tmp_path / "a.trec", [[Given()]]) if kind == "trec" else tmp_path / "a.etl"
    if kind != "trec":
        path.write_bytes(DEMO.read_bytes())
    output = tmp_path / "other" if name in ("symbolic", "hard") else path
    if name == "symbolic":
        output.symlink_to(path)
    elif name == "hard":
        output.hardlink_to(path)
    elif name == "roundabout":
        (tmp_path / "folder").mkdir()
        output = tmp_path / "folder" / ".." / path.name
    before, files = path.read_bytes(), sorted(tmp_path.iterdir())
    for force in (True, False):
        plan = plan_sources([f"etl:{path}"], LiveOptions()) if kind == "source" else plan_file(path, [])
        with Recording(plan, RecordOptions(output, force=force)) as recording, pytest.raises(ConfigError) as refused:
            recording.start()
        assert str(refused.value) == f"-o: {output} is what is read: write to another file"
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == (before, files)


def test_a_copy_of_what_is_read_may_be_written_over(tmp_path: Path, large: Path) -> None:
    """It is the file that counts, not its bytes or its name."""
    copy = tmp_path / large.name
    copy.write_bytes(large.read_bytes())
    cut(large, RecordOptions(copy, force=True, keep=Filter(until_ns=9)))
    assert len(replay(copy).seen) == 4 * 10


@pytest.mark.parametrize("wrong", [{"clock_offset_ns": FARTHEST_NS + 1}, {"cpus": 0}, {"tracerd": "é"}])
def test_what_nobody_could_read_is_refused_before_a_file_is_made(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    """One sentence; the file that was there is there, and no other is made."""
    meant = Plan.meta
    monkeypatch.setattr(Plan, "meta", lambda plan: structs.replace(meant(plan), **wrong))
    old = tmp_path / "old"
    old.write_text("precious")
    for path in (old, tmp_path / "new"):
        with pytest.raises(SourceError, match="is not made: what it would say of its events makes no sense"):
            cut(large, RecordOptions(path, force=True))
    assert [each.read_text() for each in tmp_path.iterdir()] == ["precious"]


def test_a_ledger_that_nobody_could_read_is_not_written(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events are a recording all the same, whose end is not known; the sentence says so."""
    monkeypatch.setattr(TrecSource, "statistics", lambda _: {PLAIN.name: Ledger(1 << 63, 0), LETTER.name: Ledger(0, 0)})
    summary = cut(large, RecordOptions(tmp_path / "b.trec"))
    monkeypatch.undo()
    assert str(summary.error) == f"{tmp_path / 'b.trec'}: has no end: the ledger of its events makes no sense"
    result = replay(tmp_path / "b.trec")
    assert len(result.seen) == 12_000
    assert "has no end" in result.file.via


def test_a_file_that_took_a_device_s_place_is_not_written_over(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns the folder may exchange a link between the look and the opening: root would write where it says."""
    precious, link, opened = tmp_path / "precious", tmp_path / "link.trec", os.open
    precious.write_text("precious")
    link.symlink_to(os.devnull)

    def exchanged(path: Path, *how: int) -> int:
        if path == link:
            link.unlink()
            link.symlink_to(precious)
        return opened(path, *how)

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(ConfigError, match="exchanged"):
        cut(large, RecordOptions(link, force=True))
    assert precious.read_text() == "precious"


def test_a_recording_is_its_owners(tmp_path: Path, large: Path) -> None:
    """Command lines and payloads are nobody else's business."""
    cut(large, RecordOptions(tmp_path / "b.trec"))
    assert stat.S_IMODE((tmp_path / "b.trec").stat().st_mode) == 0o600


def test_what_does_not_go_into_one_recording_is_refused() -> None:
    """Two files, a file and live events, or nothing at all."""
    for names in (["etl:a.etl", "etl:b.etl"], ["etl:a.etl", "process:start"]):
        with pytest.raises(ConfigError, match="one clock"):
            plan_sources(names, LiveOptions())
    with pytest.raises(ConfigError, match="nothing to record"):
        plan_sources(["interval:5s", "begin"], LiveOptions())


def dd(count: int) -> list[str]:
    return ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={count}", "status=none"]


@pytest.mark.xdist_group("perf")
def test_a_live_recording_replays_as_it_was_counted(tmp_path: Path) -> None:
    """`dd bs=1 count=N` makes N reads and N writes: they are in the file or in the ledger, and in every replay.

    Three runs on each engine give the same bytes in every map.
    """
    need_live_events()
    path, probe = tmp_path / "live.trec", locate("syscalls")
    with Recording(plan_sources([name for _, name in probe.attach], LiveOptions()), RecordOptions(path)) as recording:
        recording.start()
        with subprocess.Popen(dd(CALLS)) as process:
            assert process.wait() == 0
        summary = recording.stop()
    assert all(row.missing == 0 for row in summary.ledger.values())
    assert summary.bytes / summary.events <= 25
    lost = sum(row.lost + row.dropped_in_ring for row in summary.ledger.values())
    bytes_of_maps = set()
    for engine in KINDS * 3:
        calls, maps = _replayed(probe, path, engine, process.pid)
        bytes_of_maps.add(maps)
        assert all(CALLS - lost <= calls[name] <= CALLS + 10 for name in ("read", "write"))
    assert len(bytes_of_maps) == 1


def _replayed(probe: Probe, path: Path, engine: str, pid: int) -> tuple[dict[str, int], bytes]:
    with Session(Settings(recording=path, engine=engine, wait_for_code=True)) as session:      # type: ignore[arg-type]
        session.add(probe)
        session.start()
        assert session.wait(60)
        final = session.stop()
        (_, table) = session.tables(final)[0]
    assert all(row.missing == 0 for row in final.ledger.values())
    maps = [each for maps in final.maps.values() for each in maps.values()]
    rows = {str(row["syscall"]): row["count"] for row in table.rows() if row["pid"] == pid}
    return rows, b"".join(each.keys.tobytes() + each.values.tobytes() for each in maps)    # type: ignore[return-value]


@pytest.mark.xdist_group("perf")
def test_polled_and_traced_events_go_into_one_recording(tmp_path: Path) -> None:
    """Two sources with a pump thread each: processes with their command lines, system calls, what the machine does."""
    need_live_events()
    names = ["process:start", "process:exit", "syscall:openat:enter", "system:sample"]
    path = tmp_path / "both.trec"
    with Recording(plan_sources(names, LiveOptions()), RecordOptions(path)) as recording:
        recording.start()
        subprocess.run(["sleep", "0.4321"], check=True)
        recording.wait(1.5)
        summary = recording.stop()
    assert summary.error is None
    assert all(row.missing == 0 for row in summary.ledger.values())
    with closing(TrecSource(path)) as source:
        source.open([])
        drain(source)
        counts = source.counts()
    with closing(Reader(path)) as reader:
        data = b"".join(batch.data for batch in reader.batches())
    assert sum(counts.values()) == summary.events
    assert all(counts[name] for name in ("process:start", "process:exit", "system:sample"))
    assert counts["tracepoint:syscalls:sys_enter_openat"]
    assert b"sleep\x000.4321\0" in data
