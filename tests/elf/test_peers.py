"""Loaded objects against llvm-objdump, and committed objects against clang."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.elf.build import OBJECTS, TARGETS, compile_object
from tests.isa.llvm import run, tool
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.errors import ObjectError
from tracerd.isa.encode import encode

LOADED = ("linked.bpf.o", "types.bpf.o")

_FUNCTION = re.compile(r"^[0-9a-f]{16} <(.+)>:$")
_INSTRUCTION = re.compile(r"^\s+\d+:\s+((?:[0-9a-f]{2}[ \t])+)")
_RELOCATION = re.compile(r"^\s+[0-9a-f]{16}:\s+R_BPF_")
_LINE = re.compile(r"^; .*?([^/]+):(\d+)$")


def objdump_bytes(path: Path) -> dict[str, list[tuple[str, bool]]]:
    """Return each function's instructions as (hex, has a relocation), one row for an lddw."""
    found: dict[str, list[tuple[str, bool]]] = {}
    rows: list[tuple[str, bool]] = []
    for line in run(tool("llvm-objdump"), "-d", "-r", path).splitlines():
        if name := _FUNCTION.match(line):
            rows = found.setdefault(name[1], [])
        elif code := _INSTRUCTION.match(line):
            rows.append(("".join(code[1].split()), False))
        elif _RELOCATION.match(line):
            rows[-1] = (rows[-1][0], True)
    return found


@pytest.mark.parametrize("name", LOADED)
def test_instructions_are_those_of_the_file(name: str) -> None:
    """Where nothing is relocated, a linked function's bytes are what objdump shows; else opcode, dst and offset are."""
    theirs = objdump_bytes(OBJECTS / name)
    compared = relocated = 0
    for program in load(OBJECTS / name).programs:
        code = encode(program.instructions)
        for function in program.subprograms:
            at = function.start * 8
            for text, changed in theirs[function.name]:
                raw = bytes.fromhex(text)
                mine = code[at : at + len(raw)]
                # A call without relocation still moves: its distance changes when functions are put together.
                if changed or raw[:2] == b"\x85\x10":
                    assert (mine[0], mine[1] & 0xF, mine[2:4]) == (raw[0], raw[1] & 0xF, raw[2:4])
                    relocated += 1
                else:
                    assert mine == raw
                    compared += 1
                at += len(raw)
            assert at == function.end * 8
    assert compared > 20
    assert relocated > 2


@pytest.mark.parametrize("name", LOADED)
def test_source_lines_are_those_objdump_shows(name: str, tmp_path: Path) -> None:
    """Without DWARF, objdump reads lines from BTF: every instruction has the same one here and there."""
    stripped = tmp_path / name
    run(tool("llvm-strip"), "-g", OBJECTS / name, "-o", stripped)
    theirs = objdump_lines(stripped)
    checked = 0
    for program in load(stripped).programs:
        for function in program.subprograms:
            for slot, line in theirs[function.name]:
                mine = program.line_of(function.start + slot)
                assert mine is not None
                assert (Path(mine.file).name, mine.line) == line
                checked += 1
    assert checked > 20


def objdump_lines(path: Path) -> dict[str, list[tuple[int, tuple[str, int]]]]:
    """Return (slot in the function, (file, line)) of every instruction of every function."""
    found: dict[str, list[tuple[int, tuple[str, int]]]] = {}
    rows: list[tuple[int, tuple[str, int]]] = []
    current = ("", 0)
    slot = 0
    for text in run(tool("llvm-objdump"), "-d", "-l", path).splitlines():
        if name := _FUNCTION.match(text):
            rows, slot = found.setdefault(name[1], []), 0
        elif line := _LINE.match(text):
            current = (line[1], int(line[2]))
        elif code := _INSTRUCTION.match(text):
            rows.append((slot, current))
            slot += len(code[1].split()) // 8
    return found


@pytest.mark.parametrize("name", LOADED)
def test_stripped_objects_load_alike(name: str, tmp_path: Path) -> None:
    """Taking DWARF out changes nothing but the path."""
    stripped = tmp_path / name
    run(tool("llvm-strip"), "-g", OBJECTS / name, "-o", stripped)
    assert without_path(load(stripped)) == without_path(load(OBJECTS / name))


@pytest.mark.parametrize("name", LOADED)
def test_statically_linked_objects_load_alike(name: str, tmp_path: Path) -> None:
    """bpftool's linker fills in what clang leaves to us (section sizes, offsets); programs and maps stay the same."""
    bpftool = shutil.which("bpftool")
    if bpftool is None:
        pytest.skip("bpftool is not installed")
    output = tmp_path / name
    run(bpftool, "gen", "object", output, OBJECTS / name)
    mine, theirs = load(OBJECTS / name), load(output)
    assert {each.name: len(each.instructions) for each in theirs.programs} == {
        each.name: len(each.instructions) for each in mine.programs
    }
    assert {described(theirs, each) for each in theirs.programs} == {described(mine, each) for each in mine.programs}
    for spec in mine.maps:
        other = next(each for each in theirs.maps if each.name == spec.name)
        assert (spec.type, spec.key_size, spec.value_size, spec.contents) == (
            other.type, other.key_size, other.value_size, other.contents,
        )  # fmt: skip


def described(obj: ObjectSpec, program: ProgramSpec) -> tuple[object, ...]:
    """Return a program with map names in place of indices: another linker orders maps its own way."""
    named = tuple(
        (each.opcode, each.dst, each.src, each.imm >> 32, obj.maps[each.imm & 0xFFFFFFFF].name)
        if each.is_lddw and each.src
        else each
        for each in program.instructions
    )
    lines = tuple((start, line.line, line.text) for start, line in program.lines)
    return program.name, named, program.subprograms, lines


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_committed_objects_are_what_clang_makes_of_their_source(name: str, tmp_path: Path) -> None:
    """Compiling again gives the same instructions, maps, BTF and lines, or the same refusal."""
    tool("clang")
    assert outcome(compile_object(name, tmp_path)) == outcome(OBJECTS / name)


def outcome(path: Path) -> object:
    try:
        return without_path(load(path))
    except ObjectError as refusal:
        return refusal.cause


def without_path(obj: ObjectSpec) -> tuple[object, ...]:
    return obj.license, obj.programs, obj.maps, obj.btf.types if obj.btf else None
