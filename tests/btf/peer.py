"""bpftool's view of BTF, and ours in the same words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.isa.llvm import run
from tracerd.btf import types as t

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_VARIABLE = ("static", "global", "extern")
_FUNCTION = ("static", "global", "extern")


def bpftool_types(path: Path) -> list[dict[str, Any]]:
    """Return `bpftool btf dump` of a file, or skip the test."""
    bpftool = shutil.which("bpftool")
    if bpftool is None:
        pytest.skip("bpftool is not installed")
    found: list[dict[str, Any]] = json.loads(run(bpftool, "btf", "dump", "-j", "file", path))["types"]
    return found


def as_bpftool(btf: t.Btf) -> list[dict[str, Any]]:
    """Say the same in bpftool's words, from id 1 on."""
    return [{"id": index, **_describe(found)} for index, found in enumerate(btf.types) if index]


def _name(name: str) -> str:
    return name or "(anon)"


def _describe(found: t.Type) -> dict[str, Any]:
    match found:
        case t.Int():
            encoding = "BOOL" if found.bool_ else "CHAR" if found.char else "SIGNED" if found.signed else "(none)"
            bits = {"bits_offset": 0, "nr_bits": found.size * 8, "encoding": encoding}
            return {"kind": "INT", "name": _name(found.name), "size": found.size, **bits}
        case t.Float():
            return {"kind": "FLOAT", "name": _name(found.name), "size": found.size}
        case t.Pointer():
            return {"kind": "PTR", "name": "(anon)", "type_id": found.target}
        case t.Array():
            shape = {"type_id": found.element, "index_type_id": found.index, "nr_elems": found.length}
            return {"kind": "ARRAY", "name": "(anon)", **shape}
        case t.Composite():
            return _composite(found)
        case t.Enum():
            values = [{"name": name, "val": value} for name, value in found.values]
            return {
                "kind": "ENUM", "name": _name(found.name), "encoding": "SIGNED" if found.signed else "UNSIGNED",
                "size": found.size, "vlen": len(values), "values": values,
            }  # fmt: skip
        case t.Alias():
            return {"kind": found.kind.upper(), "name": _name(found.name), "type_id": found.target}
        case t.Forward():
            return {"kind": "FWD", "name": _name(found.name), "fwd_kind": "union" if found.union else "struct"}
        case t.FunctionPrototype():
            parameters = [{"name": _name(name), "type_id": type_id} for name, type_id in found.parameters]
            return {
                "kind": "FUNC_PROTO", "name": "(anon)", "ret_type_id": found.returns, "vlen": len(parameters),
                "params": parameters,
            }  # fmt: skip
        case t.Function():
            return {"kind": "FUNC", "name": found.name, "type_id": found.prototype, "linkage": _FUNCTION[found.linkage]}
        case t.Variable():
            return {"kind": "VAR", "name": found.name, "type_id": found.type, "linkage": _VARIABLE[found.linkage]}
        case t.DataSection():
            rows = [{"type_id": each, "offset": offset, "size": size} for each, offset, size in found.variables]
            return {"kind": "DATASEC", "name": found.name, "size": found.size, "vlen": len(rows), "vars": rows}
        case t.DeclarationTag():
            target = {"type_id": found.target, "component_idx": found.component}
            return {"kind": "DECL_TAG", "name": found.name, **target}
        case _:
            raise AssertionError(found)


def _composite(found: t.Composite) -> dict[str, Any]:
    members = []
    for member in found.members:
        row = {"name": _name(member.name), "type_id": member.type, "bits_offset": member.bit_offset}
        members.append(row | ({"bitfield_size": member.bit_size} if member.bit_size else {}))
    kind = "UNION" if found.union else "STRUCT"
    return {
        "kind": kind, "name": _name(found.name), "size": found.size, "vlen": len(members), "members": members,
    }  # fmt: skip


def same_words(row: dict[str, Any]) -> dict[str, Any]:
    """Take out what is bpftool's own: our Enum covers ENUM64, it prints bit field sizes of 0, and version 7.1 prints
    unsigned 32-bit enumerators sign-extended to 64 bits."""
    if row["kind"] == "ENUM" and row["encoding"] == "UNSIGNED":
        return row | {"values": [each | {"val": each["val"] & 0xFFFFFFFF} for each in row["values"]]}
    if row["kind"] == "ENUM64":
        return row | {"kind": "ENUM"}
    if row["kind"] in ("STRUCT", "UNION"):
        return row | {"members": [_without_zero(each) for each in row["members"]]}
    return row


def _without_zero(member: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in member.items() if key != "bitfield_size" or value}
