"""Prove a job in this process. `sandbox` does the same in a process of its own, which is what the product uses."""

from __future__ import annotations

from tracerd.verifier.analysis import analyse
from tracerd.verifier.job import Certificate, Job, Rejection, VerifiedProgram
from tracerd.verifier.verdict import accepted, rejected


def verify(job: Job) -> VerifiedProgram | Rejection:
    """Return the job with its proof, or the first need that could not be shown to be met."""
    verdict = analyse(job)
    return accepted(job, verdict) if isinstance(verdict, Certificate) else rejected(job, verdict)
