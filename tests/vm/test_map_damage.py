"""Damaged and hostile files of maps: refused, or mended to a map that is whole in itself."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.map_files import HEADER, damaged, examine, read_from_outside, whole_file
from tests.vm.pinned import in_file, needs_map_files
from tracerd.errors import RunError, TracerdError
from tracerd.platforms.model import MapKind
from tracerd.vm.maps import MapFile

pytestmark = needs_map_files


@pytest.mark.parametrize("kind", MapKind)
def test_no_byte_of_the_fixed_header_may_be_otherwise(kind: MapKind, path: Path) -> None:
    """Each byte of the first 128 flipped: refused, and the file stays as it was. Only the seed is nobody's business."""
    whole = whole_file(kind, path.parent)
    (path.parent / "whole.map").unlink()
    path.touch(mode=0o600)
    for at in range(128):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        if 48 <= at < 56:
            in_file(kind, path).close()
            continue
        with pytest.raises(RunError):
            in_file(kind, path)
        assert not read_from_outside(path)
        assert path.read_bytes() == bytes(changed)


@pytest.mark.parametrize("kind", MapKind)
def test_every_byte_of_the_changing_header_may_be_anything(kind: MapKind, path: Path) -> None:
    """Counts, the free stack, locks, positions: flipped one at a time, the map opens and is whole."""
    whole = whole_file(kind, path.parent)
    path.touch(mode=0o600)
    for at in range(128, HEADER):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        path.write_bytes(changed)
        assert examine(kind, path)


@pytest.mark.parametrize("kind", MapKind)
def test_a_file_that_is_cut_or_longer_is_refused(kind: MapKind, path: Path) -> None:
    """By its size, from both sides."""
    whole = whole_file(kind, path.parent)
    path.touch(mode=0o600)
    for size in (0, 1, 8, 127, 319, 320, 321, len(whole) // 2, len(whole) - 1, len(whole) + 1, len(whole) * 2):
        path.write_bytes(whole.ljust(size, b"\0")[:size])
        with pytest.raises(RunError, match="bytes"):
            in_file(kind, path)
        with pytest.raises(RunError, match="bytes"):
            MapFile.open_read(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(list(MapKind)))
def test_damaged_files_are_refused_or_mended(seed: int, kind: MapKind, path: Path) -> None:
    """Words changed, tails of random bytes, cuts: never a crash, a hang or a map that contradicts itself."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(damaged(whole_file(kind, path.parent), random.Random(seed)))
    examine(kind, path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000))
def test_random_bytes_are_no_map(data: bytes, path: Path) -> None:
    """Refused in one sentence, from both sides."""
    path.touch(mode=0o600)
    path.write_bytes(data)
    for opening in (lambda: in_file(MapKind.HASH, path), lambda: MapFile.open_read(path)):
        with pytest.raises(TracerdError, match="is no map"):
            opening()


def test_a_key_that_is_there_twice_stays_once(path: Path) -> None:
    """The first slot keeps it, the other is free; both the removal and the wrong count are told."""
    with in_file(MapKind.HASH, path) as map_:
        for number in (1, 2, 3):
            map_.update(struct.pack("<Q", number), bytes([number]) * 16)
        stride = map_.layout.stride
        key_at = HEADER + 8 * 8 + 16
    changed = bytearray(path.read_bytes())
    changed[key_at + 2 * stride] = 1
    path.write_bytes(changed)
    with in_file(MapKind.HASH, path) as map_:
        assert (map_.repaired.duplicates, map_.repaired.miscounted) == (1, 1)
        assert [(key[0], value[0]) for key, value in map_.items()] == [(1, 1), (2, 2)]
        map_.update(struct.pack("<Q", 7), bytes(16))
        assert [key[0] for key, _ in map_.items()] == [1, 2, 7]
