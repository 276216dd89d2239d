"""bpf(2): what the kernel runs is the bytecode we gave it, and its refusals are told in one line."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from tracerd.errors import NotPermitted, RunError
from tracerd.isa.assemble import assemble
from tracerd.isa.encode import encode
from tracerd.isa.instruction import IMM64_MAP_FD, LDDW, SECOND_SLOT, Instruction
from tracerd.linux import bpf

FRAME = bytes(range(64))


def _permitted() -> bool:
    try:
        os.close(bpf.prog_load(bpf.PROG_TYPE_XDP, encode(assemble("mov %r0, 2\nexit"))))
    except (NotPermitted, RunError):
        return False
    return True


pytestmark = pytest.mark.skipif(not _permitted(), reason="this user may not load programs with bpf(2)")


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    """Descriptors to close at the end."""
    held: list[int] = []
    yield held
    for each in held:
        os.close(each)


def test_a_program_runs_on_the_packet(descriptors: list[int]) -> None:
    """The result and a time come back from BPF_PROG_TEST_RUN."""
    text = """
        ldxw %r2, [%r1+0]
        ldxw %r3, [%r1+4]
        mov %r0, 0
        mov %r4, %r2
        add %r4, 16
        jgt %r4, %r3, exit
        ldxb %r0, [%r2+15]
        exit
    """
    descriptors.append(bpf.prog_load(bpf.PROG_TYPE_XDP, encode(assemble(text))))
    result, ns = bpf.prog_test_run(descriptors[0], FRAME, 100)
    assert result == 15
    assert 0 <= ns < 1_000_000


def test_maps_hold_what_was_put_there(descriptors: list[int]) -> None:
    """A value set from here is read back, and read by a program through its descriptor."""
    descriptors.append(bpf.map_create(2, 4, 8, 3))
    assert bpf.map_lookup(descriptors[0], struct.pack("<I", 1), 8) == bytes(8)
    bpf.map_update(descriptors[0], struct.pack("<I", 1), struct.pack("<Q", 77))
    assert bpf.map_lookup(descriptors[0], struct.pack("<I", 1), 8) == struct.pack("<Q", 77)
    assert bpf.map_lookup(descriptors[0], struct.pack("<I", 9), 8) is None
    before = assemble("stw [%r10-4], 1\nmov %r2, %r10\nadd %r2, -4")
    after = assemble("call 1\njeq %r0, 0, exit\nldxdw %r0, [%r0+0]\nexit")
    reference = (Instruction(LDDW, 1, IMM64_MAP_FD, 0, descriptors[0]), Instruction(SECOND_SLOT))
    descriptors.append(bpf.prog_load(bpf.PROG_TYPE_XDP, encode((*before, *reference, *after))))
    assert bpf.prog_test_run(descriptors[1], FRAME, 1)[0] == 77


def test_a_refused_program_is_told_by_the_useful_line_of_the_log() -> None:
    """What the kernel's verifier minds is the cause, not its statistics."""
    with pytest.raises(RunError, match=r"R3 !read_ok") as refused:
        bpf.prog_load(bpf.PROG_TYPE_XDP, encode(assemble("mov %r0, %r3\nexit")))
    assert "processed" not in str(refused.value)


def test_a_map_that_cannot_be_is_refused() -> None:
    """An array whose key is not 4 bytes is the kernel's to refuse."""
    with pytest.raises(RunError, match="Invalid argument"):
        bpf.map_create(2, 8, 8, 1)
