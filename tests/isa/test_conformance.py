"""The `.data` files of bpf_conformance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracerd.errors import ConfigError, InstructionError
from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.conformance import load_case, parse_case
from tracerd.isa.decode import decode
from tracerd.isa.disassemble import disassemble
from tracerd.isa.encode import encode
from tracerd.isa.opcodes import CALLX

SHARED = Path(__file__).parents[2].parent / "shared" / "conformance" / "cases"

EXAMPLE = """\
# A licence
-- asm
lddw %r0, 0x1122334455667788
# a remark
ldxb %r2, [%r1+1]
jne %r2, 0x22, exit   # taken if wrong
exit
-- c
int main(void) { return 0; }
-- raw
0x5566778800000018
0x1122334400000000
0x0000000000011271
0x0000002200000255
0x0000000000000095
-- mem
11 22
33
-- result
0x1122334455667788
-- no register offset
call instruction
"""


def cases() -> list[Path]:
    """Return the shared cases, or skip the test."""
    found = sorted(SHARED.glob("*.data"))
    if not found:
        pytest.skip(f"bpf_conformance's cases are not at {SHARED}")
    return found


def test_sections_of_a_case() -> None:
    """A case has its program, the same as raw words, memory, and the expected r0."""
    case = parse_case("example", EXAMPLE)
    assert case.instructions is not None
    assert disassemble(case.instructions) == [
        "r0 = 0x1122334455667788 ll", "", "r2 = *(u8 *)(r1 + 0x1)", "if r2 != 0x22 goto +0x0", "exit",
    ]  # fmt: skip
    assert (case.name, case.memory, case.result, case.error) == ("example", b"\x11\x22\x33", 0x1122334455667788, None)
    assert case.raw is not None
    assert len(case.raw) == 40


def test_raw_words_are_the_assembled_bytes() -> None:
    """The words of a raw section are little-endian slots: they equal the encoded assembly."""
    case = parse_case("raw", "-- asm\nadd %r1, 5\nexit\n-- raw\n0x0000000500000107\n0x95\n-- result\n-0x0\n")
    assert case.instructions is not None
    assert case.raw == encode(case.instructions)
    assert decode(case.raw) == case.instructions


def test_case_may_expect_an_error() -> None:
    """A negative case has a message instead of a result, and need not have assembly."""
    case = parse_case("bad", "-- raw\n0xffffffffffffffff\n-- error\nunknown opcode\n")
    assert (case.instructions, case.result, case.error) == (None, None, "unknown opcode")
    assert case.memory == b""
    with pytest.raises(InstructionError):
        decode(case.raw or b"")


def test_results_are_decimal_or_hexadecimal() -> None:
    """A result without 0x is decimal, as bpf_conformance reads it."""
    assert parse_case("a", "-- asm\nexit\n-- result\n10\n").result == 10
    assert parse_case("a", "-- asm\nexit\n-- result\n0x10\n").result == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- asm\nexit\n", "case: has neither a -- result nor an -- error"),
        ("-- result\n0\n", "case: has neither an -- asm nor a -- raw"),
        ("-- asm\nexit\n-- stack\n1\n-- result\n0", "case:3: unknown section 'stack'"),
        ("-- asm\nexit\n-- asm\nexit\n-- result\n0", "case:3: a second section 'asm'"),
        ("# one\n-- asm\nexit\njump\n-- result\n0", "case:4: unknown mnemonic 'jump': 'jump'"),
        ("-- asm\nexit\n-- mem\nzz\n-- result\n0", "case: section -- mem"),
        ("-- asm\nexit\n-- result\nten", "case: section -- result"),
        ("-- asm\nexit\n-- result\n0x10000000000000000", "case: section -- result"),
        ("-- asm\nexit\n-- result\n-1", "case: section -- result"),
        ("-- raw\n0x10000000000000000\n-- result\n0", "case: section -- raw"),
    ],
)
def test_broken_cases_say_where(text: str, message: str) -> None:
    """A file that is not a case is refused with its name, and the line of the file where there is one."""
    with pytest.raises(ConfigError) as error:
        parse_case("case", text)
    assert str(error.value).startswith(message)


def test_all_shared_cases_assemble() -> None:
    """Every case of the suite assembles, and all but callx decode to what was assembled and keep their text."""
    refused = []
    for path in cases():
        case = load_case(path)
        assert case.instructions is not None
        assert case.result is not None
        code = encode(case.instructions)
        if any(instruction.opcode == CALLX for instruction in case.instructions):
            refused.append(case.name)
            continue
        assert decode(code) == case.instructions, case.name
        assert parse_llvm("\n".join(disassemble(case.instructions))) == case.instructions, case.name
        assert case.raw in (None, code), case.name
    assert refused == ["callx"]


def test_shared_raw_section_equals_its_assembly() -> None:
    """The one case that has both says the same twice."""
    both = [case for case in map(load_case, cases()) if case.raw is not None]
    assert [case.name for case in both] == ["lddw"]
    assert both[0].raw == encode(both[0].instructions or ())
