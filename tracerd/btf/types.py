"""BTF types as frozen values (Documentation/bpf/btf.rst; linux/btf.h).

Ids are those of the blob: 0 is void. A type refers to others by id; `Btf.resolve` skips typedefs and qualifiers.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Int:
    name: str
    size: int            # bytes
    signed: bool
    bool_: bool
    char: bool


@dataclass(frozen=True, slots=True)
class Float:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Pointer:
    target: int


@dataclass(frozen=True, slots=True)
class Array:
    element: int
    index: int
    length: int


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    type: int
    bit_offset: int
    bit_size: int        # 0 unless a bit field


@dataclass(frozen=True, slots=True)
class Composite:
    """A struct or union."""

    name: str
    size: int
    members: tuple[Member, ...]
    union: bool


@dataclass(frozen=True, slots=True)
class Enum:
    name: str
    size: int
    signed: bool
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """Typedef, const, volatile, restrict or a type tag: another name or quality of `target`."""

    kind: str            # "typedef" | "const" | "volatile" | "restrict" | "type_tag"
    name: str
    target: int


@dataclass(frozen=True, slots=True)
class Forward:
    name: str
    union: bool


@dataclass(frozen=True, slots=True)
class FunctionPrototype:
    returns: int
    parameters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    prototype: int
    linkage: int         # 0 static, 1 global, 2 extern


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    type: int
    linkage: int


@dataclass(frozen=True, slots=True)
class DataSection:
    name: str
    size: int
    variables: tuple[tuple[int, int, int], ...]   # (variable id, offset, size)


@dataclass(frozen=True, slots=True)
class DeclarationTag:
    name: str
    target: int
    component: int


@dataclass(frozen=True, slots=True)
class Void:
    pass


Type = (
    Void | Int | Float | Pointer | Array | Composite | Enum | Alias | Forward | FunctionPrototype | Function | Variable
    | DataSection | DeclarationTag
)


@dataclass(frozen=True, slots=True)
class Btf:
    """All types of one blob, indexed by id."""

    types: tuple[Type, ...] = field(repr=False)

    def __getitem__(self, type_id: int) -> Type:
        return self.types[type_id]

    def resolve(self, type_id: int) -> Type:
        """Return the type with typedefs and qualifiers taken off."""
        found = self.types[type_id]
        while isinstance(found, Alias):
            found = self.types[found.target]
        return found
