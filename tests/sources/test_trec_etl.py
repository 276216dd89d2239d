"""A `.etl` and the `.trec` recorded from it are the same events: same contexts, same maps, same counts by name."""

from __future__ import annotations

import json
import struct
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from tests.sources.etl_support import SAMPLES, Recorder, Seen, walk
from tests.sources.test_etl_walk import KERNEL_PROCESS, OTHER, WIDE, write
from tests.sources.trec_support import drain
from tracerd.clock import FARTHEST_NS, filetime
from tracerd.config import Engine, Probe
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.runtime.recorded_events import plan_file
from tracerd.runtime.recording import Recording, RecordOptions
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.etw_names import KERNEL_GROUPS, PROVIDERS
from tracerd.sources.trec.source import TrecSource

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "probes" / "etw_processes" / "demo.etl"
TIMED = ROOT / "tests" / "runtime" / "objects" / "timed.bpf.o"
TABLE = json.loads((SAMPLES / "samples.json").read_text()) if SAMPLES.is_dir() else []
FILES = [DEMO, *(SAMPLES / row["file"] for row in TABLE if not row["compressed"])]
NAMES = (
    *(f"etw:{provider.name}" for provider in PROVIDERS),
    *(f"etw-kernel:{group.name}" for group in KERNEL_GROUPS),
    *(f"etw-kernel:{group.name}:{event}" for group in KERNEL_GROUPS for event in group.events),
    "etw:Microsoft-Windows-Kernel-Process:ProcessStart",
)


def to_trec(etl: Path, folder: Path, *names: str) -> Path:
    """Record a file, or the events of these names."""
    path = folder / "recorded.trec"
    with Recording(plan_file(etl, names), RecordOptions(path, force=True)) as recording:
        recording.start()
        recording.wait(60)
        summary = recording.stop()
    assert summary.error is None
    assert all(row.missing == 0 for row in summary.ledger.values())
    return path


def replayed(path: Path, *names: str) -> tuple[list[Seen], dict[str, int]]:
    """Return what a program linked to these names sees of a .trec, and the count of each."""
    recorder = Recorder()
    with closing(TrecSource(path)) as source:
        source.open([LinkRequest(name, recorder.program, 96) for name in names])
        drain(source)
        counts = {name: source.statistics()[name].delivered for name in names}
    recorder.free()
    return recorder.seen, counts


@pytest.mark.parametrize("etl", FILES, ids=lambda path: path.name)
def test_programs_see_the_same_events(tmp_path: Path, etl: Path) -> None:
    """Every field of every context, the payload, and who, when and where of the run."""
    assert replayed(to_trec(etl, tmp_path), "etl:any.etl")[0] == walk(etl)


@pytest.mark.parametrize("etl", FILES, ids=lambda path: path.name)
def test_names_find_the_same_events(tmp_path: Path, etl: Path) -> None:
    """By provider, kernel group, class, id and opcode: each name alone sees what it sees in the .etl."""
    path = to_trec(etl, tmp_path)
    for name in NAMES:
        assert replayed(path, name)[0] == walk(etl, name)


def test_a_cut_by_name_has_what_the_name_finds(tmp_path: Path) -> None:
    """Recording only some names leaves the others out, from the .etl and from a .trec of it alike."""
    name = "etw:Microsoft-Windows-Kernel-Process:ProcessStart"
    wanted = walk(DEMO, name)
    assert replayed(to_trec(DEMO, tmp_path, name), "etl:any.etl")[0] == wanted
    whole = to_trec(DEMO, tmp_path).rename(tmp_path / "whole.trec")
    assert replayed(to_trec(whole, tmp_path, name), "etl:any.etl")[0] == wanted


def run(probe: Probe, recording: Path, engine: Engine) -> SessionSnapshot:
    """Run a probe over a recording to its end."""
    with Session(Settings(recording=recording, engine=engine, wait_for_code=True)) as session:
        session.add(probe)
        session.start()
        assert session.wait(60)
        return session.stop()


