"""Proofs kept on disk: what was proved once, by this very code, is not proved again."""

from __future__ import annotations

import hashlib

import msgspec

from tracerd.runtime.cache import BlobStore
from tracerd.verifier.code import proving_code
from tracerd.verifier.job import Certificate, Job, Options, Rejection, VerifiedProgram
from tracerd.verifier.verdict import Prover, accepted

_decode = msgspec.msgpack.Decoder(Certificate).decode


class CachingVerifier:
    """A verifier that asks a store first.

    Why a certificate from the disk is as good as a new one:
    - It is for this job. The key and the certificate both hold the job's digest, which covers all that a proof depends
      on (code, subprograms, maps with their constant contents, program type, platform); `accepted` compares it again.
    - It is of these rules. The key holds a hash of every source file that proves, and of the interpreter's version: a
      changed rule, helper table or context layout is another key. The process that proves says the same hash of itself.
    - It is under these options. What decides whether a program is accepted, and with which facts, is in the key;
      limits of time and memory are not: they only say when to give up.
    - It is ours. The store authenticates entry and key with a secret that only this user can read. Whoever can read it
      can also change this process.
    Refutations are not kept: more patience may prove what failed, and a rejection is read with its explanation.
    """

    def __init__(self, verifier: Prover, store: BlobStore) -> None:
        """Make one; without sources to tell the rules by, it keeps nothing."""
        self._verifier = verifier
        self._store = store
        self._code = proving_code()

    def verify(self, job: Job) -> VerifiedProgram | Rejection:
        """Return a proof from the store, or have the program proved and keep the proof.

        Raises:
            VerifierUnavailable: as the verifier.
        """
        if job.options.explain or not self._code:    # its log is what is asked for, and is not kept
            return self._verifier.verify(job)
        key = self._key(job)
        kept = self._kept(key, job)
        if kept is not None:
            return kept
        outcome = self._verifier.verify(job)
        if isinstance(outcome, VerifiedProgram):
            self._store.put(key, msgspec.msgpack.encode(outcome.certificate))
        return outcome

    def _kept(self, key: bytes, job: Job) -> VerifiedProgram | None:
        body = self._store.get(key)
        if body is None:
            return None
        try:
            return accepted(job, _decode(body))
        except (msgspec.MsgspecError, ValueError):
            return None                      # authentic and yet not it: the key would have to be another program's

    def _key(self, job: Job) -> bytes:
        return hashlib.sha256(
            msgspec.msgpack.encode(("proof", job.digest(), _deciding(job.options), self._code))
        ).digest()


def _deciding(options: Options) -> tuple[bool, int]:
    """Return the options that decide what is proved, and with which facts."""
    return options.allow_fuel, options.disjuncts
