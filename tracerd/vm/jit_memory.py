"""Loads, stores and atomics as LLVM IR (RFC 9669 §5).

Plain accesses are `align 1`: eBPF promises no alignment. Atomics need natural alignment, which the verifier proves.
"""

from __future__ import annotations

from tracerd.isa.instruction import ADD, AND, CMPXCHG, FETCH, MEMSX, OR, ST, XCHG, XOR, Instruction
from tracerd.vm.jit_values import Emitter, Value, narrow, signed

ATOMICS = {ADD: "add", OR: "or", AND: "and", XOR: "xor"}


def lower_load(emit: Emitter, instruction: Instruction, src: Value) -> Value:
    """Return what a LDX loads, zero- or sign-extended."""
    bits = instruction.size * 8
    address = emit.address(src, instruction.offset)
    loaded = emit.op(f"load i{bits}, ptr {address}, align 1")
    if instruction.mode == MEMSX:
        return Value(emit.op(f"sext i{bits} {loaded} to i64"))
    if bits == 64:
        return Value(loaded)
    return narrow(loaded if bits == 32 else emit.op(f"zext i{bits} {loaded} to i32"))


def lower_store(emit: Emitter, instruction: Instruction, dst: Value, src: Value) -> None:
    """Store the low bytes of `src` (STX) or the constant (ST)."""
    bits = instruction.size * 8
    if instruction.klass == ST:
        what = str(signed(instruction.imm, bits))
    else:
        what = emit.bits(src, bits)
    emit.do(f"store i{bits} {what}, ptr {emit.address(dst, instruction.offset)}, align 1")


def lower_atomic(emit: Emitter, instruction: Instruction, dst: Value, src: Value, r0: Value) -> Value | None:
    """Emit a read-modify-write; return what it fetched, or None.

    The fetched value goes to `src`, that of CMPXCHG to r0; a 4-byte one is zero-extended (§5.3). All are sequentially
    consistent: on x86-64 that costs the same `lock` as anything weaker.
    """
    size = instruction.size
    kind = f"i{size * 8}"
    address = emit.address(dst, instruction.offset)
    operand = emit.bits(src, size * 8)
    order = f"seq_cst, align {size}"
    if instruction.imm == CMPXCHG:
        expected = emit.bits(r0, size * 8)
        pair = emit.op(f"cmpxchg ptr {address}, {kind} {expected}, {kind} {operand} seq_cst {order}")
        old = emit.op(f"extractvalue {{ {kind}, i1 }} {pair}, 0")
    else:
        name = "xchg" if instruction.imm == XCHG else ATOMICS[instruction.imm & ~FETCH]
        old = emit.op(f"atomicrmw {name} ptr {address}, {kind} {operand} {order}")
        if not instruction.imm & FETCH:
            return None
    return Value(old) if size == 8 else narrow(old)


