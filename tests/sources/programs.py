"""Programs for the tests of live sources: written in LLVM's text, linked by hand, run by the interpreter."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.encode import encode
from tracerd.native import ffi, lib
from tracerd.platforms.linux import LINUX

_NAMES = {helper.name: helper.id for helper in LINUX.helpers}

# Every program here finds (or makes) the 64-byte value of its key and leaves its address in r6.
_FIND_OR_MAKE = """
    r1 = {map} ll
    r2 = r10
    r2 += -8
    call map_lookup_elem
    if r0 != 0 goto found
    r0 = 0
    *(u64 *)(r10 - 72) = r0
    *(u64 *)(r10 - 64) = r0
    *(u64 *)(r10 - 56) = r0
    *(u64 *)(r10 - 48) = r0
    *(u64 *)(r10 - 40) = r0
    *(u64 *)(r10 - 32) = r0
    *(u64 *)(r10 - 24) = r0
    *(u64 *)(r10 - 16) = r0
    r1 = {map} ll
    r2 = r10
    r2 += -8
    r3 = r10
    r3 += -72
    r4 = 1
    call map_update_elem
    r1 = {map} ll
    r2 = r10
    r2 += -8
    call map_lookup_elem
    if r0 == 0 goto full
found:
    r6 = r0
"""

_END = """
full:
    r0 = 0
    exit
"""

_KEY = """
    r9 = r1
    call get_current_pid_tgid
    *(u64 *)(r10 - 8) = r0
"""

COUNT = _KEY + _FIND_OR_MAKE + """
    r1 = 1
    lock *(u64 *)(r6 + 0) += r1
    r1 = r6
    r1 += 16
    r2 = 16
    call get_current_comm
    call get_current_uid_gid
    *(u64 *)(r6 + 32) = r0
    call get_smp_processor_id
    *(u64 *)(r6 + 40) = r0
""" + _END
"""By thread: count at 0, name at 16, ids at 32, last CPU at 40."""


def in_turn(side: int) -> str:
    """By thread: events at 0, time of the last at 8, its side (1 or 2) at 16, times going back at 24, sides not taking
    turns at 32, changes of CPU at 40 (with the last CPU + 1 at 48). `side` is that of the event this program is for.
    """
    return _KEY + _FIND_OR_MAKE + f"""
    r1 = *(u64 *)(r6 + 0)
    r1 += 1
    *(u64 *)(r6 + 0) = r1
    call ktime_get_ns
    r1 = *(u64 *)(r6 + 8)
    *(u64 *)(r6 + 8) = r0
    if r1 <= r0 goto forward
    r1 = *(u64 *)(r6 + 24)
    r1 += 1
    *(u64 *)(r6 + 24) = r1
forward:
    r1 = *(u64 *)(r6 + 16)
    r2 = {side}
    *(u64 *)(r6 + 16) = r2
    if r1 != {side} goto turns
    r1 = *(u64 *)(r6 + 32)
    r1 += 1
    *(u64 *)(r6 + 32) = r1
turns:
    call get_smp_processor_id
    r0 += 1
    r1 = *(u64 *)(r6 + 48)
    *(u64 *)(r6 + 48) = r0
    if r1 == r0 goto full
    r1 = *(u64 *)(r6 + 40)
    r1 += 1
    *(u64 *)(r6 + 40) = r1
""" + _END


PRINT = 10_000
PRINTS = f"""
    r1 = 0x216d31335b6325 ll
    *(u64 *)(r10 - 8) = r1
    r6 = {PRINT}
again:
    r1 = r10
    r1 += -8
    r2 = 8
    r3 = 27
    call trace_printk
    r6 += -1
    if r6 != 0 goto again
    r0 = 0
    exit
"""
"""Prints ESC and "[31m!" so often: more than find room, and what a terminal would obey."""


FOREVER = """
loop:
    goto loop
"""
"""Ends only by fuel: its jump is a fuel edge."""


@dataclass
class Native:
    """A program with its one map, ready to link. Keep it as long as the source that runs it."""

    text: str
    map: Any = None
    fuel_edges: tuple[int, ...] = ()
    program: Any = field(init=False)
    _image: Any = field(init=False)

    def __post_init__(self) -> None:
        error = ffi.new("char[256]")
        self.map = self.map or table()
        address = int(ffi.cast("uint64_t", self.map))
        code = encode(parse_llvm(self.text.replace("{map}", hex(address)), _NAMES))
        helpers = ffi.new("struct tr_image_helper[]", len(_NAMES))
        for row, (name, number) in zip(helpers, _NAMES.items(), strict=True):
            row.id, row.address = number, lib.tr_helper_address(name.encode())
        edges = ffi.new("uint32_t[]", self.fuel_edges or (0,))
        options = ffi.new("struct tr_image_options *", {
            "helpers": helpers, "fuel_edges": edges, "helper_count": len(_NAMES),
            "fuel_edge_count": len(self.fuel_edges), "checked": 0,
        })
        self._image = lib.tr_image_new(code, len(code) // 8, options, error, 256)
        assert self._image != ffi.NULL, ffi.string(error)
        self.program = ffi.gc(lib.tr_program_new(), lib.tr_program_free)
        self.program.fuel = 1000
        lib.tr_program_set_entry(self.program, ffi.addressof(lib, "tr_interpret"), self._image)

    def words(self, key: int) -> tuple[int, ...] | None:
        """Return the 8 words of a key's value, or None."""
        value = ffi.new("uint64_t[8]")
        found = lib.tr_map_lookup(self.map, ffi.new("uint64_t *", key), value)
        return tuple(value) if found == 0 else None

    def thread(self, tid: int) -> tuple[int, ...]:
        """Return the value of the main thread of a process."""
        words = self.words(tid << 32 | tid)
        assert words is not None, f"no events of thread {tid}"
        return words


def table() -> Any:
    """A hash map of 16,384 keys of 8 bytes with values of 64 bytes."""
    error = ffi.new("char[256]")
    made = lib.tr_map_new(1, 8, 64, 16384, 0, 1, error, 256)
    assert made != ffi.NULL, ffi.string(error)
    return ffi.gc(made, lib.tr_map_free)


def comm_of(words: tuple[int, ...]) -> str:
    """Return the name that COUNT kept."""
    return struct.pack("<2Q", *words[2:4]).rstrip(b"\0").decode()
