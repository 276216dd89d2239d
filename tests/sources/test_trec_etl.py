"""A `.etl` and the `.trec` recorded from it are the same events: same contexts, same maps, same counts by name."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from tests.sources.etl_support import SAMPLES, Recorder, Seen, walk
from tests.sources.test_etl_walk import KERNEL_PROCESS, OTHER, WIDE, write
from tests.sources.trec_support import drain
from tracerd.config import Engine, Probe
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.runtime.recorded_events import plan_file
from tracerd.runtime.recording import Recording, RecordOptions
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.sources.base import LinkRequest
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
