"""Damaged objects: an ObjectSpec or one ObjectError, never another exception, never without end."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from tests.elf.build import OBJECTS
from tracerd.elf.file import ElfFile, Section
from tracerd.elf.load import load_bytes
from tracerd.errors import ObjectError

LINKED = (OBJECTS / "linked.bpf.o").read_bytes()
MUTANTS = 200
INTERESTING = (0, 1, 3, 6, 8, 11, 0x7F, 0xFF, 0x6FFFFFFE, 0xFFFFFFFF, 1 << 63)

# Fields of Elf64_Shdr and Elf64_Sym: (offset, struct letter).
TYPE, FLAGS, OFFSET, SIZE, INFO, ENTRY = (4, "I"), (8, "Q"), (24, "Q"), (32, "Q"), (44, "I"), (56, "Q")
SYMBOL_SECTION, SYMBOL_VALUE, SYMBOL_SIZE = (6, "H"), (8, "Q"), (16, "Q")


def section(name: str) -> Section:
    found = ElfFile(LINKED, "linked").section(name)
    assert found is not None
    return found


def changed(at: int, field: tuple[int, str], value: int) -> bytes:
    """Return the object with one field of a structure at byte `at` set."""
    data = bytearray(LINKED)
    struct.pack_into("<" + field[1], data, at + field[0], value)
    return bytes(data)


def header_of(name: str, field: tuple[int, str], value: int) -> bytes:
    """Return the object with one field of a section's header set."""
    (table,) = struct.unpack_from("<Q", LINKED, 40)
    return changed(table + section(name).index * 64, field, value)


def symbol_of(name: str, field: tuple[int, str], value: int) -> bytes:
    """Return the object with one field of a symbol set."""
    index = next(index for index, each in enumerate(ElfFile(LINKED, "linked").symbols) if each.name == name)
    return changed(section(".symtab").offset + index * 24, field, value)


def relocation_of(name: str, kind: int) -> bytes:
    """Return the object with the type of a relocation section's first entry set."""
    return changed(section(name).offset, (8, "I"), kind)


def nobits(name: str, size: int) -> bytes:
    """Return the object with a section whose bytes are not in the file."""
    (table,) = struct.unpack_from("<Q", LINKED, 40)
    data = bytearray(header_of(name, TYPE, 8))
    struct.pack_into("<Q", data, table + section(name).index * 64 + SIZE[0], size)
    return bytes(data)


def names_without_end() -> bytes:
    """Return an object of 5,000 sections that share a name of a million bytes: five gigabytes if each were read."""
    count, text = 5000, b"A" * 1_000_000
    header = bytearray(LINKED[:64])
    struct.pack_into("<Q", header, 40, 64 + len(text))
    struct.pack_into("<HH", header, 60, count, 1)
    strings = struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 64, len(text), 0, 0, 1, 0)
    other = struct.pack("<IIQQQQIIQQ", 0, 1, 0, 0, 64, 0, 0, 0, 1, 0)
    return bytes(header) + text + bytes(64) + strings + other * (count - 2) + b"\0"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "is no ELF object file"),
        (lambda: LINKED[:40], "is truncated: 40 bytes cannot hold an ELF header"),
        (lambda: LINKED[:-100], "the file is truncated"),
        (lambda: changed(0, (4, "B"), 1), "is no 64-bit object"),
        (lambda: changed(0, (5, "B"), 2), "is big-endian"),
        (lambda: changed(0, (18, "H"), 62), "is for machine 62, eBPF is 247"),
        (lambda: changed(0, (16, "H"), 2), "is of ELF type 2, not a relocatable object"),
        (lambda: changed(0, (40, "Q"), 0), "has no sections"),
        (lambda: changed(0, (40, "Q"), 1 << 63), "the file is truncated"),
        (lambda: changed(0, (58, "H"), 32), "has section headers of 32 bytes"),
        (lambda: changed(0, (60, "H"), 4000), "section headers: ends at byte"),
        (lambda: changed(0, (60, "H"), 0xFEFF), "has 65279 sections, more than 16384"),
        (lambda: changed(0, (62, "H"), 0xFF00), "is damaged"),
        (lambda: header_of("xdp", SIZE, 1 << 62), "section 'xdp': ends at byte"),
        (lambda: header_of("xdp", OFFSET, section(".text").offset), "sections '.text' and 'xdp' overlap"),
        (lambda: header_of("xdp", SIZE, 596), "is bytes 344 to 600 of section 'xdp', which has 596"),
        (lambda: header_of(".rodata", FLAGS, 0x802), "section '.rodata' is compressed"),
        (lambda: header_of(".bss", SIZE, 1 << 40), "global variables take more than 64 MiB at section '.bss'"),
        (lambda: header_of(".BTF", TYPE, 8), "BTF: .BTF starts with 0x0000, BTF starts with 0xeb9f"),
        (lambda: nobits(".BTF", 1 << 60), "section '.BTF' has 1152921504606846976 bytes that are not in the file"),
        (lambda: names_without_end(), "names without end"),
        (lambda: header_of(".symtab", ENTRY, 1), "entries of 1 bytes, 24 are expected"),
        (lambda: header_of(".symtab", ENTRY, 0), "Expected entry size of section '.symtab' to be > 0"),
        (lambda: header_of(".relxdp", INFO, 4000), "relocates section 4000, which does not exist"),
        (lambda: header_of(".relxdp", TYPE, 4), "Expected sh_entsize of SHT_RELA section to be 24"),
        (lambda: symbol_of("first", SYMBOL_SIZE, 0), "function 'first' is bytes 80 to 80"),
        (lambda: symbol_of("first", SYMBOL_SIZE, 12), "in instructions of 8"),
        (lambda: symbol_of("first", SYMBOL_VALUE, 72), "functions 'neighbour' and 'first' overlap"),
        (lambda: symbol_of("first", SYMBOL_SECTION, 0x1234), "is in section 4660, which does not exist"),
        (lambda: symbol_of("middle", SYMBOL_VALUE, 8), "functions 'middle' and 'leaf' overlap"),
        (lambda: relocation_of(".relxdp", 42), "has a relocation of type 42, 10 is expected here"),
        (lambda: relocation_of(".rel.BTF", 42), "section '.BTF' has a relocation of unknown type 42"),
    ],
)
def test_damaged_objects_are_refused_by_name(make: Callable[[], bytes], message: str) -> None:
    """One sentence says what is wrong and where."""
    with pytest.raises(ObjectError) as caught:
        load_bytes(make(), "object")
    assert message in str(caught.value)


