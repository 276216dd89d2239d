"""Run a piece of bytecode on the interpreter, the way the tests need it: memory in, result and faults out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracerd.elf.spec import MapSpec
from tracerd.isa.encode import encode
from tracerd.isa.instruction import Instruction
from tracerd.native import ffi, lib
from tracerd.platforms.linux import HELPERS, LINUX
from tracerd.platforms.model import MapKind
from tracerd.vm.interpreter import Image
from tracerd.vm.maps import Map

ENGINES = (False, True)
"""The plain and the checked interpreter, as the `checked` argument."""

@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind. `fault` is a TR_FAULT_* of the checked interpreter, `slot` where it was."""

    result: int
    memory: bytes
    aborted: int
    fault: int = 0
    slot: int = 0
    fuel: int = 0


def run(
    code: bytes | Sequence[Instruction],
    memory: bytes = b"",
    *,
    checked: bool = False,
    maps: Sequence[Map] = (),
    writable: bool = True,
    fuel: int = 0,
    fuel_edges: Sequence[int] = (),
    setup: Any = None,
) -> Outcome:
    """Run with r1 = memory and r2 = its length; `setup` gets the native run before it starts.

    Raises:
        RunError: the image is refused.
    """
    raw = code if isinstance(code, bytes) else encode(code)
    image = Image("test", raw, HELPERS, fuel_edges=fuel_edges, checked=checked)
    native = ffi.new("uint8_t[]", max(len(memory), 1))
    ffi.memmove(native, memory, len(memory))
    address = int(ffi.cast("uintptr_t", native))
    state: Any = ffi.new("struct tr_run *")
    state.fuel = fuel
    regions: Any = ffi.new("struct tr_regions *")
    table: Any = ffi.new("struct tr_region[1]")
    table[0].start, table[0].size, table[0].writable = address, len(memory), writable
    handles = ffi.new("struct tr_map *[]", [each.handle for each in maps])
    regions.table, regions.count, regions.maps, regions.map_count = table, 1, handles, len(maps)
    state.regions = regions
    if setup:
        setup(state)
    try:
        result = lib.tr_image_call(image.native, address, len(memory), state)
    finally:
        image.close()
    return Outcome(
        result, bytes(ffi.buffer(native))[: len(memory)], state.aborted, regions.fault, regions.fault_slot, state.fuel
    )


def make_map(
    kind: MapKind, key_size: int = 4, value_size: int = 8, max_entries: int = 4, *, cpus: int = 1, **more: Any
) -> Map:
    """Make a map of that shape."""
    assert LINUX.maps[kind.value] is kind
    if kind is MapKind.RINGBUF:
        key_size = value_size = 0
    return Map(MapSpec("m", kind.value, key_size, value_size, max_entries, **more), kind, cpus)
