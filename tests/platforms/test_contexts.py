"""The contexts of tracerd's own program types: table, native struct and C header say the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tracerd.btf.layout import flatten
from tracerd.btf.types import Btf, Composite
from tracerd.elf.load import load
from tracerd.native import ffi
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import Context

INCLUDE = Path(__file__).parents[2] / "probes" / "include"
NATIVE = {
    "etw": "struct tr_etw_context",
    "process": "struct tr_process_context",
    "net": "struct tr_net_context",
    "sample": "struct tr_sample_context",
    "interval": "struct tr_interval_context",
}


def context(name: str) -> Context:
    return LINUX.type_by_name[name].context


@pytest.mark.parametrize("name", NATIVE)
def test_the_table_has_the_native_struct_s_size_and_offsets(name: str) -> None:
    """What the verifier allows is where the core writes it."""
    table = context(name)
    assert ffi.sizeof(NATIVE[name]) == table.size
    for field in table.fields:
        if field.name.startswith("value"):
            assert field.offset == ffi.offsetof(NATIVE[name], "value") + 8 * int(field.name[5:])
        else:
            assert field.offset == ffi.offsetof(NATIVE[name], field.name)


@pytest.mark.parametrize("name", NATIVE)
def test_no_two_fields_overlap(name: str) -> None:
    """A byte belongs to one field at most, and none lies beyond the end."""
    end = 0
    for field in context(name).fields:
        assert field.offset >= end
        end = field.offset + field.size
    assert end <= context(name).size


@pytest.mark.skipif(shutil.which("clang-19") is None, reason="needs clang-19 to compile the header")
@pytest.mark.parametrize("name", NATIVE)
def test_the_header_declares_the_same_layout(name: str, tmp_path: Path) -> None:
    """A program compiled against tracerd.bpf.h reads what the table says; clang's BTF is the witness."""
    source, target = tmp_path / "x.bpf.c", tmp_path / "x.bpf.o"
    source.write_text(
        '#include "tracerd.bpf.h"\n#include "tracerd_etw.h"\n'
        f"struct {name}_context known;\nSEC(\"{name}\") int program(void *ctx) {{ return 0; }}\n"
    )
    flags = ["-target", "bpf", "-g", "-O2", "-mcpu=v3", "-I", str(INCLUDE), "-c"]
    subprocess.run(["clang-19", *flags, source, "-o", target], check=True)
    btf = load(target).btf
    assert btf is not None
    places = {leaf.path: (leaf.offset, leaf.size) for leaf in flatten(btf, struct_id(btf, f"{name}_context"))}
    for field in context(name).fields:
        if field.name.startswith("value"):
            assert places["value"][0] + 8 * int(field.name[5:]) == field.offset
        else:
            assert places[field.name][0] == field.offset


def struct_id(btf: Btf, name: str) -> int:
    return next(i for i, each in enumerate(btf.types) if isinstance(each, Composite) and each.name == name)
