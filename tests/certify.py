"""Certificates written by hand, for tests of the engines whose programs are safe by construction.

What the verifier would prove is read off the code: every backward jump may need fuel, a map helper's map is the last
lddw before it. Only tests may do this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.decode import decode
from tracerd.isa.encode import encode
from tracerd.isa.instruction import CALL, CALL_HELPER, EXIT, IMM64_MAP_INDEX, JMP, JMP32, Instruction
from tracerd.platforms.linux import HELPERS
from tracerd.verifier.job import Certificate, Job, MapFacts, VerifiedProgram
from tracerd.vm.jit_graph import is_local_call, jump_target


def certify(
    job: Job, *, terminates: bool = True, context_loads: Mapping[int, int] | None = None, context_bytes: int = 0
) -> VerifiedProgram:
    """Believe that a job is safe."""
    code = decode(job.code)
    certificate = Certificate(
        digest=job.digest(),
        verifier="tests",
        context_bytes=context_bytes,
        stack_bytes=(512,) * len(job.subprograms),
        terminates=terminates,
        fuel_edges=() if terminates else tuple(backward_jumps(code)),
        context_loads=dict(context_loads or {}),
        call_maps=call_maps(code),
        instructions=len(code),
        states=1,
        seconds=0.0,
        peak_mb=0.0,
    )
    return VerifiedProgram(job, certificate)


def job_of(code: Sequence[Instruction], maps: Sequence[MapFacts] = (), kind: str = "tracepoint") -> Job:
    """Describe a program; its functions begin where its local calls lead."""
    starts = {0}
    for index, each in enumerate(code):
        if is_local_call(each):
            starts.add(index + 1 + each.imm)
    ordered = sorted(starts)
    ranges = zip(ordered, [*ordered[1:], len(code)], strict=True)
    functions = tuple((f"function{start}", start, end) for start, end in ranges)
    return Job("test", "linux", kind, encode(code), functions, tuple(maps))


def program(
    text: str,
    maps: Sequence[MapFacts] = (),
    *,
    kind: str = "tracepoint",
    terminates: bool = True,
    context_loads: Mapping[int, int] | None = None,
    context_bytes: int = 0,
) -> VerifiedProgram:
    """Assemble LLVM's syntax, with helpers by their names, and believe that it is safe."""
    code = parse_llvm(text, {helper.name: helper.id for helper in HELPERS})
    return certify(
        job_of(code, maps, kind), terminates=terminates, context_loads=context_loads, context_bytes=context_bytes
    )


def backward_jumps(code: Sequence[Instruction]) -> list[int]:
    """Return the jumps that lead back, or to themselves."""
    return [
        index
        for index, each in enumerate(code)
        if each.klass in (JMP, JMP32) and each.operation not in (CALL, EXIT) and jump_target(index, each) <= index
    ]


def call_maps(code: Sequence[Instruction]) -> dict[int, int]:
    """Return, for every helper call that an lddw of a map precedes, the last such map."""
    found: dict[int, int] = {}
    last = None
    for index, each in enumerate(code):
        if each.is_lddw and each.src == IMM64_MAP_INDEX:
            last = each.imm
        elif each.opcode == JMP | CALL and each.src == CALL_HELPER and last is not None:
            found[index] = last
            last = None
    return found
