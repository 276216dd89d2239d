"""Memory: how the C library keeps what was freed (mallopt(3)), and how much of a block is there (mincore(2))."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE_BYTES = 128 << 10
ARENAS = 2


def give_back() -> bool:
    """Have large blocks mapped and unmapped one by one, and few arenas; False where the C library knows no such thing.

    Without it glibc raises its threshold with the largest block it saw freed, and every thread's arena keeps its share:
    the process grows for as long as different threads copy maps of different sizes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)) and bool(mallopt(M_ARENA_MAX, ARENAS))


def resident_bytes(address: int, size: int) -> int:
    """Return how much of a mapped block is in memory: pages that nobody has touched yet are not. 0 if not known."""
    mincore = getattr(ctypes.CDLL(None), "mincore", None)
    if mincore is None or size <= 0:
        return 0
    start = address & ~(mmap.PAGESIZE - 1)
    pages = np.zeros((address + size - start + mmap.PAGESIZE - 1) // mmap.PAGESIZE, np.uint8)
    length = ctypes.c_size_t(len(pages) * mmap.PAGESIZE)
    if mincore(ctypes.c_void_p(start), length, ctypes.c_void_p(pages.ctypes.data)):
        return 0
    return int((pages & 1).sum()) * mmap.PAGESIZE