def map_bytes(snapshot: SessionSnapshot) -> dict[str, tuple[bytes, bytes]]:
    """Return all maps' keys and values as bytes."""
    return {
        each.name: (each.keys.tobytes(), each.values.tobytes())
        for maps in snapshot.maps.values()
        for each in maps.values()
    }


@pytest.mark.parametrize("etl", FILES, ids=lambda path: path.name)
def test_maps_are_byte_identical_on_every_run_and_engine(tmp_path: Path, etl: Path) -> None:
    """The process probe over the .etl, and three times on each engine over its .trec."""
    probe, path = locate("etw_processes"), to_trec(etl, tmp_path)
    direct = map_bytes(run(probe, etl, "interpreter"))
    engines: tuple[Engine, ...] = ("jit", "interpreter")
    for engine in engines:
        for _ in range(3):
            assert map_bytes(run(probe, path, engine)) == direct


def test_timed_programs_tick_the_same_over_both(tmp_path: Path) -> None:
    """Begin, intervals between the events, end: the walker and the feed drive the same clock."""
    attach = (("on_begin", "begin"), ("on_end", "end"), ("on_tick", "interval:1s"))
    path = to_trec(DEMO, tmp_path)
    probe = Probe("timed", TIMED, "auto", (*attach, ("on_event", "etw:Microsoft-Windows-Kernel-Process")), ())
    direct, again = run(probe, DEMO, "jit"), run(probe, path, "jit")
    assert map_bytes(direct) == map_bytes(again)
    assert direct.ledger["interval:1s"] == again.ledger["interval:1s"]
    assert direct.ledger["interval:1s"].delivered > 10


def test_what_the_etl_lost_is_told_by_the_trec(tmp_path: Path) -> None:
    """Events lost by the Windows session are lost in the replay of its .trec too."""
    lossy, provider = tmp_path / "lossy.etl", UUID(PROVIDERS[0].guid)
    with EtlWriter(lossy, events_lost=11) as writer:
        writer.manifest_event(1_000_001, provider, 1, b"start")
    with closing(TrecSource(to_trec(lossy, tmp_path))) as source:
        source.open([])
        drain(source)
        assert source.statistics()[f"trec:{tmp_path / 'recorded.trec'}"].lost == 11


def spoiled(folder: Path, start_time: int | None, start_ticks: int | None = None, clock: int = 1) -> Path:
    """Return the shipped recording with another start in its header; None: as it is."""
    data = bytearray(DEMO.read_bytes())
    assert struct.unpack_from("<qI", data, 368) == (filetime(1_767_225_600 * 10**9), 1)
    if start_time is not None:
        struct.pack_into("<q", data, 368, start_time)
    if start_ticks is not None:
        struct.pack_into("<q", data, 72 + 16, start_ticks)
    struct.pack_into("<I", data, 376, clock)
    path = folder / "spoiled.etl"
    path.write_bytes(data)
    return path


