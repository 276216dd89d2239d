"""Damaged BTF: one clear sentence, never another exception, never without end."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from tests.btf import builder as b
from tests.btf.builder import Builder
from tests.btf.test_parse import btf_section
from tests.elf.build import OBJECTS
from tracerd.btf import header
from tracerd.btf.blob import BtfError, open_blob
from tracerd.btf.ext import parse_ext
from tracerd.btf.header import to_c
from tracerd.btf.layout import MAX_VISITS, flatten, size_of
from tracerd.btf.parse import parse
from tracerd.btf.types import Composite
from tracerd.elf.file import ElfFile


def _typedef_loop(to: Builder) -> None:
    to.add(b.TYPEDEF, 2, "a")
    to.add(b.CONST, 1)


def _struct_in_itself(to: Builder) -> None:
    to.struct("s", 8, [("inner", 2, 0)])
    to.array(1, 1)


def _deep_chain(to: Builder) -> None:
    to.integer()
    for below in range(1, 100):
        to.add(b.CONST, below)


def _dangling(to: Builder) -> None:
    to.add(b.PTR, 7)


def _function_without_prototype(to: Builder) -> None:
    to.integer()
    to.add(b.FUNC, 1, "f", vlen=1)


def _section_of_types(to: Builder) -> None:
    to.integer()
    to.add(b.DATASEC, 4, ".data", struct.pack("<III", 1, 0, 4), vlen=1)


def _unknown_kind(to: Builder) -> None:
    to.add(30)


def _short_members(to: Builder) -> None:
    to.add(b.STRUCT, 4, "s", b"\0" * 12, vlen=2)


def _string_outside(to: Builder) -> None:
    to.types.append(struct.pack("<III", 999, b.PTR << 24, 0))


def _escape_sequence(to: Builder) -> None:
    to.add(b.TYPEDEF, 0, "\x1b[2J")


def _endless_name(to: Builder) -> None:
    to.add(b.TYPEDEF, 0, "x" * 5000)


def _odd_integer(to: Builder) -> None:
    to.add(b.INT, 4, "int", struct.pack("<I", 1 << 24 | 17))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_typedef_loop, "BTF type 2: contains itself"),
        (_struct_in_itself, "BTF type 2: contains itself"),
        (_deep_chain, "nested more than 64 levels deep"),
        (_dangling, "BTF type 1: refers to type 7, there are 2"),
        (_function_without_prototype, "function 'f' has type 1, which is no prototype"),
        (_section_of_types, "section '.data' holds type 1, which is no variable"),
        (_unknown_kind, "kind 30 is not known"),
        (_short_members, "the type section ends inside a type"),
        (_string_outside, "string offset 999 is outside the string section of 1 bytes"),
        (_escape_sequence, "unprintable characters"),
        (_endless_name, "longer than 1024 bytes"),
        (_odd_integer, "has 17 bits at bit 0 of its 4 bytes"),
    ],
)
def test_damaged_types_are_refused_by_name(damage: Callable[[Builder], None], message: str) -> None:
    """The error names the type and what is wrong with it."""
    to = Builder()
    damage(to)
    with pytest.raises(BtfError, match=message):
        parse(to.blob())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda blob: blob[:5], "truncated"),
        (lambda blob: blob[:20], "truncated"),
        (lambda blob: blob[:-1], "the string section ends at byte"),
        (lambda blob: b"\xeb\x9f" + blob[2:], "big-endian"),
        (lambda blob: b"ELF!" + blob[4:], "BTF starts with 0xeb9f"),
        (lambda blob: blob[:2] + b"\x02" + blob[3:], "version 2"),
        (lambda blob: blob[:4] + b"\xff\xff\xff\xff" + blob[8:], "the header's length is 4294967295"),
        (lambda blob: blob[:12] + b"\xf0\xff\xff\xff" + blob[16:], "it is truncated"),
        (lambda blob: blob[:16] + b"\0\0\0\0" + blob[20:], "overlap"),
        (lambda blob: blob[:-1] + b"x", "must begin and end with a NUL byte"),
    ],
)
def test_damaged_headers_are_refused(change: Callable[[bytes], bytes], message: str) -> None:
    """A blob whose parts are not where its header says is refused before its types are read."""
    to = Builder()
    to.integer()
    with pytest.raises(BtfError, match=message):
        parse(change(to.blob()))


def test_pointer_cycles_are_no_error() -> None:
    """A list's node points at its own type through a typedef: C wants that."""
    to = Builder()
    to.struct("node", 8, [("next", 2, 0)])
    to.add(b.PTR, 3)
    to.add(b.TYPEDEF, 1, "node_t")
    btf = parse(to.blob())
    assert size_of(btf, 3) == 8
    assert to_c(btf, [1]).split("\n")[:2] == ["struct node;", "typedef struct node node_t;"]


