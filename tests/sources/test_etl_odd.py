"""What real recordings hold besides full buffers in order: circular files, unused room, older headers, joined files."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sources.etl_support import Seen, buffer_offsets, walk
from tests.sources.test_etl_damage import BUFFER, EVENTS, count, sound, survive
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_writer import EtlWriter

START = 1_000_000


def events_of(path: Path) -> list[Seen]:
    """Return the events without trace headers: those may be told apart by what the test changed."""
    return [seen for seen in walk(path) if seen.hook != 0]


@pytest.fixture
def whole(tmp_path: Path) -> tuple[bytes, list[Seen]]:
    data = sound(tmp_path / "whole.etl")
    return data, events_of(tmp_path / "whole.etl")


def test_a_circular_file_is_put_in_order(tmp_path: Path, whole: tuple[bytes, list[Seen]]) -> None:
    """The newest buffers lie where the oldest were; sequence numbers tell, whatever the order in the file."""
    data, expected = whole
    buffers = [data[at : at + BUFFER] for at in buffer_offsets(data)]
    path = tmp_path / "circular.etl"
    for shift in range(1, len(buffers) - 1):
        path.write_bytes(buffers[0] + b"".join(buffers[1 + shift :] + buffers[1 : 1 + shift]))
        assert events_of(path) == expected
    path.write_bytes(buffers[0] + b"".join(reversed(buffers[1:])))
    assert events_of(path) == expected


def test_a_circular_file_that_lost_its_oldest_buffers_starts_later(
    tmp_path: Path, whole: tuple[bytes, list[Seen]]
) -> None:
    """What was overwritten is gone without a trace; the rest is in order."""
    data, expected = whole
    path = tmp_path / "circular.etl"
    path.write_bytes(data[:BUFFER] + data[6 * BUFFER :] + data[5 * BUFFER : 6 * BUFFER])
    seen = events_of(path)
    assert seen == [each for each in expected if each in seen]
    assert 0 < len(seen) < len(expected)


@pytest.mark.parametrize("zeros", [1, 8, 71, 72, 80, BUFFER, 5 * BUFFER + 8, 100_000])
def test_room_that_was_never_used_is_no_damage(
    tmp_path: Path, whole: tuple[bytes, list[Seen]], zeros: int
) -> None:
    """A session may reserve its file in advance and end before it is full."""
    data, expected = whole
    path = tmp_path / "reserved.etl"
    path.write_bytes(data + bytes(zeros))
    assert events_of(path) == expected
    assert count(path).bad_buffers == 0
    source = EtlSource(path)
    facts = source.facts()
    source.close()
    assert (facts.unused_bytes, facts.buffers) == (zeros, len(data) // BUFFER)


def test_a_hole_between_buffers_is_passed(tmp_path: Path, whole: tuple[bytes, list[Seen]]) -> None:
    """Buffers behind zeros are walked, at any distance."""
    data, expected = whole
    path = tmp_path / "hole.etl"
    for zeros in (8, BUFFER, 100_000):
        path.write_bytes(data[: 3 * BUFFER] + bytes(zeros) + data[3 * BUFFER :])
        assert events_of(path) == expected


def test_garbage_between_buffers_is_counted_and_passed(tmp_path: Path, whole: tuple[bytes, list[Seen]]) -> None:
    """However long it is, the next buffer is found; the bytes are accounted for."""
    data, expected = whole
    path = tmp_path / "garbage.etl"
    for size in (8, BUFFER, 100_000):
        path.write_bytes(data[: 3 * BUFFER] + b"\xa5" * size + data[3 * BUFFER :])
        assert events_of(path) == expected
        source = EtlSource(path)
        facts = source.facts()
        assert (facts.skipped_bytes, facts.bad_buffers) == (size, -(-size // BUFFER))
        assert source.damage()["headers"] == facts.bad_buffers
        source.close()
        survive(path)


def keep_saved(header: bytearray) -> None:
    header[0x30:0x34] = bytes(4)             # Offset
    header[0x08:0x0C] = struct.pack("<I", 0xFFFFFFFF)


def keep_current(header: bytearray) -> None:
    header[0x30:0x34] = header[0x04:0x08] = bytes(4)


def narrow_cpu(header: bytearray) -> None:
    header[0x34:0x36] = bytes(2)             # no PROC_INDEX: one byte of CPU, one of alignment
    header[0x29] = 8


def lost_markers(header: bytearray) -> None:
    header[0x34:0x36] = struct.pack("<H", 0x20 | 2 | 4 | 1)


def other_type(header: bytearray) -> None:
    header[0x36:0x38] = struct.pack("<H", 1 if header[0x18] % 2 else 5)


@pytest.mark.parametrize("change", [keep_saved, keep_current, narrow_cpu, lost_markers, other_type])
def test_headers_of_older_systems_and_odd_flags_mean_the_same(
    tmp_path: Path, whole: tuple[bytes, list[Seen]], change: Callable[[bytearray], None]
) -> None:
    """Offset, SavedOffset or CurrentOffset tell the valid end; markers of loss, rundown and batches hide no event."""
    data, expected = bytearray(whole[0]), whole[1]
    for at in list(buffer_offsets(data))[1:]:
        header = data[at : at + 0x48]
        change(header)
        data[at : at + 0x48] = header
    path = tmp_path / "odd.etl"
    path.write_bytes(data)
    assert events_of(path) == expected
    assert count(path).bad_buffers == 0


def test_an_event_that_crosses_the_valid_end_is_damage(tmp_path: Path, whole: tuple[bytes, list[Seen]]) -> None:
    """What lies behind the valid end is what an earlier use of the buffer left."""
    data = bytearray(whole[0])
    at = 3 * BUFFER
    end = int.from_bytes(data[at + 0x30 : at + 0x34], "little")
    data[at + 0x30 : at + 0x34] = struct.pack("<I", end - 8)
    path = tmp_path / "crossing.etl"
    path.write_bytes(data)
    counts = count(path)
    assert (counts.events, counts.damage["events"]) == (EVENTS, 1)


def test_an_empty_buffer_is_no_damage(tmp_path: Path, whole: tuple[bytes, list[Seen]]) -> None:
    """A buffer may be flushed with nothing in it."""
    data = bytearray(whole[0])
    for name in (0x04, 0x08, 0x30):
        data[3 * BUFFER + name : 3 * BUFFER + name + 4] = struct.pack("<I", 0x48)
    path = tmp_path / "empty.etl"
    path.write_bytes(data)
    counts = count(path)
    assert counts.bad_buffers == 0
    assert 0 < counts.events < EVENTS


@pytest.mark.parametrize("head", [512, 1024, 4096])
def test_buffers_may_be_larger_or_smaller_than_the_first(tmp_path: Path, head: int) -> None:
    """A relogged file has a small header buffer and buffers of any size behind it, compressed or not."""
    plain = sound(tmp_path / "plain.etl")
    expected = events_of(tmp_path / "plain.etl")
    first = bytearray(plain[:BUFFER].ljust(head, b"\xff")[:head])
    first[:4] = struct.pack("<I", head)
    buffers = []
    for at in list(buffer_offsets(plain))[1:]:
        used = int.from_bytes(plain[at + 0x30 : at + 0x34], "little")
        size = (used + 7 & ~7) + 8 * (at // BUFFER % 3)
        buffers.append(struct.pack("<I", size) + plain[at + 4 : at + size].ljust(size - 4, b"\xff"))
    path = tmp_path / "relogged.etl"
    path.write_bytes(bytes(first) + b"".join(buffers))
    assert events_of(path) == expected
    assert count(path).bad_buffers == 0


@pytest.mark.parametrize("headers", [1, 2])
def test_recordings_joined_to_one_keep_each_their_order(
    tmp_path: Path, whole: tuple[bytes, list[Seen]], headers: int
) -> None:
    """A session that appends begins sequence numbers anew; both's events come, neither's torn into the other's."""
    data, expected = whole
    path = tmp_path / "joined.etl"
    path.write_bytes(data + (data if headers == 2 else data[BUFFER:]))
    assert count(path).events == 2 * len(expected) + headers
    seen = events_of(path)
    assert sorted(seen, key=repr) == sorted(expected * 2, key=repr)
    source = EtlSource(path)
    source.open([])
    while source.pump(10) >= 0:
        pass
    assert source.disorder == 0
    source.close()


