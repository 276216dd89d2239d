"""seccomp(2): a list of system calls with what becomes of them, assembled into the kernel's classic BPF.

Rules come in, a filter comes out: `assemble` is pure, `install` puts it on this process for good. Whatever no rule
names kills the process. Sources: linux/seccomp.h, linux/filter.h, seccomp(2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from tracerd.linux.syscalls import Machine, call, machine, number
from tracerd.native import ffi

SET_MODE_FILTER = 1
FLAG_TSYNC = 1                            # all threads of the process, or none

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000                      # x86-64's other set of numbers, for 32-bit pointers

LD_WORD, JEQ, JGE, JSET, RET = 0x20, 0x15, 0x35, 0x45, 0x06      # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|…|BPF_K, BPF_RET|BPF_K
NR, ARCH, ARGUMENTS = 0, 4, 16            # offsets in struct seccomp_data
MAX_INSTRUCTIONS = 4096                   # BPF_MAXINSNS


class Action(IntEnum):
    """SECCOMP_RET_*: what a filter answers."""

    KILL = 0x80000000                     # the whole process, by a SIGSYS it cannot catch
    ERRNO = 0x00050000
    ALLOW = 0x7FFF0000


@dataclass(frozen=True, slots=True)
class Bits:
    """Asks of an argument (from 0) that all of some bits are set, or that none is. Bits are of its low word."""

    argument: int
    mask: int
    are_set: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One system call that does not kill: it is allowed if all of `asks` hold, or refused with `errno`."""

    name: str
    why: str
    asks: tuple[Bits, ...] = ()
    errno: int = 0

    @property
    def answer(self) -> int:
        return Action.ERRNO | self.errno if self.errno else Action.ALLOW


Instruction = tuple[int, int, int, int]
"""struct sock_filter: code, jump if true, jump if false, k."""


def assemble(rules: Iterable[Rule], of: Machine) -> tuple[Instruction, ...]:
    """Return the filter for an architecture. Calls that it does not have are left out.

    The architecture is asked first: a number means another call in another table, and a 64-bit process may make
    32-bit calls. So is x32, whose numbers have a bit of their own.
    """
    kill = (RET, 0, 0, int(Action.KILL))
    code: list[Instruction] = [(LD_WORD, 0, 0, ARCH), (JEQ, 1, 0, AUDIT_ARCH[of]), kill, (LD_WORD, 0, 0, NR)]
    if of == "x86_64":
        code += [(JGE, 0, 1, X32_BIT), kill]
    for rule in rules:
        known = number(rule.name, of)
        if known is not None:
            block = _block(rule)
            code += [(JEQ, 0, len(block), known), *block]
    code.append(kill)
    if len(code) > MAX_INSTRUCTIONS:
        raise ValueError(f"a filter has at most {MAX_INSTRUCTIONS} instructions, not {len(code)}")
    return tuple(code)


def _block(rule: Rule) -> list[Instruction]:
    """Return what is run once the number is known: it always ends in an answer, so the number need not be kept."""
    code: list[Instruction] = []
    for ask in rule.asks:
        for bit in _single_bits(ask.mask) if ask.are_set else (ask.mask,):    # JSET asks for any of its bits
            code.append((LD_WORD, 0, 0, ARGUMENTS + 8 * ask.argument))        # the low word: both are little endian
            code.append((JSET, 1, 0, bit) if ask.are_set else (JSET, 0, 1, bit))
            code.append((RET, 0, 0, int(Action.KILL)))
    code.append((RET, 0, 0, rule.answer))
    return code


def _single_bits(mask: int) -> tuple[int, ...]:
    return tuple(1 << at for at in range(32) if mask >> at & 1)


def install(rules: Iterable[Rule]) -> None:
    """Filter this process's system calls from now on, in all its threads. It cannot be taken back.

    Needs PR_SET_NO_NEW_PRIVS (or CAP_SYS_ADMIN) to be set before.

    Raises:
        OSError: the kernel has no filters or refuses this one; ENOSYS on an architecture without a table.
    """
    here = machine()
    if here is None:
        call("seccomp")                   # raises: there is no table
        return
    code = assemble(rules, here)
    held = ffi.new("char[]", b"".join(struct.pack("<HBBI", *each) for each in code))
    program = ffi.new("char[]", struct.pack("<HxxxxxxQ", len(code), _address(held)))      # struct sock_fprog
    call("seccomp", SET_MODE_FILTER, FLAG_TSYNC, _address(program))


def _address(data: Any) -> int:
    return int(ffi.cast("uintptr_t", data))
