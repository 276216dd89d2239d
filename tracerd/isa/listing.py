"""What both assemblers share: numbers, labels, and the jumps that wait for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from tracerd.errors import InstructionError
from tracerd.isa.instruction import CALL, JA, JMP, JMP32, LDDW, SECOND_SLOT, Instruction
from tracerd.isa.opcodes import S16, S32, U32, U64

_NUMBER = re.compile(r"([+-]?)\s*(0[xX][0-9a-fA-F]+|[0-9]+)")


@dataclass(eq=False)
class AssemblyError(InstructionError):
    """A line of assembly text cannot be understood. `instruction` is the slot it would have filled."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.cause}: {self.text.strip()!r}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a listing, counted from 1, to blame."""

    number: int
    text: str
    slot: int

    def error(self, cause: str) -> AssemblyError:
        """Return the error that names this line."""
        return AssemblyError(self.slot, cause, self.number, self.text)


@dataclass(slots=True)
class Listing:
    """A program that is being assembled."""

    slots: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[int, str, Line]] = field(default_factory=list)

    def line(self, number: int, text: str) -> Line:
        """Return the line that fills the next slot."""
        return Line(number, text, len(self.slots))

    def label(self, name: str, line: Line) -> None:
        """Name the next slot.

        Raises:
            AssemblyError: the name is taken.
        """
        if name in self.labels:
            raise line.error(f"label {name!r} is defined twice")
        self.labels[name] = len(self.slots)

    def add(self, instruction: Instruction, line: Line, target: str | None = None) -> None:
        """Append an instruction; one with a target gets its distance from `finish`."""
        if target is not None:
            self.waiting.append((len(self.slots), target, line))
        self.slots.append(instruction)
        if instruction.opcode == LDDW:
            self.slots.append(Instruction(SECOND_SLOT))

    def finish(self) -> tuple[Instruction, ...]:
        """Fill in the distances to labels and return the program.

        Raises:
            AssemblyError: a label does not exist or is out of reach.
        """
        for slot, target, line in self.waiting:
            if target not in self.labels:
                raise line.error(f"no label {target!r}")
            self.slots[slot] = with_distance(self.slots[slot], self.labels[target] - slot - 1, line)
        return tuple(self.slots)


def with_distance(instruction: Instruction, distance: int, line: Line) -> Instruction:
    """Return a jump, call or address of code that leads `distance` slots past the following one.

    Raises:
        AssemblyError: the field cannot hold it.
    """
    if instruction.opcode == LDDW:
        return replace(instruction, imm=distance & 0xFFFFFFFF)
    wide = instruction.opcode in (JMP | CALL, JMP32 | JA)
    if distance not in (S32 if wide else S16):
        raise line.error(f"the target is {distance} instructions away, out of reach")
    return replace(instruction, imm=distance) if wide else replace(instruction, offset=distance)


def number(text: str, line: Line) -> int:
    """Read a decimal or 0x number with an optional sign.

    Raises:
        AssemblyError: it is not one.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise line.error(f"{text!r} is not a number")
    sign, digits = match.groups()
    magnitude = int(digits, 16 if digits[:2] in ("0x", "0X") else 10)
    return -magnitude if sign == "-" else magnitude


def offset16(text: str, line: Line) -> int:
    """Read an offset of 16 signed bits.

    Raises:
        AssemblyError: it is not one.
    """
    value = number(text, line)
    if value not in S16:
        raise line.error(f"offset {value} does not fit 16 signed bits")
    return value


def imm32(text: str, line: Line, *, unsigned: bool = True) -> int:
    """Read an immediate of 32 bits. If `unsigned`, values up to 0xffffffff stand for the negative of equal bits.

    Raises:
        AssemblyError: it is not one.
    """
    value = number(text, line)
    if unsigned and value in U32:
        return value - ((value >> 31) << 32)
    if value not in S32:
        raise line.error(f"{value} does not fit an immediate of 32 {'' if unsigned else 'signed '}bits")
    return value


def imm64(text: str, line: Line) -> int:
    """Read the constant of an lddw, signed or unsigned, as 64 unsigned bits.

    Raises:
        AssemblyError: it is not one.
    """
    value = number(text, line)
    if value not in U64 and value + (1 << 63) not in U64:
        raise line.error(f"{value} does not fit 64 bits")
    return value & 0xFFFFFFFFFFFFFFFF
