"""From a verdict to what the rest of the program works with: a VerifiedProgram or a Rejection.

The only place that makes a `VerifiedProgram`.
"""

from __future__ import annotations

from typing import Protocol

from tracerd.elf.spec import SourceLine
from tracerd.verifier.job import Certificate, Job, Refutation, Rejection, VerifiedProgram


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
        ValueError: the certificate is another job's.
    """
    if certificate.digest != job.digest():
        raise ValueError(f"a certificate for {certificate.digest[:16]}… does not prove {job.program}")
    return VerifiedProgram(job, certificate)


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
