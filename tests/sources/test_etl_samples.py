"""The walker on real recordings, compressed ones too, against counts that two independent readers made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sources.etl_support import ALL, SAMPLES, Recorder, drain, needs_samples, walk
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource

TABLE: list[dict[str, Any]] = json.loads((SAMPLES / "samples.json").read_text()) if SAMPLES.is_dir() else []
ROWS = [pytest.param(row, id=row["file"]) for row in TABLE]
LATE_NS = {"perfview_SelfDescribingSingleEvent.etl": 13_502_600}
"""How late the last event may come: an end is told in units of 100 ns, and one file was merged from several."""

pytestmark = needs_samples


@pytest.mark.parametrize("row", ROWS)
def test_counts_equal_those_of_two_other_readers(row: dict[str, Any]) -> None:
    """Events by header kind and by provider are what samples.json says, and no buffer is bad."""
    source = EtlSource(SAMPLES / row["file"])
    counts = source.count()
    source.close()
    assert counts.events == row["events"]
    assert counts.by_header == row["header_kinds"]
    assert {name: counts.by_provider.get(name) for name in row["providers"]} == row["providers"]
    assert sum(counts.by_provider.values()) == counts.events
    assert counts.bad_buffers == 0


@pytest.mark.parametrize("row", ROWS)
def test_facts_are_those_of_the_recorded_machine(row: dict[str, Any]) -> None:
    """Version, CPUs, pointer size and the header's own buffer count agree with the independent readers."""
    source = EtlSource(SAMPLES / row["file"])
    facts = source.facts()
    source.close()
    assert (facts.os_version, facts.processors, facts.pointer_size) == (row["os"], row["cpus"], row["ptr"])
    assert facts.buffers == facts.buffers_written
    assert 1 <= facts.cpus <= facts.processors


@pytest.mark.parametrize("row", ROWS)
def test_every_event_comes_once_in_time_order(row: dict[str, Any]) -> None:
    """The merge delivers as many events as were counted, ascending, inside the recording's own start and end."""
    recorder = Recorder()
    source = EtlSource(SAMPLES / row["file"])
    source.open([LinkRequest(ALL, recorder.program, 96)])
    assert drain(source) == row["events"]
    facts = source.facts()
    times = [seen.time_ns for seen in recorder.seen]
    assert times == sorted(times)
    assert source.disorder == 0
    assert facts.start_ns <= times[0]
    assert times[-1] <= facts.end_ns + LATE_NS.get(row["file"], 99)
    assert {seen.run_cpu for seen in recorder.seen} <= set(range(source.cpus))
    source.close()
    recorder.free()


@pytest.mark.parametrize("row", ROWS)
def test_compressed_recordings_are_read_buffer_by_buffer(row: dict[str, Any]) -> None:
    """Those that say so are XPRESS in all buffers but the header's; the bytes of the file are all accounted for."""
    source = EtlSource(SAMPLES / row["file"])
    facts = source.facts()
    source.close()
    assert facts.compression == ("XPRESS" if row["compressed"] else "")
    assert facts.compressed_buffers == (facts.buffers - 1 if row["compressed"] else 0)
    assert (facts.skipped_bytes, facts.unused_bytes, facts.torn_bytes) == (0, 0, 0)


def test_a_kernel_group_is_found_by_hook_and_by_class() -> None:
    """`etw-kernel:Image` means events by hook in a kernel log and classic events of the same class elsewhere."""
    by_hook = walk(SAMPLES / "airbus_ShutdownPerfDiagLogger.etl", "etw-kernel:Image")
    by_class = walk(SAMPLES / "syzygy_image_data_64_v2.etl", "etw-kernel:Image")
    assert len(by_hook) == 6745 + 4791 + 2145 + 2            # Unload, DCStart, DCEnd, and two of types 33 and 34
    assert len(by_class) == 26
    assert {seen.provider for seen in by_hook} == {seen.provider for seen in by_class}
    assert {seen.hook >> 8 for seen in by_hook + by_class} == {0x14}
