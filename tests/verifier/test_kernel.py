"""Against the kernel's verifier on the same bytecode: where we accept and it rejects, there must be a known reason."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests.verifier.programs import MAPS, Generator, job
from tests.verifier.test_cases import FOLDER, PREAMBLES, READ_ONLY
from tracerd.errors import NotPermitted, RunError
from tracerd.isa.decode import decode
from tracerd.isa.encode import encode
from tracerd.isa.instruction import (
    IMM64_MAP_FD,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_MAP_VALUE,
    LDDW,
    Instruction,
)
from tracerd.verifier import Certificate, Job, analyse

bpf = pytest.importorskip("tracerd.linux.bpf", reason="the native core is not built here", exc_type=ImportError)

PROGRAM_TYPES = {"tracepoint": 5, "xdp": 6}
RANDOM_PROGRAMS = 30

ALLOWED = {
    # what the kernel says: why accepting is right here all the same
    r"unreachable insn": "dead code is compiled but never runs",
    r"old state:|infinite loop|back-edge": "the kernel sees a state again; here the loop's end is proved by a counter",
    r"BPF program is too large|too complex": "the kernel walks every path, up to a million instructions",
    r"R\d+ offset is outside of the packet": "lengths, and offsets beyond 0xffff, are compared as plain integers here",
    r"unbounded m(in|ax) value|unbounded memory access": "only accesses need bounds, arithmetic does not",
    r"invalid access to map value pointer": "the address of an object's end may be made, it is not accessed",
    r"dereference of modified ctx ptr": "context + constant is an offset like any other",
    r"invalid bpf_context access": "records may be read unaligned, fields in part",
    r"same insn cannot be used with different pointers": "allowed while the load is the same for both",
    r"subtraction from stack pointer prohibited": "r10 - 8 is r10 + -8",
}

@pytest.fixture(scope="module")
def descriptors() -> Iterator[list[int]]:
    """The maps of `programs.MAPS` in the kernel."""
    found: list[int] = []
    try:
        for facts in (*MAPS, READ_ONLY):
            found.append(bpf.map_create(facts.kind, facts.key_size, facts.value_size, facts.max_entries,
                                        0x80 if facts.read_only else 0))
        os.close(bpf.prog_load(5, bytes.fromhex("b700000000000000" "9500000000000000")))
    except NotPermitted as refusal:
        pytest.skip(str(refusal))
    yield found
    for descriptor in found:
        os.close(descriptor)


def with_descriptors(code: Sequence[Instruction], descriptors: Sequence[int]) -> bytes:
    """Replace map indices by file descriptors."""
    kinds = {IMM64_MAP_INDEX: IMM64_MAP_FD, IMM64_MAP_INDEX_VALUE: IMM64_MAP_VALUE}
    out = []
    for each in code:
        if each.opcode == LDDW and each.src in kinds:
            imm = descriptors[each.imm & 0xFFFFFFFF] | each.imm >> 32 << 32
            each = Instruction(LDDW, each.dst, kinds[each.src], 0, imm)
        out.append(each)
    return encode(out)


def kernel_refusal(subject: Job, descriptors: Sequence[int]) -> str | None:
    """Return what the kernel says against a program, or None."""
    try:
        code = with_descriptors(decode(subject.code), descriptors)
        os.close(bpf.prog_load(PROGRAM_TYPES[subject.type], code))
    except RunError as refusal:
        return str(refusal)
    return None


def compare(subject: Job, descriptors: Sequence[int], note: str) -> bool:
    """Return whether both accept; fail if only we do, for a reason that is not in the list."""
    verdict = analyse(subject)
    if not isinstance(verdict, Certificate) or not verdict.terminates:
        return False   # with fuel a loop need not end, which the kernel does not know
    refusal = kernel_refusal(subject, descriptors)
    if refusal is not None:
        assert any(re.search(pattern, refusal) for pattern in ALLOWED), f"{refusal}\n{note}"
    return refusal is None


def test_cases_that_only_we_accept_have_a_known_reason(descriptors: list[int]) -> None:
    """Every accepted case goes to the kernel too."""
    agreed = 0
    for path in sorted(Path(FOLDER).glob("*.yaml")):
        for case in yaml.safe_load(path.read_text()):
            kind = case.get("type", "tracepoint")
            if case.get("accept") and kind in PROGRAM_TYPES:
                agreed += compare(case_job(case, kind), descriptors, case["name"])
    assert agreed >= 80


def case_job(case: dict[str, Any], kind: str) -> Job:
    text = (PREAMBLES[case["pre"]] if "pre" in case else "") + case["code"]
    functions = [tuple(each) for each in case.get("functions", ())]
    return job(text.replace(";", "\n"), kind, (*MAPS, READ_ONLY), functions)


def test_random_programs_that_only_we_accept_have_a_known_reason(descriptors: list[int]) -> None:
    """Random programs, many of them accepted by both."""
    agreed = 0
    for seed in range(RANDOM_PROGRAMS):
        text = Generator(Random(10_000 + seed)).program()
        agreed += compare(job(text), descriptors, text)
    assert agreed >= RANDOM_PROGRAMS // 4