FAR = FARTHEST_NS
STARTS = [
    (None, None), (0, None), (-1, None), (1 << 63, None), ((1 << 63) - 1, None), (filetime(-100), None),
    (filetime(0), None), (filetime(FAR), None), (filetime(FAR + 1000), None), (None, 1 << 63), (None, -1),
    (None, (1 << 63) - 1), (filetime(0), -FAR // 100), (filetime(FAR), -1), (0, 1 << 63), (0, (1 << 63) - 1),
]  # fmt: skip


@pytest.mark.parametrize("clock", [1, 2, 3])
@pytest.mark.parametrize(("start_time", "start_ticks"), STARTS)
def test_whatever_a_header_says_of_its_start_the_recording_can_be_read(
    tmp_path: Path, start_time: int | None, start_ticks: int | None, clock: int
) -> None:
    """Same events and same balance as the .etl, and the same clock."""
    signed = [each - (1 << 64) if each is not None and each >= 1 << 63 else each for each in (start_time, start_ticks)]
    etl = spoiled(tmp_path, *signed, clock=clock)
    path = to_trec(etl, tmp_path)
    assert replayed(path, "etl:any.etl")[0] == walk(etl)
    with closing(EtlSource(etl)) as source, closing(TrecSource(path)) as again:
        assert again.clock_offset_ns == source.clock_offset_ns
        assert again.reader.meta.machine.recorded_ns == source.facts().start_ns
        again.open([])
        assert drain(again) == source.count().events == 353


@pytest.mark.parametrize("start_time", [0, -1, filetime(-100), filetime(FAR + 1000), (1 << 63) - 1])
def test_a_start_that_is_nobody_s_unix_time_is_not_known(tmp_path: Path, start_time: int) -> None:
    """Times of events are then those of the recording's own clock, an hour after the boot and later, as they passed."""
    sound, path = walk(DEMO), spoiled(tmp_path, start_time)
    with closing(EtlSource(path)) as source:
        facts = source.facts()
        assert (facts.start_ns, facts.seconds, source.clock_offset_ns) == (0, 0, 0)
    offset = sound[0].time_ns - 3_600 * 10**9
    assert [each.time_ns for each in walk(path)] == [each.time_ns - offset for each in sound]


@pytest.mark.parametrize("start_ticks", [1 << 62, -(1 << 63)])
def test_a_clock_that_cannot_be_does_not_spoil_a_good_start(tmp_path: Path, start_ticks: int) -> None:
    """Unix times count from the start; only how far the clock is off from them is not known."""
    with closing(EtlSource(spoiled(tmp_path, None, start_ticks))) as source:
        assert source.facts().start_ns == 1_767_225_600 * 10**9
        assert source.clock_offset_ns == 0


def test_a_start_that_clocks_may_have_is_believed(tmp_path: Path) -> None:
    """The first moment of 1970, and the last of what a recording can say."""
    for unix_ns in (0, FAR // 100 * 100):
        with closing(EtlSource(spoiled(tmp_path, filetime(unix_ns)))) as source:
            assert source.facts().start_ns == unix_ns
            assert source.clock_offset_ns == unix_ns - 3_600 * 10**9


def test_a_trec_of_half_an_etl_says_so_and_its_copies_do(tmp_path: Path) -> None:
    """What the first recording said is in each that is made of it, as it is; a long path is cut at its start."""
    etl = tmp_path / "half.etl"
    with EtlWriter(etl, buffer_size=1024) as writer:
        for number in range(100):
            writer.manifest_event(1_000_001 + number, OTHER, 1, bytes(100))
    data = etl.read_bytes()
    etl.write_bytes(data[: 5 * 1024])
    missing = len(data) // 1024 - 5
    name = f"etl:{etl}" if len(f"etl:{etl}") <= 80 else f"...{str(etl)[-77:]}"
    first = to_trec(etl, tmp_path).rename(tmp_path / "first.trec")
    second = to_trec(first, tmp_path).rename(tmp_path / "second.trec")
    for path in (first, second, to_trec(second, tmp_path)):
        with closing(TrecSource(path)) as source:
            source.open([])
            drain(source)
            row = source.statistics()[f"trec:{path}"]
        assert row.via == f"recorded from {name}: missing buffers: {missing} that its header counts"


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize("pointer_size", [4, 8])
def test_every_kind_of_header_is_matched_alike(tmp_path: Path, kind: str, pointer_size: int) -> None:
    """What the walker reads from a header, the replay reads from the context: by provider, hook, id or opcode."""
    etl = tmp_path / "made.etl"
    with EtlWriter(etl, pointer_size=pointer_size) as writer:
        write(writer, kind, 1_000_001, b"payload")
    path = to_trec(etl, tmp_path)
    for name in ("etl:any.etl", f"etw:{OTHER}", f"etw:{OTHER}:2", f"etw:{OTHER}:3", f"etw:{KERNEL_PROCESS}:2"):
        assert replayed(path, name)[0] == walk(etl, name)
