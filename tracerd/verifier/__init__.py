"""Prove a program safe, or say which instruction cannot be proved and why.

Pure: bytes in, verdict out. `tracerd.verifier.sandbox` runs the same function in a process of its own.
"""

from __future__ import annotations

from tracerd.verifier.analysis import analyse
from tracerd.verifier.job import Certificate, Job, MapFacts, Options, Refutation, Rejection, Verdict, VerifiedProgram
from tracerd.verifier.verify import verify

__all__ = [
    "Certificate",
    "Job",
    "MapFacts",
    "Options",
    "Refutation",
    "Rejection",
    "Verdict",
    "VerifiedProgram",
    "analyse",
    "verify",
]
