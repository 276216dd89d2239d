"""The proof in a process of its own: started by exec, kept warm, fed with bytes, killed when it misbehaves."""

from __future__ import annotations

from tracerd.verifier.sandbox.client import Verifier, VerifierStatistics

__all__ = ["Verifier", "VerifierStatistics"]
