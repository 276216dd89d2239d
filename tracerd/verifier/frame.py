"""One stack frame: which bytes are initialised, and which values sit in them.

Offsets are relative to the frame's top (r10): −512 … −1. Byte sets are integers with one bit per byte. A cell is a
value whose bytes lie together; bytes that are initialised but in no cell hold numbers of which nothing is known.
"""

from __future__ import annotations

from typing import NamedTuple

from tracerd.verifier.values import FRAME_BYTES, NUMBER, UNSET, ZERO_SYMBOL, Value, number


class Cell(NamedTuple):
    """`size` bytes that hold the low bytes of `value`. Fewer than 8 bytes: a number below 2**(8 × size)."""

    size: int
    value: Value


def byte_mask(offset: int, size: int) -> int:
    """Return the set of bytes [offset, offset + size). Bit 0 is the frame's lowest byte."""
    return ((1 << size) - 1) << (offset + FRAME_BYTES)


class Frame:
    """The stack of one active function, and the registers its caller wants back."""

    __slots__ = ("cells", "held", "init", "saved")

    def __init__(self, saved: tuple[Value, Value, Value, Value] = (UNSET, UNSET, UNSET, UNSET)) -> None:
        self.cells: dict[int, Cell] = {}
        self.init = 0        # initialised bytes
        self.held = 0        # bytes in cells, a subset of `init`
        self.saved = saved   # the caller's r6 … r9

    def copy(self) -> Frame:
        other = Frame(self.saved)
        other.cells = self.cells.copy()
        other.init = self.init
        other.held = self.held
        return other

    def overlapping(self, offset: int, size: int) -> list[tuple[int, Cell]]:
        """Return the cells that share a byte with [offset, offset + size), lowest first."""
        if not self.held & byte_mask(offset, size):
            return []
        start = max(offset - 7, -FRAME_BYTES)
        if offset + size - start > len(self.cells):
            found = [(o, c) for o, c in self.cells.items() if o < offset + size and o + c.size > offset]
            return sorted(found)
        cells = self.cells
        return [(o, cells[o]) for o in range(start, offset + size) if o in cells and o + cells[o].size > offset]

    def pointers_in(self, offset: int, size: int) -> bool:
        """True if a byte of that range belongs to a spilled pointer."""
        return any(cell.value.kind != NUMBER for _, cell in self.overlapping(offset, size))

    def pointer_mask(self) -> int:
        """Return the bytes of all spilled pointers."""
        mask = 0
        for offset, cell in self.cells.items():
            if cell.value.kind != NUMBER:
                mask |= byte_mask(offset, cell.size)
        return mask

    def forget(self, offset: int, size: int) -> None:
        """Drop what is known of the values in that range; keep the untouched bytes of constants.

        What is left of a spilled pointer must not be read as a number: all its bytes become uninitialised.
        """
        for at, cell in self.overlapping(offset, size):
            del self.cells[at]
            self.held &= ~byte_mask(at, cell.size)
            value = cell.value
            if value.kind != NUMBER:
                self.init &= ~byte_mask(at, cell.size)
            if value.kind == NUMBER and value.symbol == ZERO_SYMBOL:
                for byte in range(cell.size):
                    if not offset <= at + byte < offset + size:
                        self._put(at + byte, 1, number(value.constant >> 8 * byte & 0xFF))

    def store(self, offset: int, size: int, value: Value) -> None:
        """Write a value at a known place."""
        old = self.cells.get(offset)
        if old is None or old.size != size:
            self.forget(offset, size)
        self._put(offset, size, value)

    def scramble(self, offset: int, size: int) -> None:
        """Write unknown numbers at a known place."""
        self.forget(offset, size)
        self.init |= byte_mask(offset, size)

    def blur(self, start: int, end: int) -> None:
        """Let something be written somewhere in [start, end): initialised bytes stay so, spilled pointers are lost."""
        offset = max(start, -FRAME_BYTES)
        size = min(end, 0) - offset
        if size <= 0:
            return
        self.forget(offset, size)

    def remove(self, offset: int) -> None:
        """Drop one cell; its bytes become unreadable if it held a pointer, else unknown numbers."""
        cell = self.cells.pop(offset)
        mask = byte_mask(offset, cell.size)
        self.held &= ~mask
        if cell.value.kind != NUMBER:
            self.init &= ~mask

    def replace(self, offset: int, value: Value) -> None:
        """Change the value of a cell in place, keeping its size."""
        self.cells[offset] = Cell(self.cells[offset].size, value)

    def _put(self, offset: int, size: int, value: Value) -> None:
        mask = byte_mask(offset, size)
        self.cells[offset] = Cell(size, value)
        self.init |= mask
        self.held |= mask

    def constant_at(self, offset: int, size: int) -> int | None:
        """Return the bytes as a little-endian number if all of them are constants."""
        word = 0
        covered = 0
        for at, cell in self.overlapping(offset, size):
            if cell.value.kind != NUMBER or cell.value.symbol != ZERO_SYMBOL:
                return None
            shift = 8 * (at - offset)
            part = cell.value.constant & ((1 << 8 * cell.size) - 1)
            word |= part << shift if shift >= 0 else part >> -shift
            covered |= byte_mask(at, cell.size)
        if byte_mask(offset, size) & ~covered:
            return None
        return word & ((1 << 8 * size) - 1)