def test_buffers_without_sequence_numbers_are_taken_as_they_lie(
    tmp_path: Path, whole: tuple[bytes, list[Seen]]
) -> None:
    """The order in which they were flushed is the next best: each CPU's is that of time."""
    data, expected = bytearray(whole[0]), whole[1]
    for at in buffer_offsets(data):
        data[at + 0x18 : at + 0x20] = bytes(8)
    path = tmp_path / "unnumbered.etl"
    path.write_bytes(data)
    assert events_of(path) == expected


def test_private_loggers_have_threads_of_any_cpu_count(tmp_path: Path) -> None:
    """A session inside a process may say that its machine has one processor; its buffers say more."""
    path = tmp_path / "private.etl"
    with EtlWriter(path, cpus=8) as writer:
        for i in range(64):
            writer.system_event(START + i, 0x0300, b"%d" % i, cpu=i % 8)
    data = bytearray(path.read_bytes())
    data[0x68 + 12 : 0x68 + 16] = struct.pack("<I", 1)
    path.write_bytes(data)
    assert [seen.run_cpu for seen in events_of(path)] == [i % 8 for i in range(64)]


def test_every_byte_of_a_damaged_file_is_accounted_for(tmp_path: Path, whole: tuple[bytes, list[Seen]]) -> None:
    """Sound buffers, skipped, unused and torn bytes make up the file."""
    data = whole[0]
    path = tmp_path / "patched.etl"
    start, middle, end = data[: 2 * BUFFER], data[2 * BUFFER : 4 * BUFFER], data[4 * BUFFER :]
    path.write_bytes(start + b"\xa5" * 800 + middle + bytes(2048) + end + data[BUFFER : BUFFER + 300])
    source = EtlSource(path)
    facts = source.facts()
    source.close()
    rest = facts.skipped_bytes + facts.unused_bytes + facts.torn_bytes
    assert (facts.skipped_bytes, facts.unused_bytes, facts.torn_bytes) == (800, 2048, 300)
    assert facts.file_bytes - rest == len(data)
