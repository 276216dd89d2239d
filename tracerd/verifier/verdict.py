"""From a verdict to what the rest of the program works with: a VerifiedProgram or a Rejection.

The only place that makes a `VerifiedProgram`.
"""

from __future__ import annotations

from typing import Protocol

from tracerd.elf.spec import SourceLine
from tracerd.isa.decode import SLOT_BYTES
from tracerd.verifier.job import Certificate, Job, Refutation, Rejection, VerifiedProgram

MOST_CONTEXT_BYTES = 1 << 16
"""No context is larger: a perf record's size has 16 bits."""


class Prover(Protocol):
    """Whatever comes to a verdict: a process, this process, or a store of earlier proofs."""

    def verify(self, job: Job) -> VerifiedProgram | Rejection:
        """Prove one program.

        Raises:
            VerifierUnavailable: there is nobody to prove it; nothing was proved, so nothing runs.
        """


def accepted(job: Job, certificate: Certificate) -> VerifiedProgram:
    """Join a job with its proof.

    Raises:
        ValueError: the certificate is another job's, or speaks of what the job has not.
    """
    if certificate.digest != job.digest():
        raise ValueError(f"a certificate for {certificate.digest[:16]}… does not prove {job.program}")
    misfit = _misfit(job, certificate)
    if misfit:
        raise ValueError(f"a certificate that speaks of {misfit} does not prove {job.program}")
    return VerifiedProgram(job, certificate)


def _misfit(job: Job, certificate: Certificate) -> str:
    """Return what a certificate names that its job has not.

    It is no second proof: who breaks into the process that proves can claim what is wrong. But engines index by these
    numbers, so none of them leads out of the program, its maps or its context, or is larger than a machine's number.
    """
    slots = range(len(job.code) // SLOT_BYTES)
    named = (*certificate.fuel_edges, *certificate.context_loads, *certificate.call_maps)
    if not all(each in slots for each in named):
        return "instructions that it has not"
    if not all(each in range(len(job.maps)) for each in certificate.call_maps.values()):
        return "maps that it has not"
    offsets = (certificate.context_bytes, *certificate.context_loads.values())
    if not all(each in range(MOST_CONTEXT_BYTES + 1) for each in offsets):
        return "a context that no event has"
    if len(certificate.stack_bytes) != len(job.subprograms):
        return "functions that it has not"
    return ""


def rejected(job: Job, refutation: Refutation) -> Rejection:
    """Turn a refutation into the error a user reads, with the source line the instruction comes from."""
    return Rejection(
        program=job.program,
        instruction=refutation.instruction,
        source=_line_of(job, refutation.instruction),
        register=refutation.register,
        need=refutation.need,
        have=refutation.have,
        refutation=refutation,
    )


def _line_of(job: Job, instruction: int) -> SourceLine | None:
    found = None
    for start, file, line, text in job.lines:
        if start > instruction:
            break
        found = SourceLine(file, line, text)
    return found
