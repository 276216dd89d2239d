"""What we write as BTF reads back as it was: by our parser and by bpftool."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.btf.peer import VMLINUX, as_bpftool, bpftool_types, same_words
from tests.btf.test_parse import btf_section
from tracerd.btf import types as t
from tracerd.btf.blob import BtfError
from tracerd.btf.build import encode
from tracerd.btf.parse import parse

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)


@st.composite
def blobs(draw: st.DrawFn) -> tuple[t.Type, ...]:
    """Draw types that refer to earlier ones only, so that nothing contains itself."""
    found: list[t.Type] = [t.Void()]
    for _ in range(draw(st.integers(0, 12))):
        found.append(draw(_next(st.integers(0, len(found) - 1))))
    return tuple(found)


def _next(known: st.SearchStrategy[int]) -> st.SearchStrategy[t.Type]:
    members = st.lists(st.builds(t.Member, names, known, st.integers(0, 2**24 - 1), st.integers(0, 64)), max_size=4)
    return st.one_of(
        st.builds(t.Int, names, st.sampled_from([1, 2, 4, 8, 16]), st.booleans(), st.booleans(), st.booleans()),
        st.builds(t.Float, names, st.sampled_from([2, 4, 8])),
        st.builds(t.Pointer, known),
        st.builds(t.Array, known, known, st.integers(0, 2**32 - 1)),
        st.builds(t.Composite, names, st.integers(0, 2**32 - 1), members.map(tuple), st.booleans()),
        _enums(),
        st.builds(t.Alias, st.sampled_from(["typedef", "const", "volatile", "restrict", "type_tag"]), names, known),
        st.builds(t.Forward, names, st.booleans()),
        st.builds(t.FunctionPrototype, known, st.lists(st.tuples(names, known), max_size=3).map(tuple)),
        st.builds(t.Variable, names, known, st.integers(0, 2)),
        st.builds(t.DeclarationTag, names, known, st.integers(-1, 100)),
    )


@st.composite
def _enums(draw: st.DrawFn) -> t.Type:
    size, signed = draw(st.sampled_from([1, 2, 4, 8])), draw(st.booleans())
    bits = 64 if size == 8 else 32
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = draw(st.lists(st.tuples(names, st.integers(low, high)), max_size=4))
    return t.Enum(draw(names), size, signed, tuple(values))


@given(blobs())
@settings(max_examples=200, deadline=None)
def test_types_read_back_as_they_were_written(types: tuple[t.Type, ...]) -> None:
    """Every kind, with bit fields, wide and negative enumerators."""
    assert parse(encode(types)).types == types


@pytest.mark.parametrize("name", ["types.bpf.o", "linked.bpf.o"])
def test_an_object_of_clang_is_written_as_it_was_read(name: str) -> None:
    """All kinds that clang writes, functions and sections among them."""
    types = parse(btf_section(name)).types
    assert parse(encode(types)).types == types


def test_bpftool_reads_what_we_write(tmp_path: Path) -> None:
    """The reference tool sees the same types in our blob as in clang's."""
    types = parse(btf_section("types.bpf.o"))
    path = tmp_path / "types.btf"
    path.write_bytes(encode(types.types))
    assert as_bpftool(types) == [same_words(row) for row in bpftool_types(path)]


def test_the_kernels_types_are_written_as_they_were_read() -> None:
    """More than 100,000 types of a real kernel."""
    if not VMLINUX.exists():
        pytest.skip("this kernel shows no BTF at /sys/kernel/btf/vmlinux")
    types = parse(VMLINUX.read_bytes()).types
    assert parse(encode(types)).types == types


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (t.Composite("wide", 8, (t.Member("m", 1, 0, 0),) * 65536, union=False), "65536 parts"),
        (t.Composite("bits", 8, (t.Member("m", 1, 1 << 24, 3),), union=False), "too long for them"),
        (t.Enum("small", 4, False, (("a", -1),)), "does not fit"),
        (t.Void(), "only the first"),
    ],
    ids=["members", "bit field", "enumerator", "void"],
)
def test_what_the_format_cannot_say_is_refused(wrong: t.Type, cause: str) -> None:
    """The error names the type."""
    with pytest.raises(BtfError, match=cause) as refused:
        encode((t.Void(), t.Int("int", 4, True, False, False), wrong))
    assert refused.value.type_id == 2
