"""Leaves of a struct: where they are is checked against clang's own answer and against bytes clang wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.elf.build import CLANG, FLAGS, OBJECTS
from tests.isa.llvm import run, tool
from tracerd.btf.layout import Field, Kind, flatten, size_of
from tracerd.btf.types import Btf, Composite, DataSection
from tracerd.elf.load import load


@pytest.fixture(scope="module")
def btf() -> Btf:
    found = load(OBJECTS / "types.bpf.o").btf
    assert found is not None
    return found


def id_of(btf: Btf, name: str, kind: type = Composite) -> int:
    """Return the id of the type of that name."""
    return next(index for index, found in enumerate(btf.types) if isinstance(found, kind) and found.name == name)


def fields_of(btf: Btf, name: str, kind: type = Composite) -> dict[str, Field]:
    return {field.path: field for field in flatten(btf, id_of(btf, name, kind))}


def read(field: Field, data: bytes, *index: int) -> int:
    """Read one element as `Field` says it is to be read."""
    start = field.offset + sum(at * step for at, step in zip(index, field.strides, strict=True))
    value = int.from_bytes(data[start : start + field.size], "little") >> field.shift
    bits = field.bits or field.size * 8
    value &= (1 << bits) - 1
    return value - (1 << bits) if field.signed and value >> (bits - 1) else value


def test_offsets_and_sizes_are_those_of_clang(btf: Btf, tmp_path: Path) -> None:
    """clang asserts offsetof and sizeof of every leaf that is no bit field, first elements of arrays included."""
    tool("clang")
    checks = []
    for name in ("everything", "tight", "wide", "inner", "tree"):
        checks.append(f"_Static_assert(sizeof(struct {name}) == {size_of(btf, id_of(btf, name))}, \"{name}\");")
        for field in fields_of(btf, name).values():
            if field.bits:
                continue
            path = _with_indices(field)
            checks.append(f"_Static_assert(__builtin_offsetof(struct {name}, {path}) == {field.offset}, \"{path}\");")
            checks.append(f"_Static_assert(sizeof(((struct {name} *)0)->{path}) == {field.size}, \"{path}\");")
    assert len(checks) > 80
    source = tmp_path / "check.c"
    source.write_text(f'#include "{OBJECTS / "types.bpf.c"}"\n' + "\n".join(checks))
    run(CLANG, *FLAGS, "-fsyntax-only", source)


def _with_indices(field: Field) -> str:
    """Write `list.address` as `list[0].address[0]`: the axis of an array of structs belongs behind its own part."""
    head, dot, rest = field.path.partition(".")
    indices = "[0]" * len(field.shape)
    return f"{head}[0]{dot}{rest}{indices[3:]}" if head in ("list", "more_bits") else f"{field.path}{indices}"


def test_leaves_are_named_and_typed(btf: Btf) -> None:
    """Dotted paths, arrays with their shape, char arrays as text, unnamed members in their parent."""
    fields = fields_of(btf, "everything")
    kinds = {
        "byte": Kind.INT, "letter": Kind.CHAR, "flag": Kind.BOOL, "huge": Kind.BYTES, "ratio": Kind.FLOAT,
        "small": Kind.ENUM, "name": Kind.STRING, "lines": Kind.STRING, "inner.address": Kind.INT,
        "callback": Kind.POINTER, "anonymous_a": Kind.INT, "as_bytes": Kind.INT, "pair.half.high": Kind.INT,
        "tagged": Kind.POINTER,
    }  # fmt: skip
    assert {path: fields[path].kind for path in kinds} == kinds
    shapes = {
        "name": (16, (), ()), "lines": (32, (3,), (32,)), "matrix": (4, (2, 4), (16, 4)), "list.port": (2, (5,), (30,)),
        "list.address": (1, (5, 16), (30, 1)), "list.label": (12, (5,), (30,)), "table": (8, (3,), (8,)),
        "more_bits.d": (8, (2,), (16,)),
    }  # fmt: skip
    assert {path: (fields[path].size, fields[path].shape, fields[path].strides) for path in shapes} == shapes
    assert fields["small"].signed
    assert dict(fields["small"].values)["SMALL_MINUS"] == -1
    assert (fields["matrix"].length, fields["list.address"].length, fields["byte"].length) == (8, 80, 1)
    assert fields["as_number"].offset == fields["as_bytes"].offset
    assert "none" not in fields
    assert all(field.end <= size_of(btf, id_of(btf, "everything")) for field in fields.values())


def test_a_leaf_alone_has_no_path(btf: Btf) -> None:
    """A map's key of type u32 is one column without a name of its own."""
    member = next(each for each in btf.types[id_of(btf, "everything")].members if each.name == "number")  # type: ignore[union-attr]
    assert flatten(btf, member.type) == (Field("", 0, 2, Kind.INT, member.type, signed=True),)


def test_bit_fields_read_as_clang_wrote_them(btf: Btf) -> None:
    """The bytes clang put into .rodata, read by the description, give the numbers of the source."""
    fields = fields_of(btf, ".rodata", DataSection)
    data = next(spec for spec in load(OBJECTS / "types.bpf.o").maps if spec.name == ".rodata").contents
    source = (OBJECTS / "types.bpf.c").read_text()
    written = re.search(r"struct bits filled = \{\s*(.*?),\s*\};", source)
    assert written is not None
    numbers = {"SMALL_MINUS": -1}
    for assignment in written[1].split(", "):
        name, _, value = assignment.removeprefix(".").partition(" = ")
        assert read(fields[f"filled.{name}"], data) == numbers.get(value, None if value in numbers else int(value, 0))
    packed = [{name: read(fields[f"packed.{name}"], data, row) for name in "abcde"} for row in (0, 1)]
    assert packed[0] == {"a": 1, "b": 0x1122334455667788, "c": 17, "d": 0x2AAAAAAA, "e": 0xBEEF}
    assert packed[1] == {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}
    assert fields["filled.f"].kind is Kind.BOOL
    assert fields["filled.e"].kind is Kind.ENUM


def test_data_sections_flatten_to_their_variables(btf: Btf) -> None:
    """Variables of .rodata are leaves at the place the file gives them."""
    fields = fields_of(btf, ".rodata", DataSection)
    data = next(spec for spec in load(OBJECTS / "types.bpf.o").maps if spec.name == ".rodata").contents
    assert [read(fields["peers.port"], data, row) for row in (0, 1)] == [80, 53]
    label = fields["peers.label"]
    texts = [data[label.offset + row * label.strides[0] :][: label.size].rstrip(b"\0") for row in (0, 1)]
    assert texts == [b"web", b"dns"]
