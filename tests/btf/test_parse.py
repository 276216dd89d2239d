"""BTF as bpftool reads it: objects of clang, and the running kernel's own."""

from __future__ import annotations

import pytest

from tests.btf.peer import VMLINUX, as_bpftool, bpftool_types, same_words
from tests.elf.build import OBJECTS
from tracerd.btf.parse import parse
from tracerd.btf.types import Alias, Composite, Enum, Function, Int
from tracerd.elf.file import ElfFile


def btf_section(name: str) -> bytes:
    """Return the .BTF section of a test object, as it is in the file."""
    elf = ElfFile((OBJECTS / name).read_bytes(), name)
    section = elf.section(".BTF")
    assert section is not None
    return elf.data(section)


@pytest.mark.parametrize("name", ["types.bpf.o", "linked.bpf.o"])
def test_types_of_an_object_are_those_bpftool_reads(name: str) -> None:
    """Every type of an object has bpftool's kind, name, size, members and values."""
    theirs = bpftool_types(OBJECTS / name)
    assert as_bpftool(parse(btf_section(name))) == [same_words(row) for row in theirs]


def test_types_of_the_kernel_are_those_bpftool_reads() -> None:
    """All of /sys/kernel/btf/vmlinux (more than 100,000 types) reads as in bpftool."""
    if not VMLINUX.exists():
        pytest.skip("this kernel shows no BTF at /sys/kernel/btf/vmlinux")
    ours = as_bpftool(parse(VMLINUX.read_bytes()))
    theirs = bpftool_types(VMLINUX)
    assert len(ours) == len(theirs)
    wrong = [(mine, row) for mine, row in zip(ours, theirs, strict=True) if mine != same_words(row)]
    assert wrong[:3] == []


def test_every_kind_is_in_the_test_object() -> None:
    """types.bpf.c makes clang write all kinds there are, so that the comparison above means something."""
    kinds = {type(found).__name__ for found in parse(btf_section("types.bpf.o")).types}
    assert kinds == {
        "Void", "Int", "Float", "Pointer", "Array", "Composite", "Enum", "Alias", "Forward", "FunctionPrototype",
        "Function", "Variable", "DataSection", "DeclarationTag",
    }  # fmt: skip
    aliases = {found.kind for found in parse(btf_section("types.bpf.o")).types if isinstance(found, Alias)}
    assert aliases == {"typedef", "const", "volatile", "restrict", "type_tag"}


def test_resolve_takes_off_every_alias() -> None:
    """A qualified typedef resolves to what it stands for."""
    btf = parse(btf_section("types.bpf.o"))
    for type_id, found in enumerate(btf.types):
        assert not isinstance(btf.resolve(type_id), Alias)
        if isinstance(found, Alias) and found.name == "u32":
            assert btf.resolve(type_id) == Int("unsigned int", 4, signed=False, bool_=False, char=False)


def test_enums_keep_sign_and_width() -> None:
    """Negative, large unsigned and 64-bit enumerators read as their values."""
    btf = parse(btf_section("types.bpf.o"))
    enums = {found.name: found for found in btf.types if isinstance(found, Enum)}
    assert dict(enums["small"].values)["SMALL_MINUS"] == -1
    assert dict(enums["plain"].values)["PLAIN_BIG"] == 0x80000000
    assert dict(enums["large"].values)["LARGE_B"] == 0x123456789
    assert dict(enums["large_signed"].values)["LARGE_LOW"] == -0x123456789
    assert (enums["tiny"].size, enums["large"].size) == (1, 8)


def test_functions_and_bit_fields_are_described() -> None:
    """A global function keeps its linkage, a bit field its width."""
    btf = parse(btf_section("types.bpf.o"))
    assert [found.linkage for found in btf.types if isinstance(found, Function) and found.name == "touch"] == [1]
    bits = next(found for found in btf.types if isinstance(found, Composite) and found.name == "bits")
    assert [(member.name, member.bit_size) for member in bits.members][:4] == [("a", 3), ("b", 7), ("c", 6), ("d", 40)]
