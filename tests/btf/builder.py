"""Write BTF by hand, damage included."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
FUNC, PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)


@dataclass
class Builder:
    """Add types in the order of their ids, from 1 on."""

    types: list[bytes] = field(default_factory=list)
    strings: bytearray = field(default_factory=lambda: bytearray(1))

    def name(self, text: str) -> int:
        """Add a string and return its offset."""
        if not text:
            return 0
        offset = len(self.strings)
        self.strings += text.encode() + b"\0"
        return offset

    def add(
        self, kind: int, value: int = 0, name: str = "", tail: bytes = b"", vlen: int = 0, flag: bool = False
    ) -> int:
        """Add a `struct btf_type` and what follows it; return its id."""
        info = kind << 24 | vlen | flag << 31
        self.types.append(struct.pack("<III", self.name(name), info, value) + tail)
        return len(self.types)

    def integer(self, name: str = "int", size: int = 4, encoding: int = 1) -> int:
        return self.add(INT, size, name, struct.pack("<I", encoding << 24 | size * 8))

    def array(self, element: int, length: int) -> int:
        return self.add(ARRAY, tail=struct.pack("<III", element, element, length))

    def struct(self, name: str, size: int, members: list[tuple[str, int, int]], kind: int = STRUCT) -> int:
        """Members are (name, type id, bit offset)."""
        rows = [struct.pack("<III", self.name(text), type_id, offset) for text, type_id, offset in members]
        return self.add(kind, size, name, b"".join(rows), len(members))

    def blob(self) -> bytes:
        types, strings = b"".join(self.types), bytes(self.strings)
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
        return header + types + strings
