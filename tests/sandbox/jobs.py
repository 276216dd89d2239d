"""Jobs for the verifier's process, and processes that misbehave."""

from __future__ import annotations

from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.encode import encode
from tracerd.verifier.job import Job, Options

SAFE = "r0 = 0\nexit"
UNSAFE = "r0 = *(u64 *)(r10 - 8)\nexit"


def job(text: str, seconds: float = 5.0, name: str = "p") -> Job:
    """Describe a tracepoint program given as assembly."""
    code = parse_llvm(text)
    return Job(
        program=name,
        platform="linux",
        type="tracepoint",
        code=encode(code),
        subprograms=((name, 0, len(code)),),
        maps=(),
        lines=((0, "p.bpf.c", 7, "return *x;"),),
        options=Options(seconds=seconds),
    )
