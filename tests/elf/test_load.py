"""What an object says, once loaded: programs, subprograms, maps, variables, lines."""

from __future__ import annotations

import struct

import pytest

from tests.elf.build import OBJECTS
from tracerd.btf.layout import flatten, size_of
from tracerd.btf.types import DataSection
from tracerd.elf.load import load, load_bytes
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.isa.encode import encode
from tracerd.isa.instruction import CALL, CALL_LOCAL, IMM64_MAP_INDEX, IMM64_MAP_INDEX_VALUE, JMP


@pytest.fixture(scope="module")
def linked() -> ObjectSpec:
    return load(OBJECTS / "linked.bpf.o")


def names(program: ProgramSpec) -> list[str]:
    return [each.name for each in program.subprograms]


def called(program: ProgramSpec) -> dict[str, set[str]]:
    """Return which subprogram calls which, read from the linked instructions."""
    starts = {each.start: each.name for each in program.subprograms}
    return {
        each.name: {
            starts[slot + 1 + instruction.imm]
            for slot, instruction in enumerate(program.instructions[: each.end])
            if slot >= each.start and instruction.opcode == JMP | CALL and instruction.src == CALL_LOCAL
        }
        for each in program.subprograms
    }


def test_global_functions_of_a_section_are_programs(linked: ObjectSpec) -> None:
    """Two programs share section xdp; the static function beside them and those in .text are none."""
    assert [(each.name, each.section) for each in linked.programs] == [
        ("first", "xdp"),
        ("second", "xdp"),
        ("third", "tracepoint/sched/sched_switch"),
    ]
    assert linked.license == "Dual MIT/GPL"


def test_each_program_carries_what_it_reaches(linked: ObjectSpec) -> None:
    """Subprograms follow the program that calls them, directly or not, once each, and calls point at them."""
    assert called(linked.program("first")) == {"first": {"middle"}, "middle": {"leaf"}, "leaf": set()}
    assert called(linked.program("second")) == {"second": {"neighbour"}, "neighbour": {"leaf"}, "leaf": set()}
    assert called(linked.program("third")) == {"third": {"middle"}, "middle": {"leaf"}, "leaf": set()}
    for program in linked.programs:
        assert [each.start for each in program.subprograms] == [0, *(each.end for each in program.subprograms[:-1])]
        assert program.subprograms[-1].end == len(program.instructions)
        assert len(encode(program.instructions)) == 8 * len(program.instructions)


def test_maps_have_the_declared_attributes(linked: ObjectSpec) -> None:
    """Sizes come from the key's and value's types, or from numbers; a ring buffer has neither."""
    found = {each.name: each for each in linked.maps}
    counts, events, sums = found["counts"], found["events"], found["sums"]
    assert (counts.type, counts.key_size, counts.value_size, counts.max_entries, counts.flags) == (1, 20, 72, 1024, 1)
    assert (events.type, events.key_size, events.value_size, events.max_entries) == (27, 0, 0, 4096)
    assert (sums.type, sums.key_size, sums.value_size, sums.max_entries, sums.key_type) == (6, 4, 24, 3, None)
    assert linked.btf is not None
    assert counts.key_type is not None
    assert counts.value_type is not None
    assert [each.path for each in flatten(linked.btf, counts.key_type)] == ["pid", "comm"]
    assert [each.path for each in flatten(linked.btf, counts.value_type)] == ["count", "slots"]


def test_a_map_says_whether_it_is_kept_under_its_name() -> None:
    """__uint(pinning, LIBBPF_PIN_BY_NAME) pins; LIBBPF_PIN_NONE and silence do not."""
    spec = load(OBJECTS / "pinned.bpf.o")
    assert {each.name: each.pinned for each in spec.maps} == {"kept": True, "loose": False, "plain": False}


def test_a_ring_buffer_may_say_what_its_records_are() -> None:
    """A key's or value's type is kept and makes no size, as in cilium/ebpf: the kernel takes ring buffers of none."""
    spec = load(OBJECTS / "rings.bpf.o")
    assert spec.btf is not None
    found = {each.name: each for each in spec.maps}
    assert list(found) == ["typed", "named", "keyed", "kept", "plain"]
    assert {(each.type, each.key_size, each.value_size, each.max_entries) for each in spec.maps} == {(27, 0, 0, 4096)}
    assert found["plain"].value_type is None
    assert found["kept"].pinned
    paths = ["kind", "at.pid", "at.comm", "ns"]
    for name in ("typed", "named", "kept"):
        value = found[name].value_type
        assert value is not None
        assert [each.path for each in flatten(spec.btf, value)] == paths
    keys, values = found["keyed"].key_type, found["keyed"].value_type
    assert keys is not None
    assert values is not None
    assert (size_of(spec.btf, keys), size_of(spec.btf, values)) == (4, 8)


