"""All that is known of one 64-bit number: unsigned and signed interval and known bits, each sharpening the others."""

from __future__ import annotations

from typing import NamedTuple

from tracerd.verifier.domains import bits
from tracerd.verifier.domains.interval import S64_MAX, S64_MIN, U64, U64_MAX, to_signed


class Scalar(NamedTuple):
    """A set of 64-bit words: those in both intervals whose known bits agree. Never empty: emptiness is None."""

    ulo: int
    uhi: int
    slo: int
    shi: int
    value: int
    unknown: int

    @property
    def is_constant(self) -> bool:
        return self.ulo == self.uhi

    def contains(self, word: int) -> bool:
        """True if the set has this word, given unsigned."""
        return (
            self.ulo <= word <= self.uhi
            and self.slo <= to_signed(word) <= self.shi
            and word & ~self.unknown & U64_MAX == self.value
        )

    def includes(self, other: Scalar) -> bool:
        """True if every member of `other` is a member of this one, by comparing each bound."""
        return (
            self.ulo <= other.ulo
            and self.uhi >= other.uhi
            and self.slo <= other.slo
            and self.shi >= other.shi
            and not other.unknown & ~self.unknown
            and not (self.value ^ other.value) & ~self.unknown
        )

    def __str__(self) -> str:
        if self.ulo == self.uhi:
            return hex(self.ulo) if self.ulo > 9 and self.slo > 0 else str(self.slo)
        parts = []
        if (self.ulo, self.uhi) != (0, U64_MAX):
            parts.append(f"{self.ulo:#x}..{self.uhi:#x}" if self.uhi > 99999 else f"{self.ulo}..{self.uhi}")
        if (self.slo, self.shi) != (S64_MIN, S64_MAX) and self.slo < 0:
            parts.append(f"signed {self.slo}..{self.shi}")
        if self.unknown != (1 << self.uhi.bit_length()) - 1 and self.unknown != U64_MAX:
            parts.append(f"bits {self.value:#x}/{self.unknown:#x}")
        return "(" + ", ".join(parts) + ")" if parts else "any"


FULL = Scalar(0, U64_MAX, S64_MIN, S64_MAX, 0, U64_MAX)


def constant(word: int) -> Scalar:
    """Return the set of one word, given unsigned."""
    signed = word - U64 if word > S64_MAX else word
    return Scalar(word, word, signed, signed, word, 0)


def reduce(ulo: int, uhi: int, slo: int, shi: int, value: int, unknown: int) -> Scalar | None:
    """Let each part sharpen the others until nothing changes; None if no word satisfies all.

    1. The smallest word with the known bits is `value`, the largest `value | unknown`.
    2. If all words are below 2**63 the two readings agree; if none is, they differ by exactly 2**64. The same holds
       from the signed side when zero is not inside the interval. If it is, the words are [0, shi] and the top
       [slo + 2**64, 2**64): where the unsigned interval misses one of the two, only the other is left.
    3. The common leading bits of the unsigned ends are known.
    """
    for _ in range(4):
        before = (ulo, uhi, slo, shi, unknown)
        ulo = max(ulo, value)
        uhi = min(uhi, value | unknown)
        if uhi <= S64_MAX:
            slo, shi = max(slo, ulo), min(shi, uhi)
        elif ulo > S64_MAX:
            slo, shi = max(slo, ulo - U64), min(shi, uhi - U64)
        if slo >= 0:
            ulo, uhi = max(ulo, slo), min(uhi, shi)
        elif shi < 0:
            ulo, uhi = max(ulo, slo + U64), min(uhi, shi + U64)
        elif ulo > shi:
            ulo, shi = max(ulo, slo + U64), -1
        elif uhi < slo + U64:
            uhi, slo = min(uhi, shi), 0
        if ulo > uhi or slo > shi:
            return None
        prefix = ~((1 << (ulo ^ uhi).bit_length()) - 1)
        if (value ^ ulo) & prefix & ~unknown:
            return None
        unknown &= ~prefix
        value = (value | (ulo & prefix)) & ~unknown
        if before == (ulo, uhi, slo, shi, unknown):
            break
    return Scalar(ulo, uhi, slo, shi, value, unknown)


def build(unsigned: tuple[int, int], signed: tuple[int, int], known: bits.Bits = bits.ANY) -> Scalar:
    """Combine three sound descriptions of one set.

    They contradict each other only if the set is empty, that is if an operand was: a dead path that nobody has noticed
    yet. Then every answer is right.
    """
    return reduce(*unsigned, *signed, *known) or FULL


def unsigned_range(lo: int, hi: int) -> Scalar:
    """Return the words from lo to hi, unsigned."""
    return build((lo, hi), (S64_MIN, S64_MAX))


def signed_range(lo: int, hi: int) -> Scalar:
    """Return the words from lo to hi, signed."""
    return build((0, U64_MAX), (lo, hi))


def of_size(size: int) -> Scalar:
    """Return what a zero-extended load of so many bytes may give."""
    return _OF_SIZE[size]


_OF_SIZE = {size: unsigned_range(0, (1 << 8 * size) - 1) for size in (1, 2, 4, 8)}


def meet(a: Scalar, b: Scalar) -> Scalar | None:
    """Return the words in both, or None if there is none (as far as the parts can tell)."""
    known = bits.meet((a.value, a.unknown), (b.value, b.unknown))
    if known is None:
        return None
    return reduce(max(a.ulo, b.ulo), min(a.uhi, b.uhi), max(a.slo, b.slo), min(a.shi, b.shi), *known)


def join(a: Scalar, b: Scalar) -> Scalar:
    """Return a set that has the words of both."""
    unknown = a.unknown | b.unknown | (a.value ^ b.value)
    return Scalar(
        min(a.ulo, b.ulo), max(a.uhi, b.uhi), min(a.slo, b.slo), max(a.shi, b.shi), a.value & ~unknown, unknown
    )
