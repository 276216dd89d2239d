"""Which code proves: a certificate is worth as much as the rules that made it."""

from __future__ import annotations

from tracerd.fingerprint import fingerprint

PROVES = ("tracerd.isa", "tracerd.platforms", "tracerd.verifier", "tracerd.elf.spec", "tracerd.errors")
"""What a certificate rests on: this code decodes, knows helpers and contexts, and proves."""


def proving_code() -> bytes:
    """Return a hash of all of it as it is on disk, or nothing if it was installed without sources."""
    try:
        return fingerprint(*PROVES)
    except FileNotFoundError:
        return b""