def test_data_sections_are_maps_of_one_element(linked: ObjectSpec) -> None:
    """.rodata is read only, .data has its contents, .bss is zero, literals count too; BTF names the variables."""
    found = {each.name: each for each in linked.maps}
    assert [name for name in found if name.startswith(".")] == [
        ".rodata", ".data", ".data.custom", ".bss", ".rodata.str1.1",
    ]  # fmt: skip
    for name, spec in found.items():
        if name.startswith("."):
            assert (spec.type, spec.key_size, spec.max_entries, spec.value_size) == (2, 4, 1, len(spec.contents))
            assert spec.read_only == name.startswith(".rodata")
    assert struct.unpack_from("<QI", found[".rodata"].contents) == (1000, 1)
    assert struct.unpack("<3I", found[".data.custom"].contents) == (5, 6, 7)
    assert not any(found[".bss"].contents)
    assert found[".rodata.str1.1"].contents == b"a string literal that stays one\0"
    assert linked.btf is not None
    section = found[".data"].value_type
    assert section is not None
    assert isinstance(linked.btf[section], DataSection)
    variables = {each.path: each for each in flatten(linked.btf, section)}
    weights = variables["weights"]
    assert (variables["seen"].offset, weights.offset, weights.shape) == (0, 8, (4,))
    assert struct.unpack_from("<4I", found[".data"].contents, weights.offset) == (1, 2, 3, 4)


def test_references_name_map_and_offset(linked: ObjectSpec) -> None:
    """An lddw carries the map's index, and for a variable its offset in the high half."""
    index = {each.name: number for number, each in enumerate(linked.maps)}

    def references(name: str) -> set[tuple[int, int, int]]:
        program = linked.program(name)
        return {
            (each.src, each.imm & 0xFFFFFFFF, each.imm >> 32)
            for each in program.instructions[: program.subprograms[0].end]
            if each.is_lddw
        }

    declared, variable = IMM64_MAP_INDEX, IMM64_MAP_INDEX_VALUE
    assert references("first") == {
        (declared, index["counts"], 0),
        (variable, index[".rodata"], 0),     # threshold
        (variable, index[".rodata"], 8),     # enabled
        (variable, index[".bss"], 0),        # total
    }
    assert references("second") == {
        (declared, index["sums"], 0),        # static: by section symbol and addend
        (variable, index[".data"], 0),       # seen
        (variable, index[".rodata"], 32),    # names: static too
        (variable, index[".bss"], 8),        # errors
    }
    assert references("third") == {
        (declared, index["events"], 0),
        (variable, index[".rodata.str1.1"], 0),
        (variable, index[".data"], 0),
    }


def test_source_lines_follow_linking(linked: ObjectSpec) -> None:
    """The first instruction of every function has a line of that function's body, in every copy."""
    source = (OBJECTS / "linked.bpf.c").read_text().splitlines()
    first = {"leaf": "leaf(u64 x)", "middle": "middle(u64 x)", "neighbour": "neighbour(u64 x)"}
    for program in linked.programs:
        for each in program.subprograms:
            line = program.line_of(each.start)
            assert line is not None
            assert line.file.endswith("linked.bpf.c")
            assert line.text == source[line.line - 1]
            head = first.get(each.name, f"{each.name}(")
            opening = next(number for number, text in enumerate(source, 1) if head in text)
            assert opening <= line.line <= opening + 8
        assert [start for start, _ in program.lines] == sorted({start for start, _ in program.lines})


def test_loading_is_pure() -> None:
    """The same bytes give an equal spec, whatever they are called."""
    data = (OBJECTS / "linked.bpf.o").read_bytes()
    one, two = load_bytes(data, "a"), load_bytes(data, "a")
    assert one == two
    assert hash(one.programs) == hash(two.programs)
    assert load_bytes(data, "b").programs == one.programs