def test_names_without_end_are_refused_in_c() -> None:
    """A typedef of a pointer to itself parses, and has no C."""
    to = Builder()
    to.add(b.TYPEDEF, 2, "t")
    to.add(b.PTR, 1)
    btf = parse(to.blob())
    with pytest.raises(BtfError, match="named through itself"):
        to_c(btf, [1])


def test_multiplying_prototypes_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that take two pointers to the next one double with every level of their text."""
    to = Builder()
    to.integer()
    to.add(b.PTR, 1)
    for _ in range(40):
        below = len(to.types)
        to.add(b.PROTO, 1, tail=struct.pack("<IIII", 0, below, 0, below), vlen=2)
        to.add(b.PTR, below + 1)
    to.struct("s", 8, [("f", len(to.types), 0)])
    monkeypatch.setattr(header, "MAX_LINES", 10_000)
    with pytest.raises(BtfError, match="takes more than 10000 lines"):
        to_c(parse(to.blob()), [len(to.types)])


def test_multiplying_structs_are_cut_off() -> None:
    """Thirty structs of two of the next would have 2**30 leaves, or none but as many visits."""
    for leaf in ([("x", 1, 0)], []):
        to = Builder()
        to.integer("unsigned char", 1, 0)
        to.struct("s", 0 if not leaf else 1, leaf)
        for level in range(1, 30):
            half = 2 ** (level - 1) * 8 if leaf else 0
            to.struct("s", half * 2 // 8, [("a", level + 1, 0), ("b", level + 1, half)])
        with pytest.raises(BtfError, match=f"more than {MAX_VISITS} members"):
            flatten(parse(to.blob()), 31)


def test_multiplying_arrays_are_cut_off() -> None:
    """Arrays of arrays reach sizes that no memory has."""
    to = Builder()
    to.integer()
    for level in range(1, 9):
        to.array(level, 0xFFFFFFFF)
    with pytest.raises(BtfError, match="more than 2147483648"):
        flatten(parse(to.blob()), 9)


def test_members_outside_their_struct_have_no_layout() -> None:
    """A member that ends behind its struct would read the neighbour's bytes."""
    to = Builder()
    to.integer()
    to.struct("s", 4, [("x", 1, 8)])
    btf = parse(to.blob())
    with pytest.raises(BtfError, match="member 'x' ends behind the 4 bytes around it"):
        flatten(btf, 2)
    with pytest.raises(BtfError, match="member 'x' lies where no C compiler puts it"):
        to_c(btf, [2])


def test_mutated_blobs_parse_or_are_refused() -> None:
    """Six hundred blobs with a few bytes changed: an answer or a BtfError from every function of this room."""
    chance = random.Random(19)
    original = btf_section("types.bpf.o")
    refused = used = 0
    for _ in range(600):
        blob = bytearray(original)
        for _ in range(chance.choice((1, 1, 2, 8))):
            blob[chance.randrange(len(blob))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        try:
            btf = parse(bytes(blob))
        except BtfError:
            refused += 1
            continue
        for type_id, found in enumerate(btf.types):
            if not isinstance(found, Composite):
                continue
            for function in (lambda btf, one: flatten(btf, one), lambda btf, one: to_c(btf, [one])):
                try:
                    function(btf, type_id)
                    used += 1
                except BtfError:
                    refused += 1
    assert refused > 100
    assert used > 100


def test_mutated_line_info_parses_or_is_refused() -> None:
    """Six hundred changed .BTF.ext sections: records or a BtfError."""
    elf = ElfFile((OBJECTS / "linked.bpf.o").read_bytes(), "linked")
    section = elf.section(".BTF.ext")
    assert section is not None
    original, strings = elf.data(section), open_blob(btf_section("linked.bpf.o")).strings
    chance = random.Random(20)
    refused = 0
    for _ in range(600):
        blob = bytearray(original)
        for _ in range(3):
            end = chance.choice((48, len(blob)))    # the headers are a small part of it
            blob[chance.randrange(end)] = chance.randrange(256)
        try:
            parse_ext(bytes(blob), strings)
        except BtfError:
            refused += 1
    assert 100 < refused < 600
