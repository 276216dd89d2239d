"""Calls as LLVM IR: helpers, subprograms, and the helpers that are cheaper inline than called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracerd.native import ffi
from tracerd.platforms.model import MapKind
from tracerd.vm.jit_graph import ARGUMENTS
from tracerd.vm.jit_unit import MapCode, Unit, helper_symbol, map_symbol, values_symbol
from tracerd.vm.jit_values import Emitter, Value, narrow

RUN_FIELDS = {
    "ktime_get_ns": ("now_ns", 64),
    "get_smp_processor_id": ("cpu", 32),
    "get_current_pid_tgid": ("pid_tgid", 64),
    "get_current_uid_gid": ("uid_gid", 64),
}
"""Helpers that only read the run: (field of struct tr_run, bits)."""

def map_definitions(number: int, facts: MapCode) -> Iterator[str]:
    """Yield the globals of a map: its handle, and its values where code may address them."""
    yield f"@{map_symbol(number)} = external global i8, align 8"
    if not facts.kind.array:
        return
    kind = f"[{facts.values_bytes} x i8]"
    if facts.constant:
        text = "".join(f"\\{byte:02X}" for byte in facts.constant.ljust(facts.values_bytes, b"\0"))
        yield f'@{values_symbol(number)} = internal constant {kind} c"{text}", align 8'
    else:
        yield f"@{values_symbol(number)} = external global {kind}, align 8"


def helper_declaration(symbol: str) -> str:
    """Every helper has the same type (border/maps.h, tr_helper_address)."""
    return f"declare i64 @{symbol}(i64, i64, i64, i64, i64, ptr) nounwind"


def run_field(emit: Emitter, name: str) -> str:
    """Return the address of a field of the run."""
    return emit.op(f"getelementptr inbounds i8, ptr %run, i64 {ffi.offsetof('struct tr_run', name)}")


def call_helper(emit: Emitter, unit: Unit, index: int, helper: int, registers: Sequence[Value]) -> Value:
    """Return what a helper call leaves in r0."""
    row = unit.helpers[helper]
    if row.name in RUN_FIELDS:
        field, bits = RUN_FIELDS[row.name]
        loaded = emit.op(f"load i{bits}, ptr {run_field(emit, field)}, align {bits // 8}")
        return Value(loaded) if bits == 64 else narrow(loaded)
    number = unit.call_maps.get(index)
    if number is not None and row.name == "map_lookup_elem" and unit.maps[number].kind.array:
        return _array_lookup(emit, number, unit.maps[number], registers[2])
    count = len(row.arguments)
    arguments = [f"i64 {emit.wide(registers[n])}" if n <= count else "i64 0" for n in ARGUMENTS]
    emit.helpers.add((row.name, number))
    symbol = helper_symbol(row.name, number)
    return Value(emit.op(f"call i64 @{symbol}({', '.join(arguments)}, ptr %run)"))


def call_local(emit: Emitter, unit: Unit, target: int, registers: Sequence[Value]) -> Value:
    """Return what a subprogram leaves in r0. It keeps r6 to r9 by construction: they are the caller's values."""
    arguments = ", ".join(f"i64 {emit.wide(registers[n])}" for n in ARGUMENTS)
    number = unit.subprogram_at(target)
    return Value(emit.op(f"call i64 @sub{number}({arguments}, ptr %context, ptr %run)"))


def _array_lookup(emit: Emitter, number: int, facts: MapCode, key: Value) -> Value:
    """Look an array element up without a call: the key is the element's number, and addresses never change.

    The address is computed `inbounds` before the bound is tested; a `select` does not choose the poison that an index
    beyond the end would make of it.
    """
    index = emit.op(f"load i32, ptr {emit.address(key, 0)}, align 1")
    inside = emit.op(f"icmp ult i32 {index}, {facts.max_entries}")
    offset = emit.op(f"mul i64 {emit.op(f'zext i32 {index} to i64')}, {facts.stride}")
    base = f"@{values_symbol(number)}"
    if facts.kind is MapKind.PERCPU_ARRAY:
        cpu = emit.op(f"load i32, ptr {run_field(emit, 'cpu')}, align 4")
        has_slot = emit.op(f"icmp ult i32 {cpu}, {facts.cpus}")
        inside = emit.op(f"and i1 {inside}, {has_slot}")
        slot = emit.op(f"mul i64 {emit.op(f'zext i32 {cpu} to i64')}, {facts.cpu_stride}")
        offset = emit.op(f"add i64 {offset}, {slot}")
    element = emit.op(f"getelementptr inbounds i8, ptr {base}, i64 {offset}")
    return Value(pointer=emit.op(f"select i1 {inside}, ptr {element}, ptr null"))
