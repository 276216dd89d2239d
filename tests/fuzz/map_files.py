"""Damage the file of a pinned map: it is refused, or opens as a map that is whole in itself. Never more than that."""

from __future__ import annotations

import random
import struct
import tempfile
import time
import traceback
from pathlib import Path

from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.vm.maps import Map, MapFile

CPUS = 2
HEADER = 320
INTERESTING = (0, 1, 7, 8, 63, 64, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

SPECS = {
    kind: MapSpec("m", kind.value, 4 if kind.array else 8, 16, 6) for kind in MapKind if kind.keyed
} | {MapKind.RINGBUF: MapSpec("m", MapKind.RINGBUF.value, 0, 0, 256)}


def whole_file(kind: MapKind, folder: Path) -> bytes:
    """Return the file of a map that was used: full, freed and taken again; records read and waiting."""
    path = folder / "whole.map"
    path.unlink(missing_ok=True)
    with Map.in_file(SPECS[kind], kind, CPUS, path) as map_:
        if kind is MapKind.RINGBUF:
            for size in (1, 8, 100, 40):
                output(map_, b"r" * size)
            map_.read()
            for size in (60, 3, 30):
                output(map_, b"r" * size)
        else:
            for number in range(6):
                map_.update(number.to_bytes(map_.key_size, "little"), bytes([number]) * 16 * map_.cpus)
            if not kind.array:
                map_.delete(bytes([2, *bytes(7)]))
                map_.delete(bytes([4, *bytes(7)]))
                map_.update(bytes([9, *bytes(7)]), b"9" * 16 * map_.cpus)
    return path.read_bytes()


def output(map_: Map, record: bytes) -> bool:
    """Put a record into a ring, as a program does."""
    function = ffi.cast("uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, struct tr_run *)",
                        lib.tr_helper_address(b"ringbuf_output"))
    kept = ffi.from_buffer(record)
    run = ffi.new("struct tr_run *")
    return int(function(map_.address, int(ffi.cast("uintptr_t", kept)), len(record), 0, 0, run)) == 0


def damaged(data: bytes, source: random.Random) -> bytes:
    """Change a few words, mostly behind the part of the header that must be just so."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 6)):
        at = source.choice((128, 0, 128, HEADER)) + 4 * source.randrange(0, 48)
        if at + 4 <= len(changed):
            word = source.choice((source.choice(INTERESTING), source.getrandbits(32)))
            changed[at : at + 4] = struct.pack("<I", word)
    if source.random() < 0.3:
        start = source.randrange(HEADER, len(changed))
        changed[start:] = source.randbytes(len(changed) - start)
    return bytes(changed[: source.randrange(len(changed) + 1)] if source.random() < 0.1 else changed)


def examine(kind: MapKind, path: Path) -> bool:
    """Open what is there from both sides, use all of it, and open it again. False if it was refused.

    Raises:
        AssertionError: the map contradicts itself.
    """
    read_from_outside(path)
    try:
        map_ = Map.in_file(SPECS[kind], kind, CPUS, path)
    except RunError:
        return False
    with map_:
        _use(map_)
        rows = list(map_.items())
    with Map.in_file(SPECS[kind], kind, CPUS, path) as again:
        assert not again.repaired
        assert list(again.items()) == rows
    return True


def read_from_outside(path: Path) -> bool:
    """Read a file as one without the lock does; False if it is refused."""
    try:
        with MapFile.open_read(path) as file:
            assert len(file.snapshot("m").keys) <= file.max_entries
    except RunError:
        return False
    return True


def _use(map_: Map) -> None:
    if map_.kind is MapKind.RINGBUF:
        map_.read()
        assert all(output(map_, bytes(24)) for _ in range(8))
        assert not output(map_, b"")
        assert map_.read() == [bytes(24)] * 8
        return
    rows = dict(map_.items())
    assert len(rows) == map_.statistics.count == len(list(map_.items()))
    assert all(map_.lookup(key) is not None for key in rows)
    if map_.kind.array:
        return
    for number in range(map_.max_entries - len(rows)):
        map_.update(struct.pack("<Q", 1 << 40 | number), bytes(16 * map_.cpus))
    try:
        map_.update(bytes(range(8)), bytes(16 * map_.cpus))
    except RunError:
        pass
    else:
        raise AssertionError("a full map took one more")
    for key, _ in list(map_.items()):
        assert map_.delete(key)
    assert map_.statistics.count == 0


def fuzz(seconds: float, seed: int) -> int:
    """Damage files until the time is over; return how many broke the promise, each shown on standard output."""
    source, end = random.Random(seed), time.monotonic() + seconds
    tried = opened = failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = {kind: whole_file(kind, folder) for kind in SPECS}
        path = folder / "damaged.map"
        path.touch(mode=0o600)
        while time.monotonic() < end:
            kind = source.choice(list(SPECS))
            data = damaged(whole[kind], source)
            path.write_bytes(data)
            tried += 1
            try:
                opened += examine(kind, path)
            except Exception:  # noqa: BLE001  whatever it is, it is what was looked for
                failures += 1
                print(f"{kind} {data.hex()}\n{traceback.format_exc()}", flush=True)
    counts = f"{tried} files, {tried - opened} refused in {seconds:.0f} s, {failures} failures"
    print(f"map files: {counts} (seed {seed})", flush=True)
    return failures
