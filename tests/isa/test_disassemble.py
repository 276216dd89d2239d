"""Disassembly: the words of llvm-objdump, recorded and live, and a text that assembles to the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.isa.llvm import assemble_object, bare, bytes_object, code_sections, objdump, run, tool
from tests.isa.make_golden import GOLDEN
from tests.isa.programs import PLACEHOLDER, every_instruction, flatten, llvm_can_express, llvm_needs_alu32
from tracerd.isa.decode import decode
from tracerd.isa.disassemble import disassemble, format_instruction
from tracerd.isa.encode import encode
from tracerd.isa.instruction import CALL, CALL_LOCAL, JA, JMP, JMP32, Instruction
from tracerd.isa.opcodes import CALLX, ENCODINGS, S16, find

SOURCE = Path(__file__).parent / "c" / "everything.bpf.c"


def test_text_equals_the_recorded_llvm_objdump() -> None:
    """Every line of the golden file (made by llvm-objdump 19) is what we print for those bytes."""
    rows = [line.split("\t") for line in GOLDEN.read_text().splitlines()]
    for code, plain, alu32 in rows:
        instruction = decode(bytes.fromhex(code))[0]
        assert format_instruction(instruction, 0, alu32=True) == alu32
        if plain != "-":
            assert format_instruction(instruction, 0) == plain


def test_golden_file_has_every_row_llvm_can_express() -> None:
    """No encoding is left out of the golden file unless LLVM's text cannot say it."""
    recorded = {id(find(decode(bytes.fromhex(line.split("\t")[0]))[0])) for line in GOLDEN.read_text().splitlines()}
    missing = [row for row in ENCODINGS if id(row) not in recorded]
    # six pseudo constants, local and BTF calls
    assert sorted(row.name for row in missing) == ["call local", "call runtime", *["lddw"] * 6]


def test_llvm_mc_assembles_our_text_to_our_bytes(tmp_path: Path) -> None:
    """A program of every instruction, written by us, is assembled by llvm-mc to the bytes it came from."""
    program = flatten(
        instruction
        for instruction in every_instruction()
        # llvm-mc refuses the distances that gotol was made for.
        if llvm_can_express(instruction) and (instruction.opcode != JMP32 | JA or instruction.imm in S16)
    )
    text = "\n".join(disassemble(program, alu32=True))
    path = assemble_object(text + "\n", tmp_path / "all.o")
    assert code_sections(path)[".text"] == encode(program)


@pytest.mark.parametrize("alu32", [False, True])
def test_text_equals_llvm_objdump(tmp_path: Path, alu32: bool) -> None:
    """For every instruction llvm-objdump prints what we print, the name of a jump's target included."""
    program = flatten(
        instruction
        for instruction in every_instruction()
        if llvm_can_express(instruction) and (alu32 or not llvm_needs_alu32(instruction))
    )
    path = bytes_object(encode(program), tmp_path / "all.o")
    reference = objdump(path, ".text", alu32=alu32)
    ours = disassemble(program, alu32=alu32, symbol=".text")
    assert {slot: ours[slot] for slot in reference} == reference
    assert [slot for slot, text in enumerate(ours) if text] == sorted(reference)


@pytest.mark.parametrize("cpu", ["v1", "v2", "v3", "v4"])
@pytest.mark.parametrize("level", ["-O1", "-O2"])
def test_compiled_code_reads_as_in_llvm_objdump(tmp_path: Path, cpu: str, level: str) -> None:
    """What clang makes of C decodes, and reads as llvm-objdump prints it."""
    path = tmp_path / "everything.o"
    defines = [f"-DWITH_V{version}" for version in (3, 4) if version <= int(cpu[1])]
    run(tool("clang"), "-target", "bpfel", f"-mcpu={cpu}", level, "-g", *defines, "-c", SOURCE, "-o", path)
    alu32 = int(cpu[1]) >= 3
    sections = code_sections(path)
    assert len(sections) == 4 + (cpu >= "v3") + (cpu >= "v4")
    for name, code in sections.items():
        program = decode(code)
        ours = disassemble(program, alu32=alu32)
        for slot, text in objdump(path, name, alu32=alu32).items():
            local = program[slot].opcode == JMP | CALL and program[slot].src == CALL_LOCAL
            expected = f"call pc{program[slot].imm:+#x}" if local else bare(text)
            assert ours[slot] == expected, (name, slot)


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        (Instruction(0x85, src=1, imm=5), "call pc+0x5"),
        (Instruction(0x85, src=1, imm=-1), "call pc-0x1"),
        (Instruction(0x85, src=2, imm=77), "call btf 0x4d"),
        (Instruction(0x18, 1, 1, imm=5), "r1 = map_fd[0x5] ll"),
        (Instruction(0x18, 1, 2, imm=5 | 16 << 32), "r1 = map_fd[0x5][0x10] ll"),
        (Instruction(0x18, 1, 3, imm=5), "r1 = variable[0x5] ll"),
        (Instruction(0x18, 1, 4, imm=5), "r1 = code[pc+0x5] ll"),
        (Instruction(0x18, 1, 4, imm=0xFFFFFFFE), "r1 = code[pc-0x2] ll"),
        (Instruction(0x18, 1, 5, imm=2), "r1 = map[0x2] ll"),
        (Instruction(0x18, 1, 6, imm=2 | 24 << 32), "r1 = map[0x2][0x18] ll"),
        (Instruction(0x40, src=5, imm=4), "r0 = *(u32 *)skb[r5 + 0x4]"),
        (Instruction(CALLX, 2), "callx r2"),
        (Instruction(0xFF), "<unknown>"),
        (Instruction(0x07, 1, 0, 3, 5), "<unknown>"),
        (PLACEHOLDER, ""),
    ],
)
def test_what_llvm_cannot_say_has_words_of_its_own(instruction: Instruction, text: str) -> None:
    """Where LLVM's text is ambiguous or missing, ours names the instruction."""
    assert format_instruction(instruction, 0) == text


def test_one_line_per_slot() -> None:
    """Line numbers are slot numbers: the second slot of an lddw is an empty line."""
    program = flatten([Instruction(0x18, 1, imm=5), Instruction(0x95)])
    assert disassemble(program) == ["r1 = 0x5 ll", "", "exit"]


def test_jump_names_its_target() -> None:
    """With a symbol, a jump ends in the byte offset it leads to."""
    assert format_instruction(Instruction(0x05, offset=3), 2, symbol="main") == "goto +0x3 <main+0x30>"
    assert format_instruction(Instruction(0x06, imm=-3), 2, symbol="main") == "gotol -0x3 <main>"
    assert format_instruction(Instruction(0x95), 2, symbol="main") == "exit"


def test_tool_that_is_missing_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LLVM the differential tests are skipped with the name of the missing tool."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(pytest.skip.Exception, match="clang-19 is not installed"):
        tool("clang")
