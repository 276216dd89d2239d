"""Where labels are: each is so many bytes of the key, and the object's BTF says which field that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracerd.btf.layout import Field, Kind
from tracerd.config.ebpf_exporter.document import Label
from tracerd.views.columns import MapColumns

NUMBERS = (Kind.INT, Kind.BOOL, Kind.CHAR, Kind.ENUM, Kind.POINTER)
LARGEST_NUMBER = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A label's field. Without an object `leaf` is not known, and the label's name stands for the field's."""

    label: Label
    source: str
    leaf: Field | None

    @property
    def number(self) -> bool:
        """True if the field is one number, or may be."""
        if self.leaf is None:
            return self.label.size <= LARGEST_NUMBER
        return self.leaf.kind in NUMBERS and not self.leaf.shape

    @property
    def unsigned(self) -> bool:
        """True if the field is known to be a number without a sign."""
        return self.number and self.leaf is not None and not self.leaf.signed

    @property
    def size(self) -> int:
        """Bytes of the field."""
        return self.leaf.end - self.leaf.offset if self.leaf is not None else self.label.size


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A label that is no field, and why."""

    label: Label
    cause: str


def total_size(labels: Sequence[Label]) -> int:
    """Return the bytes that labels take together."""
    return sum(label.size + label.padding for label in labels)


def place(labels: Sequence[Label], columns: MapColumns | None) -> list[Place | Misplaced]:
    """Find the fields of labels, in their order."""
    found: list[Place | Misplaced] = []
    offset = 0
    for label in labels:
        if columns is None:
            found.append(Place(label, "key" if len(labels) == 1 else label.name, None))
        else:
            found.append(_find(label, offset, columns))
        offset += label.size + label.padding
    return found


def _find(label: Label, offset: int, columns: MapColumns) -> Place | Misplaced:
    """Find the field at an offset. Of a union's members the largest that fits."""
    end = offset + label.size + label.padding
    leaves = {path: columns.field(path) for path in columns.paths if path.split(".")[0] == "key"}
    inside = {path: leaf for path, leaf in leaves.items() if leaf.offset < end and leaf.end > offset}
    fitting = [path for path, leaf in inside.items() if leaf.offset == offset and leaf.end <= end]
    if not fitting:
        return Misplaced(label, f"no field of the key begins at byte {offset} and ends by byte {end}")
    best = max(fitting, key=lambda path: inside[path].end)
    beyond = [path for path, leaf in inside.items() if leaf.end > inside[best].end]
    if beyond or inside[best].bits:
        return Misplaced(label, f"its bytes {offset} to {end} of the key are several fields: {', '.join(inside)}")
    return Place(label, best, inside[best])
