"""Recordings whose buffers are compressed: read as if they were not, and damaged ones cost no more than they must."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.etl_support import SAMPLES, needs_samples, walk
from tests.sources.test_etl_damage import count, sound, survive
from tests.sources.xca import FORMATS, XPRESS, compress_recording
from tracerd.sources.etl import EtlSource

NAMES = {2: "LZNT1", 3: "XPRESS", 4: "XPRESS_HUFF"}


def packed_offsets(data: bytes) -> Iterator[int]:
    """Yield where the buffers of a sound recording of any kind start."""
    at = 0
    while at < len(data):
        yield at
        at += int.from_bytes(data[at : at + 4], "little")


@pytest.fixture
def plain(tmp_path: Path) -> bytes:
    return sound(tmp_path / "plain.etl")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_compressed_recording_is_the_plain_one(tmp_path: Path, plain: bytes, kind: int) -> None:
    """Each event comes as it does from the same buffers uncompressed, in the same order."""
    compress_recording(plain, tmp_path / "packed.etl", kind)
    packed_header, *packed = walk(tmp_path / "packed.etl")
    assert packed == walk(tmp_path / "plain.etl")[1:]
    assert packed_header.hook == 0           # its payload has the file's mode, which differs
    assert count(tmp_path / "packed.etl") == count(tmp_path / "plain.etl")
    source = EtlSource(tmp_path / "packed.etl")
    assert source.facts().compression == NAMES[kind]
    source.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_that_is_told_wrong_is_found_out(tmp_path: Path, plain: bytes, kind: int) -> None:
    """The field that tells the format means something else in other recordings, so the buffers have the last word."""
    for told in (0, 3, 2, 4, 0xFFFF):
        compress_recording(plain, tmp_path / "packed.etl", kind, told=told)
        assert count(tmp_path / "packed.etl") == count(tmp_path / "plain.etl")


def test_plain_buffers_among_compressed_ones_are_read(tmp_path: Path, plain: bytes) -> None:
    """Each buffer tells for itself; one that did not shrink is left as it was."""
    compress_recording(plain, tmp_path / "packed.etl", XPRESS)
    packed = (tmp_path / "packed.etl").read_bytes()
    offsets = list(packed_offsets(packed))
    at, following = offsets[3:5]
    size = int.from_bytes(plain[:4], "little")
    (tmp_path / "mixed.etl").write_bytes(packed[:at] + plain[3 * size : 4 * size] + packed[following:])
    assert count(tmp_path / "mixed.etl") == count(tmp_path / "plain.etl")


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_compressed_bytes_cost_one_buffer(tmp_path: Path, plain: bytes, kind: int) -> None:
    """The other buffers come whole, the damaged one is counted once and the ledger says what is wrong with it."""
    path = tmp_path / "packed.etl"
    compress_recording(plain, path, kind)
    data = bytearray(path.read_bytes())
    at, following = list(packed_offsets(data))[3:5]
    data[at + 0x48 : following] = b"\xff" * (following - at - 0x48)
    path.write_bytes(data)
    whole, counts = count(tmp_path / "plain.etl"), count(path)
    assert counts.bad_buffers == counts.damage["packed"] == 1
    assert 0 < whole.events - counts.events < 20
    survive(path)


@pytest.mark.parametrize(
    ("offset", "value", "lost"),
    [
        (0x00, struct.pack("<I", 0), True),                  # no size
        (0x00, struct.pack("<I", 0x7FFFFFFF), True),         # larger than anything
        (0x00, struct.pack("<I", 0x00010000), False),        # larger than the file
        (0x00, struct.pack("<I", 0x48 + 8), True),           # smaller than it is
        (0x36, struct.pack("<H", 9), True),                  # no such type
        (0x30, struct.pack("<I", 0x7FFFFFFF), True),         # more than any buffer holds
    ],
)
def test_the_buffers_behind_a_damaged_header_are_found(
    tmp_path: Path, plain: bytes, offset: int, value: bytes, lost: bool
) -> None:
    """Compressed buffers have sizes of their own, so the next one is looked for; a size too large costs nothing."""
    path = tmp_path / "packed.etl"
    compress_recording(plain, path, XPRESS)
    data = bytearray(path.read_bytes())
    at = list(packed_offsets(data))[3]
    data[at + offset : at + offset + len(value)] = value
    path.write_bytes(data)
    whole, counts = count(tmp_path / "plain.etl"), count(path)
    missing = whole.events - counts.events
    assert (0 < missing < 20) if lost else missing == 0
    assert (counts.bad_buffers >= 1) == lost
    survive(path)


def test_a_cut_anywhere_keeps_the_whole_buffers(tmp_path: Path, plain: bytes) -> None:
    """Of the buffer that was cut, what can still be decompressed is kept; it is counted as torn."""
    path = tmp_path / "packed.etl"
    compress_recording(plain, path, XPRESS)
    data = path.read_bytes()
    offsets = [*packed_offsets(data), len(data)]
    last = count(path).events
    for size in range(len(data), offsets[1], -7):
        path.write_bytes(data[:size])
        counts = count(path)
        assert counts.events <= last
        assert counts.bad_buffers == counts.damage["torn"] == int(size not in offsets)
        last = counts.events
        survive(path)


def mutate(data: bytes, source: random.Random) -> bytes:
    """Change a few bytes anywhere or in buffer headers, cut the end or take out a piece."""
    out = bytearray(data)
    offsets = list(packed_offsets(data))
    for _ in range(source.randrange(1, 6)):
        at = source.choice((source.randrange(len(out)), source.choice(offsets) + source.randrange(0x60)))
        out[at : at + 1] = source.randbytes(1)
    if source.random() < 0.3:
        start = source.randrange(len(out))
        del out[start : source.choice((len(out), start + source.randrange(300)))]
    return bytes(out)


@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_compressed_recordings_never_crash_the_walk(tmp_path: Path, plain: bytes, kind: int) -> None:
    """Count and walk agree, whatever is damaged, and the ledger balances."""
    path = tmp_path / "mutated.etl"
    compress_recording(plain, path, kind)
    data, source = path.read_bytes(), random.Random(kind)
    for _ in range(120):
        path.write_bytes(mutate(data, source))
        survive(path)


@needs_samples
def test_mutated_real_compressed_recordings_never_crash_the_walk(tmp_path: Path) -> None:
    """The same over two real ones."""
    path, source = tmp_path / "mutated.etl", random.Random(5)
    for name in ("perfview_SelfDescribingSingleEvent.etl", "demikernel_PktMon.etl"):
        data = (SAMPLES / name).read_bytes()
        for _ in range(60):
            path.write_bytes(mutate(data, source))
            survive(path)
