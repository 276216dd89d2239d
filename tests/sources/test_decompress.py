"""The three compressions of recordings: the vectors of [MS-XCA] section 3, round trips, and damage."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.xca import FORMATS, LZNT1, XPRESS, XPRESS_HUFF, compress, decompress

ALPHABET = b"abcdefghijklmnopqrstuvwxyz"
ABC = b"abc" * 100
SONG = (
    b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A "
    b"F# F# G A A G F# E D D E F# E D D\0"
)


def _table(lengths: dict[int, int]) -> bytes:
    """Return the 256 bytes of code lengths in front of a Huffman block."""
    return bytes(lengths.get(2 * i, 0) | lengths.get(2 * i + 1, 0) << 4 for i in range(256))


# Section 3.2 lists the tables in full: 'a' to 'v' have 5 bits, 'w' to 'z' and EOF 4.
_LETTERS = dict.fromkeys(range(0x61, 0x77), 5) | dict.fromkeys(range(0x77, 0x7B), 4) | {256: 4}
VECTORS = [
    pytest.param(XPRESS, "3f000000" + ALPHABET.hex(), ALPHABET, id="3.1 literals"),
    pytest.param(XPRESS, "ffffff1f61626317000fff2601", ABC, id="3.1 match"),
    pytest.param(
        XPRESS_HUFF, _table(_LETTERS).hex() + "d8523ed794115be9195ff9d67cdf8d0400000000", ALPHABET, id="3.2 literals"
    ),
    pytest.param(
        XPRESS_HUFF, _table({0x61: 3, 0x62: 3, 0x63: 2, 256: 2, 287: 2}).hex() + "a8dc0000ff2601", ABC, id="3.2 match"
    ),
    pytest.param(
        LZNT1,
        "38b08846232000204720410010a24701a045204400084501507900c0452005241388"
        "05b4024a44ef0358028c091601484500be009e000401189000",
        SONG,
        id="3.3",
    ),
]


@pytest.mark.parametrize(("kind", "packed", "plain"), VECTORS)
def test_the_vectors_of_the_specification(kind: int, packed: str, plain: bytes) -> None:
    """Each example of the specification comes out as printed there, and there is no more in it."""
    assert decompress(kind, bytes.fromhex(packed), len(plain)) == plain
    assert decompress(kind, bytes.fromhex(packed), len(plain) + 1) is None


@pytest.mark.parametrize(("kind", "packed", "plain"), VECTORS)
def test_cut_input_gives_less(kind: int, packed: str, plain: bytes) -> None:
    """No cut is taken for the whole, unless what is missing held no output."""
    data = bytes.fromhex(packed)
    whole = [size for size in range(len(data)) if decompress(kind, data[:size], len(plain)) is not None]
    assert all(size > len(data) - 5 for size in whole)


pieces = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=9), st.integers(1, 300)),
    st.builds(lambda size, times: bytes(range(size)) * times, st.integers(1, 256), st.integers(1, 40)),
)


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=80, deadline=None)
@given(data=st.builds(b"".join, st.lists(pieces, min_size=1, max_size=12)))
def test_what_was_compressed_comes_back(kind: int, data: bytes) -> None:
    """Round trips through compressors that were written from the specification alone."""
    assert decompress(kind, compress(kind, data), len(data)) == data


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 65535, 65536, 65537, 70000, 131072, 200001])
def test_sizes_around_blocks_and_chunks(kind: int, size: int) -> None:
    """Blocks of 64 KiB and chunks of 4 KiB join without a seam; matches longer than 16 bits can say come whole."""
    words = [b"process", b"\0\0\0\0", b"\\Device\\HarddiskVolume", b"tracerd", b"\x12\xc0"]
    source = random.Random(size)
    mixed = b"".join(source.choice(words) for _ in range(size // 4 + 1))[:size]
    for data in (mixed, bytes(size), source.randbytes(size)):
        assert decompress(kind, compress(kind, data), size) == data


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_input_neither_crashes_nor_reaches_outside(kind: int) -> None:
    """Flipped bytes give other bytes or fewer; `make fuzz` does the same under a sanitizer."""
    source = random.Random(kind)
    plain = b"".join(source.choice((b"abcd", b"xyz", bytes(9), source.randbytes(3))) for _ in range(900))
    packed = compress(kind, plain)
    for _ in range(600):
        data = bytearray(packed)
        for _ in range(source.randrange(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        decompress(kind, bytes(data[: source.randrange(len(data)) + 1]), len(plain))
