"""What a C compiler would do with a struct, against what BTF says: alignment, packing and the gaps to fill.

BTF keeps offsets but neither `packed` nor `aligned`; a header must say enough for a compiler to find the same offsets.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracerd.btf import types as t
from tracerd.btf.blob import BtfError
from tracerd.btf.layout import POINTER_BYTES, size_of


@dataclass(frozen=True, slots=True)
class Gap:
    """Bits [start, end) that the compiler would not leave by itself. Both count from the struct's first bit."""

    start: int
    end: int


class Packing:
    """Answers for one Btf; remembers alignments, which need the whole tree below a type."""

    def __init__(self, btf: t.Btf) -> None:
        self._btf = btf
        self._alignments: dict[int, int] = {}

    def alignment(self, type_id: int) -> int:
        """Return the bytes that the printed type is aligned to. Recursion is as deep as types nest, see `parse`."""
        known = self._alignments.get(type_id)
        if known is None:
            known = self._alignments[type_id] = self._alignment(self._btf[type_id])
        return known

    def _alignment(self, found: t.Type) -> int:
        match found:
            case t.Alias():
                return self.alignment(found.target)
            case t.Array():
                return self.alignment(found.element)
            case t.Int() | t.Enum():
                return found.size
            case t.Float():
                return found.size & -found.size    # 12 bytes of an 80-bit number are aligned to 4
            case t.Pointer():
                return POINTER_BYTES
            case t.Composite():
                return 1 if self.packed(found) else self._strictest(found)
            case _:
                return 1

    def _strictest(self, found: t.Composite) -> int:
        return max((self.alignment(member.type) for member in found.members), default=1)

    def packed(self, found: t.Composite) -> bool:
        """Tell whether a struct cannot be had without `packed`."""
        if found.size % self._strictest(found):
            return True
        for member in found.members:
            unit = self.alignment(member.type) * 8
            if member.bit_size:
                unit = size_of(self._btf, member.type) * 8
                if member.bit_offset % unit + member.bit_size > unit:
                    return True
            elif member.bit_offset % unit:
                return True
        return False

    def gaps(self, found: t.Composite, type_id: int) -> tuple[tuple[Gap | None, ...], Gap | None]:
        """Return the gap to fill before each member, and the one at the end.

        Raises:
            BtfError: members overlap or lie outside their composite, so no C struct has this layout.
        """
        packed = self.packed(found)
        before: list[Gap | None] = []
        at = largest = 0
        for member in found.members:
            bits = member.bit_size or size_of(self._btf, member.type) * 8
            misplaced = member.bit_offset < at or (found.union and member.bit_offset > 0)
            if misplaced or member.bit_offset + bits > found.size * 8:
                raise BtfError(f"member {member.name!r} lies where no C compiler puts it", type_id)
            natural = at if packed else self._natural(at, member)
            before.append(None if natural == member.bit_offset else Gap(at, member.bit_offset))
            largest = max(largest, member.bit_offset + bits)
            if not found.union:
                at = largest
        end = _round_up(largest, 8 if packed else 8 * self._strictest(found))
        return tuple(before), None if end == found.size * 8 else Gap(at, found.size * 8)

    def _natural(self, at: int, member: t.Member) -> int:
        """Return the bit where an unpacked member lands behind bit `at`."""
        if not member.bit_size:
            return _round_up(at, self.alignment(member.type) * 8)
        # System V: a bit field begins at the next bit unless it would cross a boundary of its type.
        unit = size_of(self._btf, member.type) * 8
        return at if at % unit + member.bit_size <= unit else _round_up(at, unit)


def _round_up(value: int, to: int) -> int:
    return (value + to - 1) // to * to
