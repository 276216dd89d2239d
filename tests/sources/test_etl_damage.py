"""Recordings are untrusted: whatever is wrong with one, the walk ends, counts the damage and keeps the rest."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from tests.sources.etl_support import ALL, SAMPLES, Recorder, buffer_offsets, drain, needs_samples, walk
from tests.sources.test_etl_walk import START_TICKS, WIDE, write
from tracerd.errors import SourceError
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource, EventCounts
from tracerd.sources.etl_writer import EtlWriter

BUFFER = 1024
EVENTS = 120


def sound(path: Path) -> bytes:
    """Write a recording of 120 events of all kinds over 3 CPUs in many buffers; return its bytes."""
    kinds = sorted(WIDE)
    with EtlWriter(path, cpus=3, buffer_size=BUFFER) as writer:
        for i in range(EVENTS):
            write(writer, kinds[i % len(kinds)], START_TICKS + i, b"%03d" % i, i % 3)
    return path.read_bytes()


def count(path: Path) -> EventCounts:
    source = EtlSource(path)
    try:
        return source.count()
    finally:
        source.close()


def test_a_file_cut_anywhere_gives_all_whole_events_before_the_cut(tmp_path: Path) -> None:
    """Fewer events the earlier the cut, never an error once the header is there, and the torn buffer is counted."""
    path = tmp_path / "cut.etl"
    data = sound(path)
    last = EVENTS + 1
    for size in range(len(data), 600, -61):
        path.write_bytes(data[:size])
        counts = count(path)
        assert counts.events <= last
        last = counts.events
        source = EtlSource(path)
        assert source.facts().torn_bytes == size % BUFFER
        source.close()
        assert len(walk(path)) == counts.events
    assert last == 1


def test_a_cut_inside_the_data_counts_as_one_bad_buffer(tmp_path: Path) -> None:
    """The cut buffer is bad once, not once per reason."""
    path = tmp_path / "cut.etl"
    data = sound(path)
    path.write_bytes(data[: 2 * BUFFER + 200])
    assert count(path).bad_buffers == 1


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0x00, struct.pack("<I", 0)),                    # no size
        (0x00, struct.pack("<I", 0x47)),                 # smaller than its own header
        (0x00, struct.pack("<I", 0xFFFFFFF8)),           # larger than anything
        (0x34, struct.pack("<H", 0x60)),                 # compressed in a file that is not
        (0x36, struct.pack("<H", 8)),                    # no such type
    ],
)
def test_a_senseless_buffer_header_costs_that_buffer_only(tmp_path: Path, offset: int, value: bytes) -> None:
    """The walk finds the next buffer behind a bad one and counts the bad one."""
    path = tmp_path / "bad.etl"
    data = bytearray(sound(path))
    whole = count(path)
    at = list(buffer_offsets(data))[3]
    one = bytes(data[:BUFFER] + data[at : at + BUFFER])
    path.write_bytes(one)
    in_buffer = count(path).events - 1
    data[at + offset : at + offset + len(value)] = value
    path.write_bytes(data)
    counts = count(path)
    assert in_buffer > 0
    assert counts.events == whole.events - in_buffer
    assert (counts.bad_buffers, counts.buffers) == (1, whole.buffers)
    assert len(walk(path)) == counts.events


def test_a_cpu_the_machine_did_not_have_costs_nothing(tmp_path: Path) -> None:
    """Some recorders say too few processors: small numbers are believed, large ones share a CPU behind all others."""
    path = tmp_path / "cpus.etl"
    data = bytearray(sound(path))
    whole = count(path).events
    at = list(buffer_offsets(data))[3]
    for claimed, cpus in ((3, 4), (63, 64), (64, 65), (0xFFFF, 65)):
        data[at + 0x28 : at + 0x2A] = struct.pack("<H", claimed)
        path.write_bytes(data)
        seen = walk(path)
        assert len(seen) == whole
        assert max(each.run_cpu for each in seen) == cpus - 1
        assert count(path).bad_buffers == 0


def damage_marker(data: bytearray, at: int) -> None:
    data[at + 3] = 0x20


def damage_kind(data: bytearray, at: int) -> None:
    data[at + 2] = 99


def no_size(data: bytearray, at: int) -> None:
    data[at : at + 2] = data[at + 4 : at + 6] = b"\1\0"


def huge_size(data: bytearray, at: int) -> None:
    data[at : at + 2] = data[at + 4 : at + 6] = b"\xff\xff"


@pytest.mark.parametrize("damage", [damage_marker, damage_kind, no_size, huge_size])
def test_a_senseless_event_ends_its_buffer_only(tmp_path: Path, damage: Callable[[bytearray, int], None]) -> None:
    """Events before it and all other buffers are walked; the ledger drops one for the damage and still balances."""
    path = tmp_path / "bad.etl"
    data = bytearray(sound(path))
    whole = count(path).events
    at = list(buffer_offsets(data))[2] + 0x48
    damage(data, at)
    path.write_bytes(data)
    counts = count(path)
    assert 0 < counts.events < whole
    assert counts.bad_buffers == 1
    recorder = Recorder()
    source = EtlSource(path)
    source.open([LinkRequest(ALL, recorder.program, 96)])
    assert drain(source) == counts.events
    ledger = source.statistics()
    assert ledger[f"etl:{path}"].dropped_in_ring == 1
    assert [row.missing for row in ledger.values()] == [0, 0]
    source.close()
    recorder.free()


def test_extended_items_that_lie_about_their_size_are_damage(tmp_path: Path) -> None:
    """An item of no size or beyond its event cannot loop or reach outside."""
    path = tmp_path / "bad.etl"
    for size in (0, 7, 64, 0xFFFF):
        with EtlWriter(path) as writer:
            write(writer, "manifest", START_TICKS, b"")
            first = path.stat().st_size
            writer.manifest_event(START_TICKS + 1, UUID(int=1), 1, b"x", extended=[(1, b"12345678")])
        data = bytearray(path.read_bytes())
        item = first + 0x48 + 80 + 80
        assert data[item : item + 2] == b"\x10\0"
        data[item : item + 2] = struct.pack("<H", size)
        path.write_bytes(data)
        counts = count(path)
        assert (counts.events, counts.bad_buffers) == (2, 1)


def test_a_file_that_shrinks_during_the_walk_is_only_shorter(tmp_path: Path) -> None:
    """Buffers that are gone are counted as dropped; there is no signal, since nothing is mapped."""
    path = tmp_path / "shrinks.etl"
    data = sound(path)
    source = EtlSource(path)
    os.truncate(path, 4 * BUFFER)
    recorder = Recorder()
    source.open([LinkRequest(ALL, recorder.program, 96)])
    walked = drain(source)
    gone = len(data) // BUFFER - 4
    ledger = source.statistics()
    assert 0 < walked < EVENTS
    assert ledger[f"etl:{path}"].dropped_in_ring == gone
    source.close()
    recorder.free()


@pytest.mark.parametrize("content", [b"", b"x", bytes(100_000), b"\x7fELF" + bytes(5000), b"\xff" * 70_000])
def test_what_is_not_a_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, short and foreign files get one sentence."""
    path = tmp_path / "foreign.etl"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="is not an ETW recording"):
        EtlSource(path)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe (which would wait for ever) are named as what they are."""
    with pytest.raises(SourceError, match="No such file"):
        EtlSource(tmp_path / "missing.etl")
    with pytest.raises(SourceError, match="not a regular file"):
        EtlSource(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.etl")
        with pytest.raises(SourceError, match="not a regular file"):
            EtlSource(tmp_path / "pipe.etl")


def survive(path: Path) -> None:
    """Count and walk whatever is there; the two must agree, in damage too, and the ledger must balance."""
    try:
        source = EtlSource(path)
    except SourceError:
        return
    recorder = Recorder()
    source.open([LinkRequest(ALL, recorder.program, 96)])
    counts, facts = source.count(), source.facts()
    assert drain(source) == counts.events == len(recorder.seen)
    assert source.damage() == counts.damage
    assert facts.skipped_bytes + facts.unused_bytes + facts.torn_bytes <= facts.file_bytes
    ledger = source.statistics()
    assert {row.missing for row in ledger.values()} == {0}
    assert sum(row.dropped_in_ring for row in ledger.values()) == counts.bad_buffers
    assert all(seen.run_cpu < source.cpus for seen in recorder.seen)
    source.close()
    recorder.free()


def mutate(data: bytes, random_: random.Random) -> bytes:
    """Change a few bytes, most of them in buffer and event headers, and sometimes cut the end."""
    out = bytearray(data)
    size = int.from_bytes(out[:4], "little")
    for _ in range(random_.randrange(1, 8)):
        buffer = random_.randrange(len(out) // size) * size
        at = random_.choice((random_.randrange(len(out)), buffer + random_.randrange(0x48), buffer + 0x48
                             + random_.randrange(256)))
        value = random_.choice((b"\0\0", b"\xff\xff", b"\xff\x7f", b"\x48\0", random_.randbytes(4)))
        out[at : at + len(value)] = value
    return bytes(out[: random_.randrange(len(out)) + 1]) if random_.random() < 0.2 else bytes(out)


def test_mutated_recordings_never_crash_the_walk(tmp_path: Path) -> None:
    """400 recordings of all header kinds with random damage: count and walk agree, nothing else happens."""
    path = tmp_path / "mutated.etl"
    data = sound(path)
    random_ = random.Random(2)
    for _ in range(400):
        path.write_bytes(mutate(data, random_))
        survive(path)


@needs_samples
def test_mutated_real_recordings_never_crash_the_walk(tmp_path: Path) -> None:
    """The same over three small real recordings."""
    path = tmp_path / "mutated.etl"
    random_ = random.Random(3)
    for name in ("airbus_lxcore_kernel.etl", "krabsetw_powershell.etl", "syzygy_process_data_64_v3.etl"):
        data = (SAMPLES / name).read_bytes()
        for _ in range(60):
            path.write_bytes(mutate(data, random_))
            survive(path)


MODE_AT, CIRCULAR = 0x68 + 32, 0x2           # LogFileMode, in the header event's TRACE_LOGFILE_HEADER


@pytest.mark.parametrize("filler", [b"\0", b"\xff"])
@pytest.mark.parametrize(("begin", "size"), [(0x48, 100), (0x48, 400), (0x48 + 96, 200)])
def test_bytes_that_were_overwritten_are_damage_and_no_end(
    tmp_path: Path, filler: bytes, begin: int, size: int
) -> None:
    """Zeros and 0xFF mean "no more events" only behind what the buffer's header calls valid; the ledger says so too."""
    path = tmp_path / "a.etl"
    data = bytearray(sound(path))
    before, at = count(path), 2 * BUFFER
    data[at + begin : at + begin + size] = filler * size
    path.write_bytes(data)
    counts = count(path)
    assert counts.events < before.events
    assert (counts.bad_buffers, counts.damage["events"]) == (1, 1)
    rest = ledgers(path)[f"etl:{path}"]
    assert (rest.dropped_in_ring, rest.via) == (1, "damaged buffers: 1 whose events break off before its end")


