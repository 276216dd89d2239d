"""LLVM's text: what the disassembler writes comes back, and people may write it more freely."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.isa.make_golden import GOLDEN
from tests.isa.programs import every_instruction, flatten, programs
from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.decode import decode
from tracerd.isa.disassemble import disassemble
from tracerd.isa.instruction import Instruction
from tracerd.isa.listing import AssemblyError


def one(text: str) -> Instruction:
    """Assemble a single instruction."""
    return parse_llvm(text)[0]


@given(programs, st.booleans(), st.sampled_from([None, "main"]))
def test_disassembly_assembles_to_the_same_program(
    program: tuple[Instruction, ...], alu32: bool, symbol: str | None
) -> None:
    """Any program's text, in either register style and with named targets, is that program again."""
    text = "\n".join(disassemble(program, alu32=alu32, symbol=symbol))
    assert parse_llvm(text) == program


def test_every_sample_goes_round() -> None:
    """No encoding and no extreme value is lost in the text."""
    program = flatten(every_instruction())
    assert parse_llvm("\n".join(disassemble(program))) == program


def test_llvm_objdump_text_assembles_to_its_bytes() -> None:
    """Both columns of the golden file assemble to the bytes that llvm-objdump read."""
    for line in GOLDEN.read_text().splitlines():
        code, *texts = line.split("\t")
        for text in texts:
            if text != "-":
                assert parse_llvm(text) == decode(bytes.fromhex(code)), text


def test_labels_count_slots() -> None:
    """A label is the slot of the next instruction, and an lddw fills two."""
    program = parse_llvm("""
        again:  r1 = 0x1122334455667788 ll   ; two slots
                if r1 != 0 goto out          # forward
                goto again
                gotol out
        out:    exit
    """)
    offsets = [(instruction.offset, instruction.imm) for instruction in program[2:5]]
    assert offsets == [(2, 0), (-4, 0), (0, 0)]
    assert program[4] == Instruction(0x06, imm=0)


def test_calls_name_helpers_or_functions() -> None:
    """A name after `call` is a helper's, or a label's, which makes it a local call."""
    program = parse_llvm("call ktime_get_ns\ncall work\ncall 7\ncall 0x7\nexit\nwork: exit", {"ktime_get_ns": 5})
    assert program[:4] == (
        Instruction(0x85, imm=5), Instruction(0x85, src=1, imm=3), Instruction(0x85, imm=7), Instruction(0x85, imm=7),
    )  # fmt: skip


def test_label_wins_over_helper_of_its_name() -> None:
    """A program's own function hides a helper."""
    assert one("call f\nf: exit") == parse_llvm("call f\nf: exit", {"f": 9})[0] == Instruction(0x85, src=1)


def test_map_references_are_pseudo_constants() -> None:
    """`map[i] ll` is the map, `map[i][o] ll` an address in its value (elf.spec), `code[f] ll` a function."""
    assert one("r1 = map[2] ll") == Instruction(0x18, 1, 5, imm=2)
    assert one("r1 = map[2][16] ll") == Instruction(0x18, 1, 6, imm=2 | 16 << 32)
    assert one("r1=map [0x2] [0] ll") == Instruction(0x18, 1, 6, imm=2)
    assert one("r2 = code[f] ll\nexit\nf: exit") == Instruction(0x18, 2, 4, imm=2)
    assert parse_llvm("f: exit\nr2 = code[f] ll")[1] == Instruction(0x18, 2, 4, imm=0xFFFFFFFE)


