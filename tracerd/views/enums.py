"""Enumerators by name, for people: `values.Codec` decodes them to numbers, which is what conditions need."""

from __future__ import annotations

from tracerd.btf.layout import Kind, flatten
from tracerd.btf.types import Btf


class Enums:
    """The members of a type that are enumerations. Those in arrays stay numbers."""

    def __init__(self, btf: Btf, type_id: int) -> None:
        """Look them up, once.

        Raises:
            BtfError: the type is damaged.
        """
        self._members = [
            (field.path.split("."), {number: name for name, number in reversed(field.values)})
            for field in flatten(btf, type_id) if field.kind is Kind.ENUM and not field.shape
        ]  # fmt: skip

    def name(self, value: object) -> object:
        """Return a decoded value with names; a number that has none stays one. `value` is changed."""
        for path, names in self._members:
            *outer, last = path
            found = value
            for part in outer:
                found = found.get(part) if isinstance(found, dict) else None
            if isinstance(found, dict) and last in found:
                found[last] = names.get(found[last], found[last])
            elif path == [""] and not isinstance(value, dict):
                return names.get(value, value) if isinstance(value, int) else value
        return value
