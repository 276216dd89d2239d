"""The peer of `bench vm`: the same bytecode in the kernel, run by BPF_PROG_TEST_RUN."""

from __future__ import annotations

import os
from dataclasses import replace

from tracerd.elf.spec import MapSpec, ObjectSpec
from tracerd.isa.encode import encode
from tracerd.isa.instruction import (
    IMM64_MAP_FD,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_MAP_VALUE,
    Instruction,
)
from tracerd.linux import bpf

_KEY_OF_DATA = bytes(4)


class KernelProgram:
    """The first program of an object, loaded as XDP, with maps of its own. Close it to release its descriptors."""

    def __init__(self, spec: ObjectSpec) -> None:
        """Make the maps and load the program.

        Raises:
            NotPermitted: this user may not use bpf(2).
            RunError: the kernel refuses the program.
        """
        self._descriptors: list[int] = []
        try:
            maps = [self._map(each) for each in spec.maps]
            code = encode(_linked(each, maps) for each in spec.programs[0].instructions)
            self._program = bpf.prog_load(bpf.PROG_TYPE_XDP, code, spec.license)
            self._descriptors.append(self._program)
        except BaseException:
            self.close()
            raise

    def repeat(self, times: int, data: bytes) -> tuple[int, int]:
        """Run `times` times; return (the 32-bit result, nanoseconds of all runs, to the nanosecond of one)."""
        result, ns = bpf.prog_test_run(self._program, data, times)
        return result, ns * times

    def close(self) -> None:
        """Release everything. May be called twice."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _map(self, spec: MapSpec) -> int:
        descriptor = bpf.map_create(spec.type, spec.key_size, spec.value_size, spec.max_entries, spec.flags)
        self._descriptors.append(descriptor)
        if spec.contents:
            bpf.map_update(descriptor, _KEY_OF_DATA, spec.contents)
        return descriptor


def _linked(instruction: Instruction, maps: list[int]) -> Instruction:
    if instruction.is_lddw and instruction.src == IMM64_MAP_INDEX:
        return replace(instruction, src=IMM64_MAP_FD, imm=maps[instruction.imm])
    if instruction.is_lddw and instruction.src == IMM64_MAP_INDEX_VALUE:
        number, offset = instruction.imm & 0xFFFFFFFF, instruction.imm >> 32
        return replace(instruction, src=IMM64_MAP_VALUE, imm=maps[number] | offset << 32)
    return instruction
