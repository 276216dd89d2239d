"""How the C library keeps freed memory (mallopt(3)): a daemon that copies maps all the time should give it back."""

from __future__ import annotations

import ctypes

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