@pytest.mark.parametrize("filler", [0, 0xFF])
def test_filler_in_a_buffer_that_is_called_valid_as_a_whole_is_its_end(tmp_path: Path, filler: int) -> None:
    """Some writers do not tell where events end; what is not filler all the way is damage there too."""
    path = tmp_path / "a.etl"
    data = bytearray(sound(path))
    before, at = count(path), 2 * BUFFER
    end = struct.unpack_from("<I", data, at + 0x30)[0]
    for offset in (0x04, 0x08, 0x30):
        struct.pack_into("<I", data, at + offset, BUFFER)
    data[at + end : at + BUFFER] = bytes([filler]) * (BUFFER - end)
    path.write_bytes(data)
    assert (count(path).events, count(path).bad_buffers) == (before.events, 0)
    data[at + BUFFER - 1] ^= 1
    path.write_bytes(data)
    assert (count(path).events, count(path).bad_buffers) == (before.events, 1)


def test_buffers_that_the_header_counts_and_that_are_not_there_are_told(tmp_path: Path) -> None:
    """But not of a circular file, which keeps the last ones, nor of a session that did not end well."""
    path = tmp_path / "a.etl"
    data = bytearray(sound(path))
    path.write_bytes(data[: 2 * BUFFER] + data[4 * BUFFER :])
    assert count(path).missing_buffers == 2
    assert ledgers(path)[f"etl:{path}"].via == "missing buffers: 2 that its header counts"
    for offset, value in ((MODE_AT, CIRCULAR), (0x68 + 16, 0)):      # the mode; EndTime
        other = data.copy()
        struct.pack_into("<I" if value else "<Q", other, offset, value)
        path.write_bytes(other[: 2 * BUFFER] + other[4 * BUFFER :])
        assert count(path).missing_buffers == 0


def ledgers(path: Path) -> Mapping[str, Ledger]:
    """Return the ledgers of a walk for events that there are not."""
    recorder, source = Recorder(), EtlSource(path)
    try:
        source.open([LinkRequest(f"etw:{UUID(int=1)}", recorder.program, 96)])
        drain(source)
        return source.statistics()
    finally:
        source.close()
        recorder.free()
