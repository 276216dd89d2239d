"""The caches of a state directory: proofs and compiled code. Where one cannot be had, things are made anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tracerd.errors import RunError, TracerdError
from tracerd.runtime.cache import BlobStore, CacheStatistics
from tracerd.runtime.proofs import CachingVerifier
from tracerd.verifier.verdict import Prover

PROOF_BYTES, CODE_BYTES = 32 << 20, 64 << 20
"""A proof has some 200 bytes, a program's code some kilobytes: thousands of either."""


@dataclass(frozen=True, slots=True)
class Caches:
    """What is kept between runs. `refused` says in one sentence each why something is not."""

    prover: Prover                       # asks the proofs first, if there are any
    proofs: BlobStore | None
    code: BlobStore | None
    refused: tuple[TracerdError, ...]

    def statistics(self) -> dict[str, CacheStatistics]:
        """Return the counts of each cache there is."""
        named = {"proofs": self.proofs, "code": self.code}
        return {name: store.statistics() for name, store in named.items() if store is not None}

    def close(self) -> None:
        """Let go of the folders; the verifier stays the caller's. May be called twice."""
        for store in (self.proofs, self.code):
            if store is not None:
                store.close()


def open_caches(state_dir: Path, verifier: Prover) -> Caches:
    """Open both caches in `state_dir`/cache. Never fails: a cache that cannot be used is left out, and told."""
    refused: list[TracerdError] = []
    proofs = _open(state_dir / "cache" / "proofs", PROOF_BYTES, refused)
    code = _open(state_dir / "cache" / "code", CODE_BYTES, refused)
    prover = CachingVerifier(verifier, proofs) if proofs is not None else verifier
    return Caches(prover, proofs, code, tuple(refused))


def _open(directory: Path, most: int, refused: list[TracerdError]) -> BlobStore | None:
    try:
        return BlobStore(directory, most)
    except RunError as error:
        refused.append(error)
        return None