@pytest.mark.parametrize(
    ("text", "instruction"),
    [
        ("r2 = *(u32 *)(r1 + 4)", Instruction(0x61, 2, 1, 4)),
        ("r2=*(u32*)(r1+4)", Instruction(0x61, 2, 1, 4)),
        ("w2 = *(u32 *)(r1 + 4)", Instruction(0x61, 2, 1, 4)),
        ("r2 = *(u64 *)(r10 - 16)", Instruction(0x79, 2, 10, -16)),
        ("r2 = *(u64 *)(r10)", Instruction(0x79, 2, 10, 0)),
        ("*(u16 *)(r10 - 2) = 0xffff", Instruction(0x6A, 10, 0, -2, 0xFFFF)),
        ("*(u32 *)(r10 - 4) = 0xffffffff", Instruction(0x62, 10, 0, -4, -1)),
        ("*(u8 *)(r1 + 0) = w2", Instruction(0x73, 1, 2)),
        ("lock *(u32 *)(r1 + 0) += r2", Instruction(0xC3, 1, 2)),
        ("lock *(u32 *)(r1 + 0) += w2", Instruction(0xC3, 1, 2)),
        ("w0 = 4294967295", Instruction(0xB4, imm=-1)),
        ("w0 = 0xffffffff", Instruction(0xB4, imm=-1)),
        ("r0 = -1 ll", Instruction(0x18, imm=2**64 - 1)),
        ("if w1 s<= -1 goto +0", Instruction(0xD6, 1, imm=-1)),
        ("if r1 & 8 goto +1", Instruction(0x45, 1, 0, 1, 8)),
        ("r1 s>>= 3", Instruction(0xC7, 1, imm=3)),
        ("call pc+3", Instruction(0x85, src=1, imm=3)),
        ("call btf 12", Instruction(0x85, src=2, imm=12)),
    ],
)
def test_people_may_write_it_more_freely(text: str, instruction: Instruction) -> None:
    """Decimal numbers, missing spaces and offsets, and either register width in memory operands are understood."""
    assert one(text) == instruction


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("r1 = 0xffffffff", "does not fit an immediate of 32 signed bits"),
        ("if r1 > 0x80000000 goto +1", "does not fit"),
        ("*(u64 *)(r1 + 0) = 0xffffffff", "does not fit"),
        ("w0 = 0x100000000", "does not fit"),
        ("r1 = 0x10000000000000000 ll", "does not fit 64 bits"),
        ("r1 = *(u8 *)(r2 + 32768)", "does not fit 16 signed bits"),
        ("goto +32768", "out of reach"),
        ("r1 += w2", "w2 has the wrong width"),
        ("if w1 > r2 goto +1", "r2 has the wrong width"),
        ("w1 = *(u64 *)(r2 + 0)", "w1 has the wrong width"),
        ("w1 = *(s8 *)(r2 + 0)", "w1 has the wrong width"),
        ("*(u64 *)(r2 + 0) = w1", "w1 has the wrong width"),
        ("lock *(u64 *)(r2 + 0) += w1", "w1 has the wrong width"),
        ("r11 = 0", "dst is 11"),
        ("w1 = (s32)w2", "offset is 32"),
        ("r1 = (s8)5", "needs a register"),
        ("r1 = *(s64 *)(r2 + 0)", "opcode 0x99"),
        ("r1 = be16 r2", "must be the same"),
        ("r1 = -r2", "must be the same"),
        ("r1 = atomic_fetch_add((u64 *)(r2 + 0), r3)", "must be the same"),
        ("r1 = cmpxchg_64(r2 + 0, r1, r3)", "compares with r0"),
        ("r1 = xchg_64(r2 + 0, r0, r1)", "xchg takes one register"),
        ("callx r2", "callx"),
        ("goto nowhere", "no label 'nowhere'"),
        ("call nothing", "no label and no helper"),
        ("r1 = variable[1][2] ll", "variable has no offset"),
        ("r1 = map[4294967296] ll", "does not fit 32 bits"),
        ("a:\na:", "defined twice"),
        ("r1 == 5", "not an instruction"),
        ("r1 = r2 r3", "not an instruction"),
        ("exit now", "not an instruction"),
        ("mov %r1, 5", "not an instruction"),
    ],
)
def test_mistakes_name_line_and_cause(text: str, cause: str) -> None:
    """What is not an instruction is refused with the number and text of its line."""
    with pytest.raises(AssemblyError) as error:
        parse_llvm(f"exit\n\n{text}")
    assert error.value.line == 3 + text.count("\n")
    assert error.value.instruction == 1
    assert cause in str(error.value)
    assert str(error.value).startswith(f"line {error.value.line}: ")


@given(st.text(alphabet="rw0123456789 =+-*()[]<>&|^us:,;#xgotlifcaeh\n", max_size=60))
def test_any_text_assembles_or_is_refused(text: str) -> None:
    """No text makes the assembler fail in another way than AssemblyError."""
    try:
        program = parse_llvm(text)
    except AssemblyError:
        return
    assert parse_llvm("\n".join(disassemble(program))) == program


def test_error_survives_pickling() -> None:
    """The error can cross a process border."""
    error = AssemblyError(3, "cause", 7, "text")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "line 7: cause: 'text'"
