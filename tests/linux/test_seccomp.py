"""The filter's assembler: run by a small machine here, its numbers compared with the system's headers."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from tracerd.linux.seccomp import AUDIT_ARCH, JEQ, JGE, JSET, LD_WORD, RET, Action, Bits, Instruction, Rule, assemble
from tracerd.linux.syscalls import MACHINES, NUMBERS, Machine, number
from tracerd.verifier.sandbox.confine_linux import FILTER

HEADERS: dict[Machine, Path] = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
PROT_EXEC, MAP_ANONYMOUS = 4, 0x20


def answer(code: Sequence[Instruction], call: int, *arguments: int, architecture: int = AUDIT_ARCH["x86_64"]) -> int:
    """Run a filter on one system call, as the kernel would (linux/filter.h)."""
    data = struct.pack("<IIQ6Q", call, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    at = accumulator = 0
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, k)
            case 0x15:
                at += if_true if accumulator == k else if_false
            case 0x35:
                at += if_true if accumulator >= k else if_false
            case 0x45:
                at += if_true if accumulator & k else if_false
            case 0x06:
                return k
            case _:
                raise AssertionError(f"no such instruction: {operation:#x}")


@pytest.mark.parametrize("of", MACHINES)
def test_every_rule_answers_its_own_number_and_all_others_kill(of: Machine) -> None:
    """Over all numbers below 600, exactly the rules' calls live, and conditions hold both ways."""
    code = assemble(FILTER, of)
    rules = {number(rule.name, of): rule for rule in FILTER}
    for call in range(600):
        rule = rules.get(call)
        wanted = rule.answer if rule is not None else Action.KILL
        arguments = (0, 0, 3, MAP_ANONYMOUS)
        assert answer(code, call, *arguments, architecture=AUDIT_ARCH[of]) == wanted


@pytest.mark.parametrize("of", MACHINES)
def test_no_memory_becomes_code_and_none_is_a_file(of: Machine) -> None:
    """PROT_EXEC kills whatever else is asked for, and so does a mapping without MAP_ANONYMOUS."""
    code = assemble(FILTER, of)

    def ask(name: str, *arguments: int) -> int:
        known = number(name, of)
        assert known is not None
        return answer(code, known, *arguments, architecture=AUDIT_ARCH[of])

    assert ask("mmap", 0, 4096, 3, MAP_ANONYMOUS | 2) == Action.ALLOW
    assert ask("mmap", 0, 4096, 3, 2) == Action.KILL
    assert ask("mmap", 0, 4096, PROT_EXEC, MAP_ANONYMOUS) == Action.KILL
    assert ask("mmap", 0, 4096, 7 | 1 << 40, MAP_ANONYMOUS) == Action.KILL
    assert ask("mprotect", 0, 4096, 1) == Action.ALLOW
    assert ask("mprotect", 0, 4096, 1 | PROT_EXEC) == Action.KILL


def test_calls_of_other_tables_kill() -> None:
    """32-bit calls, another architecture's, and x32's: the same number means something else there."""
    code = assemble(FILTER, "x86_64")
    i386 = 0x40000003
    assert answer(code, 0) == Action.ALLOW
    assert answer(code, 0, architecture=i386) == Action.KILL
    assert answer(code, 0, architecture=AUDIT_ARCH["aarch64"]) == Action.KILL
    assert answer(code, 0x40000000) == Action.KILL
    assert answer(code, 0xFFFFFFFF) == Action.KILL


def test_all_bits_that_must_be_set_are_asked_for() -> None:
    """JSET is true if any bit is set; a rule that wants two of them asks for each."""
    code = assemble([Rule("read", "", (Bits(1, 0b101, are_set=True),))], "x86_64")
    assert [answer(code, 0, 0, bits) == Action.ALLOW for bits in (0b000, 0b001, 0b100, 0b101, 0b111)] == [
        False, False, False, True, True,
    ]


def test_only_known_instructions_are_assembled() -> None:
    """Every instruction is one of the five, every jump stays inside and the last one answers."""
    code = assemble(FILTER, "x86_64")
    for at, (operation, if_true, if_false, _) in enumerate(code):
        assert operation in (LD_WORD, JEQ, JGE, JSET, RET)
        assert at + 1 + max(if_true, if_false) < len(code) or operation == RET
    assert code[-1][0] == RET


@pytest.mark.parametrize("of", MACHINES)
def test_numbers_are_those_of_the_systems_headers(of: Machine) -> None:
    """Every call that the header knows has the number it has here."""
    header = HEADERS[of]
    if not header.exists():
        pytest.skip(f"no {header}")
    text = header.read_text()
    known = {name: int(value) for name, value in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    known["newfstatat"] = known.get("newfstatat", known.get("fstatat", -1))
    ours = {name: number(name, of) for name in NUMBERS}
    assert {name: value for name, value in ours.items() if value is not None and known.get(name, value) != value} == {}
    assert sum(name in known for name in ours) > 40
