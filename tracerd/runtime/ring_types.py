"""What a ring buffer's records are: of the type that the map declares as its value, else of those its exports name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracerd.btf.types import Btf
from tracerd.elf.spec import MapSpec
from tracerd.runtime.map_view import jsonable
from tracerd.runtime.rings import RingFollower
from tracerd.signals import Signals
from tracerd.views.enums import Enums
from tracerd.views.values import Codec, named_type

Condition = tuple[tuple[str, int], ...]
"""Fields that have these numbers, in records of a type."""


@dataclass(frozen=True, slots=True)
class RecordType:
    """What a record may be."""

    codec: Codec
    condition: Condition
    enums: Enums


class TypedFollower:
    """A ring buffer's follower that knows what its records are."""

    def __init__(self, follower: RingFollower, types: Sequence[RecordType]) -> None:
        self._types = types
        self._follower = follower
        self.take = follower.take
        self.close = follower.close

    @property
    def ended(self) -> bool:
        """True if nothing waits and nothing will come: its probe is unloaded."""
        return self._follower.ended

    def decode(self, record: bytes) -> object:
        """Return a record as JSON has it, enumerators by name; hex if it is of none of the types."""
        for each in self._types:
            if len(record) >= each.codec.size:
                value = each.codec.decode(record[: each.codec.size])
                if not each.condition or _meets(value, each.condition):
                    return jsonable(each.enums.name(value))
        return record.hex()


def record_types(ring: MapSpec, btf: Btf | None, signals: Signals) -> list[RecordType]:
    """Return the types that records of a ring buffer may have, and what a record of each looks like.

    Types with a condition come first: one without would take every record that is long enough.
    """
    if btf is None:
        return []
    if ring.value_type:
        return [_record_type(btf, ring.value_type, ())]
    found = ((named_type(btf, name), where) for name, where in _named(signals, ring.name))
    types = [_record_type(btf, type_id, where) for type_id, where in found if type_id]
    return sorted(types, key=lambda each: not each.condition)


def _record_type(btf: Btf, type_id: int, condition: Condition) -> RecordType:
    return RecordType(Codec.of(btf, type_id), condition, Enums(btf, type_id))


def _named(signals: Signals, ring: str) -> list[tuple[str, Condition]]:
    records = [*(each.record for each in signals.logs), *(each.record for each in signals.spans)]
    return [(each.type, each.where) for each in records if each.ringbuf == ring and each.type]


def _meets(value: object, condition: Condition) -> bool:
    for path, number in condition:
        found: object = value if isinstance(value, dict) else {"value": value}
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if found != number:
            return False
    return True
