"""Compress as [MS-XCA] says, simply: what tests decompress again, and how they make compressed recordings."""

from __future__ import annotations

import heapq
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tracerd.native import ffi, lib

LZNT1, XPRESS, XPRESS_HUFF = 2, 3, 4
FORMATS = (LZNT1, XPRESS, XPRESS_HUFF)

_BLOCK = 65536
_EOF = 256                                   # in LZ77+Huffman also the match of distance 1 and length 3

Item = int | tuple[int, int]                 # a literal byte, or (distance, length)


def decompress(kind: int, data: bytes, room: int) -> bytes | None:
    """Return what the core makes of compressed bytes; None if that is less than `room`."""
    out = ffi.new("uint8_t[]", room + 1)
    made = lib.tr_decompress(kind, data, len(data), out, room)
    assert made >= 0
    return bytes(ffi.buffer(out, room)) if made == room else None


def compress(kind: int, data: bytes) -> bytes:
    """Return the bytes in a format."""
    return {LZNT1: lznt1, XPRESS: xpress, XPRESS_HUFF: xpress_huffman}[kind](data)


def items(data: bytes, window: int, longest: int = 1 << 30) -> Iterator[Item]:
    """Yield literals and matches of at least 3 bytes that make up the data, found by their first 3 bytes."""
    seen: dict[bytes, int] = {}
    at = 0
    while at < len(data):
        key = data[at : at + 3]
        start = seen.get(key, -1)
        length = 0
        if len(key) == 3 and start >= 0 and at - start <= window:
            length = 3
            while at + length < len(data) and length < longest and data[start + length] == data[at + length]:
                length += 1
        seen[key] = at
        yield (at - start, length) if length else data[at]
        at += length or 1


def xpress(data: bytes) -> bytes:
    """Plain LZ77 (section 2.3)."""
    out = bytearray(4)
    flags_at, flags, count, nibble_at = 0, 0, 0, 0
    for item in items(data, 8192):
        if isinstance(item, int):
            out.append(item)
        else:
            nibble_at = _xpress_match(out, item, nibble_at)
        flags, count = flags << 1 | isinstance(item, tuple), count + 1
        if count == 32:
            out[flags_at : flags_at + 4] = struct.pack("<I", flags)
            flags_at, flags, count = len(out), 0, 0
            out += bytes(4)
    out[flags_at : flags_at + 4] = struct.pack("<I", flags << 32 - count | (1 << 32 - count) - 1)
    return bytes(out)


def _xpress_match(out: bytearray, match: tuple[int, int], nibble_at: int) -> int:
    """Append a match; return where the byte is whose upper half the next long one may use, or 0."""
    distance, length = match[0] - 1, match[1] - 3
    out += struct.pack("<H", distance << 3 | min(length, 7))
    if length < 7:
        return nibble_at
    nibble = min(length - 7, 15)
    if nibble_at:
        out[nibble_at] |= nibble << 4
        nibble_at = 0
    else:
        nibble_at = len(out)
        out.append(nibble)
    if nibble == 15:
        out += _long(length - 22, length)
    return nibble_at


def _long(rest: int, length: int) -> bytes:
    if rest < 255:
        return bytes([rest])
    return b"\xff" + (struct.pack("<H", length) if length < 1 << 16 else struct.pack("<HI", 0, length))


def xpress_huffman(data: bytes) -> bytes:
    """LZ77+Huffman (section 2.1). Matches are cut at the end of a block, as every block has its own code."""
    out = bytearray()
    blocks: list[list[Item]] = [[]]
    made = 0
    for item in items(data, 65535, longest=60000):
        rest = item
        while isinstance(rest, tuple) and made + rest[1] > _BLOCK * len(blocks):
            left = _BLOCK * len(blocks) - made
            if left >= 3:
                blocks[-1].append((rest[0], left))
            else:
                blocks[-1] += data[made : made + left]
            made, rest = made + left, (rest[0], rest[1] - left)
            blocks.append([])
        if isinstance(rest, tuple) and rest[1] < 3:
            blocks[-1] += data[made : made + rest[1]]
            made += rest[1]
            continue
        if isinstance(rest, int) and made == _BLOCK * len(blocks):
            blocks.append([])
        blocks[-1].append(rest)
        made += 1 if isinstance(rest, int) else rest[1]
    for i, block in enumerate(blocks):
        out += _huffman_block(block, last=i + 1 == len(blocks))
    return bytes(out)


def _symbol(item: Item) -> int:
    if isinstance(item, int):
        return item
    return 256 + (min(item[1] - 3, 15) | (item[0].bit_length() - 1) << 4)


