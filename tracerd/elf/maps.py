"""Maps: what `.maps` declares in BTF (libbpf's `__uint`, `__type`), and global variables behind them.

Objects for eBPF for Windows may have definitions in section `maps` instead: `elf.windows_maps` reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from tracerd.btf.layout import size_of
from tracerd.btf.types import Array, Btf, Composite, DataSection, Member, Pointer, Variable
from tracerd.elf.datasec import data_maps
from tracerd.elf.file import ElfFile
from tracerd.elf.spec import MapSpec
from tracerd.elf.windows_maps import windows_maps

DECLARATIONS = ".maps"
RING_BUFFERS = (27, 13)                  # BPF_MAP_TYPE_RINGBUF of <linux/bpf.h> and of eBPF for Windows
PIN_NONE, PIN_BY_NAME = 0, 1             # libbpf's enum libbpf_pin_type


@dataclass(frozen=True, slots=True)
class Maps:
    """All maps of an object, in the order of `ObjectSpec.maps`.

    `declared` finds a map by (section index, byte offset) of its declaration, `data` by the index of its section.
    """

    specs: tuple[MapSpec, ...]
    declared: Mapping[tuple[int, int], int]
    data: Mapping[int, int]
    windows: bool = False


def find_maps(elf: ElfFile, btf: Btf | None) -> Maps:
    """Find every map: declared ones as they lie in `.maps`, then data sections in file order.

    Raises:
        ObjectError: a declaration that is not understood or not supported.
    """
    specs: list[MapSpec] = []
    declared: dict[tuple[int, int], int] = {}
    data: dict[int, int] = {}
    old = windows_maps(elf)
    for place, spec in [*old, *_declarations(elf, btf)]:
        declared[place] = len(specs)
        specs.append(spec)
    for section, spec in data_maps(elf, btf):
        data[section.index] = len(specs)
        specs.append(spec)
    for name, count in Counter(spec.name for spec in specs).items():
        if count > 1:
            raise elf.error(f"has {count} maps {name!r}")
    return Maps(tuple(specs), declared, data, bool(old))


def _declarations(elf: ElfFile, btf: Btf | None) -> list[tuple[tuple[int, int], MapSpec]]:
    section = elf.section(DECLARATIONS)
    if section is None or not section.size:
        return []
    if btf is None:
        raise elf.error("section '.maps' declares maps in BTF, and the object has none; compile with clang -g")
    types = [each for each in btf.types if isinstance(each, DataSection) and each.name == DECLARATIONS]
    if len(types) != 1:
        raise elf.error(f"BTF describes section '.maps' {len(types)} times, once is expected; compile with clang -g")
    found = []
    for type_id, offset, _ in types[0].variables:
        variable = btf[type_id]
        if not isinstance(variable, Variable):
            raise elf.error(f"section '.maps' holds type {type_id}, which is no variable")
        found.append(((section.index, offset), _Declaration(elf, btf, variable).spec()))
    return found


class _Declaration:
    """One variable of `.maps`. Its type's members carry the attributes in their types; nothing is in the bytes."""

    def __init__(self, elf: ElfFile, btf: Btf, variable: Variable) -> None:
        self._elf = elf
        self._btf = btf
        self._name = variable.name
        self._numbers: dict[str, int] = {}
        self._types: dict[str, int] = {}
        found = btf.resolve(variable.type)
        if not isinstance(found, Composite) or found.union:
            self._refuse("is no struct")
        for member in found.members:
            self._read(member)

    def spec(self) -> MapSpec:
        """Return the map that the attributes describe."""
        if "type" not in self._numbers:
            self._refuse("has no __uint(type, …)")
        return MapSpec(
            name=self._name,
            type=self._numbers["type"],
            key_size=self._size("key"),
            value_size=self._size("value"),
            max_entries=self._numbers.get("max_entries", 0),
            flags=self._numbers.get("map_flags", 0),
            key_type=self._types.get("key"),
            value_type=self._types.get("value"),
            pinned=self._numbers.get("pinning") == PIN_BY_NAME,
        )

    def _read(self, member: Member) -> None:
        match member.name:
            case "type" | "max_entries" | "map_flags" | "key_size" | "value_size":
                self._numbers[member.name] = self._number(member)
            case "numa_node":       # where the kernel would allocate it: no meaning in user space, and no effect
                self._number(member)
            case "key" | "value":
                self._types[member.name] = self._pointed(member)
            case "pinning":
                self._numbers[member.name] = self._number(member)
                if self._numbers[member.name] not in (PIN_NONE, PIN_BY_NAME):
                    self._refuse("is pinned in a way that is not known; __uint(pinning, LIBBPF_PIN_BY_NAME) is")
            case "values":
                self._refuse("holds maps or programs (__array(values, …)), which is not supported yet")
            case _:
                self._refuse(f"has the attribute {member.name!r}, which is not supported; remove it")

    def _pointed(self, member: Member) -> int:
        found = self._btf.resolve(member.type)
        if not isinstance(found, Pointer):
            self._refuse(f"attribute {member.name!r} is not written with __uint or __type")
        return found.target

    def _number(self, member: Member) -> int:
        """Return the N of `int (*name)[N]`, which is what __uint(name, N) writes."""
        found = self._btf.resolve(self._pointed(member))
        if not isinstance(found, Array):
            self._refuse(f"attribute {member.name!r} is not written with __uint")
        return found.length

    def _size(self, what: str) -> int:
        """Return the size of key or value: given by type, by number, or by both alike.

        A ring buffer has neither; a type says there what its records are, for those who read them.
        """
        number = self._numbers.get(f"{what}_size")
        type_id = self._types.get(what)
        if type_id is None:
            return number or 0
        size = size_of(self._btf, type_id)
        if number is None:
            return 0 if self._numbers["type"] in RING_BUFFERS else size
        if number != size:
            self._refuse(f"has a {what}_size of {number}, its {what} has {size} bytes")
        return size

    def _refuse(self, cause: str) -> NoReturn:
        raise self._elf.error(f"map {self._name!r} {cause}")
