"""The printed header means the same to a compiler: clang compiles it and finds BTF's own offsets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.btf.peer import VMLINUX, as_bpftool
from tests.btf.test_parse import btf_section
from tests.elf.build import CLANG
from tests.isa.llvm import run, tool
from tracerd.btf.header import to_c
from tracerd.btf.parse import parse
from tracerd.btf.types import Alias, Btf, Composite, Enum
from tracerd.elf.file import ElfFile


def named_composites(btf: Btf) -> list[int]:
    """Return the ids of structs and unions whose name no other has."""
    named = [(index, found) for index, found in enumerate(btf.types) if isinstance(found, Composite) and found.name]
    times = Counter(found.name for _, found in named)
    return [index for index, found in named if times[found.name] == 1]


def assertions(btf: Btf, ids: Iterable[int]) -> Iterator[str]:
    """Yield C assertions of the size and every offset of the composites."""
    for type_id in ids:
        found = btf[type_id]
        assert isinstance(found, Composite)
        name = f"{'union' if found.union else 'struct'} {found.name}"
        yield f"_Static_assert(sizeof({name}) == {found.size}, \"{name}\");"
        for member in found.members:
            if member.name and not member.bit_size:
                where = f"__builtin_offsetof({name}, {member.name})"
                yield f"_Static_assert({where} == {member.bit_offset // 8}, \"{name}.{member.name}\");"


def compile_header(text: str, tmp_path: Path, *flags: str) -> None:
    source = tmp_path / "header.c"
    source.write_text(text)
    run(CLANG, "-target", "bpf", "-std=gnu11", "-Wno-everything", *flags, source)


def test_printed_types_have_the_same_layout(tmp_path: Path) -> None:
    """Packed and aligned structs, bit fields, enums of every width and function pointers survive printing."""
    tool("clang")
    btf = parse(btf_section("types.bpf.o"))
    ids = named_composites(btf)
    every = [*ids, *(index for index, found in enumerate(btf.types) if isinstance(found, Enum | Alias))]
    text = to_c(btf, every) + "\n".join(assertions(btf, ids))
    compile_header(text, tmp_path, "-fsyntax-only")


def test_printed_types_come_back_from_the_compiler(tmp_path: Path) -> None:
    """A struct compiled from the header has the BTF it was printed from, but for ids: bit fields and enums included."""
    tool("clang")
    btf = parse(btf_section("types.bpf.o"))
    source = to_c(btf, named_composites(btf)) + "struct everything one;\n"
    output = tmp_path / "header.o"
    compile_header(source, tmp_path, "-g", "-O2", "-c", "-o", str(output))
    elf = ElfFile(output.read_bytes(), str(output))
    section = elf.section(".BTF")
    assert section is not None
    again = parse(elf.data(section))
    enums = ("small", "plain", "large", "large_signed", "tiny")
    for name in ("everything", "bits", "tight", "wide", "inner", "tree", *enums):
        assert described(again, name) == described(btf, name)


def described(btf: Btf, name: str) -> dict[str, object]:
    """Return bpftool's words for a type, without ids and without padding we added."""
    row = next(row for row in as_bpftool(btf) if row["name"] == name and row["kind"] in ("STRUCT", "UNION", "ENUM"))
    members = [
        (each["name"], each["bits_offset"], each.get("bitfield_size", 0))
        for each in row.get("members", [])
        if not each["name"].startswith("__pad")
    ]
    return {"size": row["size"], "members": members, "values": row.get("values")}


def test_kernel_types_have_the_same_layout(tmp_path: Path) -> None:
    """Two thousand structs of the running kernel, and what they need, compile with BTF's sizes and offsets."""
    tool("clang")
    if not VMLINUX.exists():
        pytest.skip("this kernel shows no BTF at /sys/kernel/btf/vmlinux")
    btf = parse(VMLINUX.read_bytes())
    # va_list is a struct of the kernel's architecture; BPF has its own.
    ids = [index for index in named_composites(btf) if not _holds_va_list(btf, index)][:2000]
    compile_header(to_c(btf, ids) + "\n".join(assertions(btf, ids)), tmp_path, "-fsyntax-only")


def _holds_va_list(btf: Btf, type_id: int) -> bool:
    found = btf[type_id]
    assert isinstance(found, Composite)
    names = (getattr(btf[member.type], "name", "") for member in found.members)
    return any(name in ("va_list", "__builtin_va_list") for name in names)
