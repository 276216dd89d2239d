"""The shipped recording: made by our writer, the same on every machine, and plausible."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.sources.etl_support import walk
from tracerd.sources.demo import RUNNING, STARTED, write_demo
from tracerd.sources.etl import EtlSource

DEMO = Path(__file__).parents[2] / "probes" / "etw_processes" / "demo.etl"
PROCESS = "etw:Microsoft-Windows-Kernel-Process"


def test_the_shipped_recording_is_what_its_source_makes(tmp_path: Path) -> None:
    """Byte for byte: nothing in it depends on machine, time or Python's random numbers."""
    write_demo(tmp_path / "demo.etl")
    assert (tmp_path / "demo.etl").read_bytes() == DEMO.read_bytes()


def test_it_lists_starts_and_stops_as_planned() -> None:
    """Every process of the plan is in it, with its parent, and stops when and how the plan says."""
    starts = [struct.unpack_from("<I", seen.payload)[0] for seen in walk(DEMO, f"{PROCESS}:ProcessStart")]
    listed = [struct.unpack_from("<I", seen.payload)[0] for seen in walk(DEMO, f"{PROCESS}:ProcessRundown")]
    stops = {
        struct.unpack_from("<I", seen.payload)[0]: struct.unpack_from("<I", seen.payload, 28)[0]
        for seen in walk(DEMO, f"{PROCESS}:ProcessStop")
    }
    assert sorted(starts) == sorted(row.pid for row in STARTED)
    assert listed == [row.pid for row in RUNNING]
    assert stops == {row.pid: row.exit_code for row in STARTED if row.end is not None}


def test_its_times_in_header_and_payload_agree() -> None:
    """A ProcessStart's creation time (FILETIME at offset 12) is its event's time."""
    for seen in walk(DEMO, f"{PROCESS}:ProcessStart"):
        created = struct.unpack_from("<Q", seen.payload, 12)[0]
        assert (created - 116_444_736_000_000_000) * 100 == seen.time_ns


def test_it_is_sound() -> None:
    """No bad buffer, nothing lost, four CPUs, under 20 seconds, and it says that it was made."""
    source = EtlSource(DEMO)
    counts, facts = source.count(), source.facts()
    source.close()
    assert (counts.bad_buffers, counts.lost, facts.cpus) == (0, 0, 4)
    assert 15e9 < facts.end_ns - facts.start_ns < 20e9
    assert "made-not-captured".encode("utf-16-le") in DEMO.read_bytes()