def test_code_cannot_bring_its_own_map_references() -> None:
    """An lddw that already looks relocated would name a map that nobody checked."""
    data = bytearray(LINKED)
    start = section("tracepoint/sched/sched_switch").offset
    slot = next(at for at in range(start, len(data), 8) if data[at] == 0x18)
    data[slot + 1] |= 5 << 4
    with pytest.raises(ObjectError, match="is an lddw of kind 5, which only a loader may write"):
        load_bytes(bytes(data), "object")


def test_addresses_inside_a_map_declaration_are_refused() -> None:
    """A reference to a static map is its section and an addend; an addend beside every declaration names no map."""
    second = next(each for each in ElfFile(LINKED, "linked").symbols if each.name == "sums").value
    data = bytearray(LINKED)
    start = section("xdp").offset
    slot = next(at for at in range(start, len(data), 8) if data[at] == 0x18 and data[at + 4] == second)
    data[slot + 4] += 4
    with pytest.raises(ObjectError, match=r"refers to '\.maps' in section '\.maps', where no map is declared"):
        load_bytes(bytes(data), "object")


def test_code_that_is_no_instruction_names_its_function() -> None:
    """The decoder's complaint comes with the function it was found in."""
    data = bytearray(LINKED)
    data[section("tracepoint/sched/sched_switch").offset] = 0xFF
    with pytest.raises(ObjectError, match="function 'third': instruction 0: opcode 0xff is not defined"):
        load_bytes(bytes(data), "object")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["linked", "types", "refused_map_in_map"])
def test_mutated_objects_load_or_are_refused(name: str) -> None:
    """Two hundred mutants of each object, most of them hit in headers and tables, where it hurts."""
    original = (OBJECTS / f"{name}.bpf.o").read_bytes()
    table, count = struct.unpack_from("<Q", original, 40)[0], struct.unpack_from("<H", original, 60)[0]
    regions = ((16, 64), (table, table + 64 * count), (table, table + 64 * count), (64, table), (0, len(original)))
    chance = random.Random(name)
    refusals = []
    for _ in range(MUTANTS):
        data = bytearray(original)
        for _ in range(chance.choice((1, 1, 2, 4))):
            first, last = chance.choice(regions)
            at, width = chance.randrange(first, last), chance.choice((1, 1, 4, 8))
            value = chance.choice((*INTERESTING, chance.getrandbits(64)))
            data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
        if chance.random() < 0.05:
            del data[chance.randrange(len(data)) :]
        try:
            load_bytes(bytes(data), name)
        except ObjectError as error:
            refusals.append(str(error))
    assert len(refusals) > MUTANTS // 2
    assert [each for each in refusals if not each.isprintable()] == []
