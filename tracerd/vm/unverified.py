"""Run raw bytecode that nobody has proved: for bpf_conformance, in a process that is thrown away afterwards.

Only `cli.conformance_plugin` may import this module (an import contract). r1 is the memory, r2 its length. There are no
maps and no helpers; the decoder and the engines still refuse what RFC 9669 does not define, callx among it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracerd.errors import RunError
from tracerd.isa.decode import decode
from tracerd.isa.encode import encode
from tracerd.isa.instruction import Instruction
from tracerd.native import ffi, lib
from tracerd.vm.interpreter import Image
from tracerd.vm.jit_graph import is_local_call
from tracerd.vm.jit_lower import lower
from tracerd.vm.jit_unit import Unit

ENGINES = ("interpreter", "jit")


def run_unverified(code: bytes, memory: bytes, engine: str, level: int = 2) -> int:
    """Run a program once and return r0. `level` is LLVM's optimisation level.

    Raises:
        InstructionError: the bytecode has something that is not an eBPF instruction.
        RunError: an engine refuses it.
    """
    instructions = decode(code)
    native = ffi.from_buffer("uint8_t[]", bytearray(memory) or bytearray(1))
    run: Any = ffi.new("struct tr_run *")
    if engine == "jit":
        result = _jit(instructions, native, len(memory), run, level)
    else:
        result = _interpret(instructions, native, len(memory), run)
    if run.aborted:
        raise RunError(engine, "the program ran off its end and was stopped")
    return result


def _interpret(instructions: tuple[Instruction, ...], memory: Any, length: int, run: Any) -> int:
    image = Image("interpreter", encode(instructions))
    try:
        return int(lib.tr_image_call(image.native, int(ffi.cast("uintptr_t", memory)), length, run))
    finally:
        image.close()


def _jit(instructions: tuple[Instruction, ...], memory: Any, length: int, run: Any, level: int) -> int:
    from tracerd.vm.jit import compiler  # LLVM is loaded only where it is used

    backend = compiler(level)
    try:
        lowered = lower(Unit(instructions, tuple(_subprograms(instructions)), raw=True))
    except (IndexError, KeyError) as error:
        raise RunError("jit", f"control leaves the program: {error}") from error
    code = backend.link(backend.compile(lowered), {})
    try:
        entry = ffi.cast("uint64_t (*)(void *, struct tr_run *, uint64_t)", code.address)
        return int(entry(memory, run, length))
    finally:
        code.close()


def _subprograms(instructions: tuple[Instruction, ...]) -> Iterator[tuple[str, int, int]]:
    """Cut the program where its local calls lead."""
    starts = {0}
    for index, instruction in enumerate(instructions):
        if is_local_call(instruction):
            starts.add(index + 1 + instruction.imm)
    ordered = sorted(starts)
    for start, end in zip(ordered, [*ordered[1:], len(instructions)], strict=True):
        yield f"sub{start}", start, end
