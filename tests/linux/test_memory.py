"""How much of a block is in memory: pages that were touched."""

from __future__ import annotations

import ctypes
import mmap
import sys

import pytest

from tracerd.linux.memory import resident_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mincore(2) is asked on Linux")


def test_pages_come_with_what_is_written_into_them() -> None:
    """None before, three after three were touched; a block that is nowhere has none."""
    with mmap.mmap(-1, 64 * mmap.PAGESIZE) as block:
        buffer = (ctypes.c_char * len(block)).from_buffer(block)
        address = ctypes.addressof(buffer)
        assert resident_bytes(address, len(block)) == 0
        for page in (0, 7, 63):
            block[page * mmap.PAGESIZE] = 1
        assert resident_bytes(address, len(block)) == 3 * mmap.PAGESIZE
        assert resident_bytes(address + 1, 1) == mmap.PAGESIZE
        assert resident_bytes(address, 0) == 0
        del buffer
    assert resident_bytes(1 << 20, mmap.PAGESIZE) == 0
