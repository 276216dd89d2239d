"""Fuzz the reader of recordings: spoil a small .trec, with and without mended checksums, replay what is left of it."""

from __future__ import annotations

import random
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.sources.trec_support import Given, record, replay
from tracerd.errors import NotSupported, SourceError
from tracerd.sources.trec.format import FILE_HEAD, HEADER_BYTES, BlockHeader, Codec, pack_header, unpack_header


def fuzz(seconds: float, seed: int) -> int:
    """Replay spoiled recordings until the time is over; return how many broke a promise, each shown on standard output.

    The promises: no error but the one sentence that refuses a file, no crash, and a ledger that balances.
    """
    source, end = random.Random(seed), time.monotonic() + seconds
    tried = refused = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoiled.trec"
        originals = [record(path, _blocks(source), codec=codec).read_bytes() for codec in Codec]
        while time.monotonic() < end:
            data = source.choice(_SPOILERS)(source, bytearray(source.choice(originals)))
            path.write_bytes(data)
            tried += 1
            try:
                result = replay(path)
                assert all(row.missing == 0 for row in result.ledger.values()), result.ledger
            except (SourceError, NotSupported):
                refused += 1
            except Exception:  # noqa: BLE001  whatever it is, it is what was looked for
                failures += 1
                print(f"{data.hex()}\n{traceback.format_exc()}", flush=True)
    counts = f"{tried} files, {refused} refused in {seconds:.0f} s, {failures} failures"
    print(f"recordings: {counts} (seed {seed})", flush=True)
    return failures


def _blocks(source: random.Random) -> list[list[Given]]:
    return [
        [
            Given(event, now_ns=source.getrandbits(40), cpu=source.randrange(4), tid=source.randrange(3),
                  payload=source.randbytes(source.randrange(40)) if event else b"")
            for event in source.choices((0, 1), k=source.randrange(1, 12))
        ]
        for _ in range(4)
    ]  # fmt: skip


def _flip(source: random.Random, data: bytearray) -> bytes:
    """Change a few bytes anywhere."""
    for _ in range(source.randrange(1, 6)):
        data[source.randrange(len(data))] ^= source.randrange(1, 256)
    return bytes(data)


def _cut(source: random.Random, data: bytearray) -> bytes:
    """Take a piece out, or the tail off."""
    start = source.randrange(len(data))
    del data[start : source.choice((len(data), start + source.randrange(200)))]
    return bytes(data)


def _repeat(source: random.Random, data: bytearray) -> bytes:
    """Put a piece of the file in once more, somewhere else."""
    start = source.randrange(len(data))
    piece = bytes(data[start : start + source.randrange(300)])
    at = source.randrange(len(data))
    return bytes(data[:at]) + piece + bytes(data[at:])


def _lie(source: random.Random, data: bytearray) -> bytes:
    """Change what is stored or what a header says of it, and mend the checksums: the batch itself must be doubted."""
    at = FILE_HEAD.size
    while at < len(data) and (header := unpack_header(bytes(data[at:]))) is not None:
        following = at + HEADER_BYTES + header.stored
        if source.random() < 0.4 and header.stored:
            data[at + HEADER_BYTES + source.randrange(header.stored)] ^= source.randrange(1, 256)
        told = _told(source, header) if source.random() < 0.3 else header
        crc = zlib.crc32(data[at + HEADER_BYTES : following])
        data[at : at + HEADER_BYTES] = pack_header(replace(told, data_crc=crc))
        at = following
    return bytes(data)


def _told(source: random.Random, header: BlockHeader) -> BlockHeader:
    name = source.choice(("kind", "codec", "stored", "raw", "events", "first_ns", "last_ns", "number"))
    most = {"kind": 16, "codec": 16, "first_ns": 64, "last_ns": 64}.get(name, 32)
    return replace(header, **{name: source.getrandbits(source.randrange(1, most + 1))})


_SPOILERS: tuple[Callable[[random.Random, bytearray], bytes], ...] = (_flip, _cut, _repeat, _lie, _lie)