def _code_lengths(symbols: Counter[int]) -> dict[int, int]:
    """Return the bits of each symbol's code. Counts are flattened until no code is longer than 15 bits."""
    counts = dict(symbols)
    if len(counts) == 1:
        counts[next(iter({0, 1} - set(counts)))] = 1         # a code needs two symbols to be complete
    while True:
        heap = [(n, symbol, {symbol: 0}) for symbol, n in counts.items()]
        heapq.heapify(heap)
        while len(heap) > 1:
            (a, _, left), (b, tie, right) = heapq.heappop(heap), heapq.heappop(heap)
            heapq.heappush(heap, (a + b, tie, {symbol: bits + 1 for symbol, bits in (left | right).items()}))
        lengths = heap[0][2]
        if max(lengths.values()) <= 15:
            return lengths
        counts = {symbol: n // 2 + 1 for symbol, n in counts.items()}


class _Bits:
    """Words of 16 bits among bytes: a word's place is taken when the one before the one before it is full."""

    def __init__(self) -> None:
        self.out = bytearray(4)
        self._places = [0, 2]
        self._word, self._free = 0, 16

    def put(self, bits: int, value: int) -> None:
        for i in reversed(range(bits)):
            if not self._free:
                self._place()
            self._word, self._free = self._word << 1 | value >> i & 1, self._free - 1

    def _place(self) -> None:
        at = self._places.pop(0)
        self.out[at : at + 2] = struct.pack("<H", self._word)
        self._places.append(len(self.out))
        self.out += bytes(2)
        self._word, self._free = 0, 16

    def end(self) -> bytes:
        at = self._places[0]
        self.out[at : at + 2] = struct.pack("<H", self._word << self._free)
        return bytes(self.out)


def _huffman_block(block: list[Item], *, last: bool) -> bytes:
    symbols = Counter(map(_symbol, block))
    if last:
        symbols[_EOF] += 1
    lengths = _code_lengths(symbols)
    codes: dict[int, int] = {}
    code, before = 0, 0
    for bits, symbol in sorted((bits, symbol) for symbol, bits in lengths.items()):
        code <<= bits - before
        codes[symbol], code, before = code, code + 1, bits
    table = bytes(lengths.get(2 * i, 0) | lengths.get(2 * i + 1, 0) << 4 for i in range(256))
    bits_out = _Bits()
    for item in block:
        bits_out.put(lengths[_symbol(item)], codes[_symbol(item)])
        if isinstance(item, tuple):
            _huffman_match(bits_out, item)
    if last:
        bits_out.put(lengths[_EOF], codes[_EOF])
    return table + bits_out.end()


def _huffman_match(bits_out: _Bits, match: tuple[int, int]) -> None:
    distance, length = match[0], match[1] - 3
    if length >= 15:
        bits_out.out += bytes([length - 15]) if length - 15 < 255 else b"\xff" + struct.pack("<H", length)
    bits = distance.bit_length() - 1
    bits_out.put(bits, distance - (1 << bits))


def lznt1(data: bytes) -> bytes:
    """LZNT1 (section 2.5): chunks of 4,096 bytes, plain where compression does not pay."""
    out = bytearray()
    for start in range(0, len(data), 4096):
        chunk = data[start : start + 4096]
        packed = _lznt1_chunk(chunk)
        plain = len(packed) >= len(chunk)
        body = chunk if plain else packed
        out += struct.pack("<H", 0x3000 | (0 if plain else 0x8000) | len(body) - 1) + body
    return bytes(out)


def _lznt1_chunk(chunk: bytes) -> bytes:
    out, group, flags, count, made = bytearray(), bytearray(), 0, 0, 0
    # 18 bytes is the longest match that 4 bits of length hold, as at the end of a chunk.
    for item in items(chunk, 4096, longest=18):
        distance_bits = max(4, (made - 1).bit_length()) if made else 4
        if isinstance(item, int):
            group.append(item)
        else:
            group += struct.pack("<H", item[0] - 1 << 16 - distance_bits | item[1] - 3)
        flags, count = flags | isinstance(item, tuple) << count, count + 1
        made += 1 if isinstance(item, int) else item[1]
        if count == 8:
            out += bytes([flags]) + group
            group, flags, count = bytearray(), 0, 0
    return bytes(out + bytes([flags]) + group) if count else bytes(out)


def compress_recording(plain: bytes, path: Path, kind: int, *, told: int | None = None) -> None:
    """Write a sound recording's bytes with all buffers but the first compressed, each to the size it then has.

    `told` is what the header says the format is; other tools' headers say 3 whatever it is.
    """
    size = int.from_bytes(plain[:4], "little")
    first = bytearray(plain[:size])
    first[0x2C:0x30] = struct.pack("<I", kind if told is None else told)
    mode = int.from_bytes(first[0x68 + 32 : 0x68 + 36], "little")
    first[0x68 + 32 : 0x68 + 36] = struct.pack("<I", mode | 0x04000000)
    out = bytearray(first)
    for at in range(size, len(plain), size):
        head = bytearray(plain[at : at + 0x48])
        end = int.from_bytes(head[0x30:0x34], "little")
        body = compress(kind, plain[at + 0x48 : at + end])
        head[:4] = struct.pack("<I", 0x48 + len(body))
        head[0x34:0x36] = struct.pack("<H", int.from_bytes(head[0x34:0x36], "little") | 0x40)
        out += head + body
    path.write_bytes(out)
