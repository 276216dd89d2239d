"""What an object file says, frozen: nothing here is live, so it can be hashed, compared and sent to another process.

In a `ProgramSpec` every relocation is already applied: an `lddw` of a map has `src == IMM64_MAP_INDEX` and the index
into `ObjectSpec.maps` as its constant; an `lddw` of a map's value (`.rodata`, `.data`, `.bss`) has
`src == IMM64_MAP_INDEX_VALUE`, the map's index in the low 32 bits and the offset in the value in the high 32 bits (the
kernel's BPF_PSEUDO_MAP_IDX and BPF_PSEUDO_MAP_IDX_VALUE). Subprograms follow the main program, local calls point at
them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracerd.btf.types import Btf
from tracerd.isa.instruction import Instruction


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where an instruction comes from, as BTF line info tells."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Subprogram:
    """A function: instructions [start, end) of its program. The first one is the entry."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MapSpec:
    """One map as declared. Sizes in bytes. `type` is the number in the object: its meaning is the platform's.

    `contents` is the initial value of a data section's only element (`max_entries == 1`), else empty.
    """

    name: str
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    key_type: int | None = None       # BTF type ids in the object's BTF
    value_type: int | None = None
    contents: bytes = b""
    read_only: bool = False           # programs may not write it (.rodata)
    pinned: bool = False              # declared to be kept under its name: __uint(pinning, LIBBPF_PIN_BY_NAME)


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """One program with everything it calls, ready to verify."""

    name: str
    section: str
    instructions: tuple[Instruction, ...]
    subprograms: tuple[Subprogram, ...]
    lines: tuple[tuple[int, SourceLine], ...] = ()   # (first instruction, line), ascending

    def line_of(self, instruction: int) -> SourceLine | None:
        """Return the source line that instruction belongs to, if the object has line info for it."""
        found = None
        for start, line in self.lines:
            if start > instruction:
                break
            found = line
        return found


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """A whole object file."""

    path: str
    license: str
    programs: tuple[ProgramSpec, ...]
    maps: tuple[MapSpec, ...]
    btf: Btf | None
    windows_maps: bool = False        # maps are defined as eBPF for Windows did before it had BTF

    def program(self, name: str) -> ProgramSpec:
        """Return the program of that name.

        Raises:
            KeyError: there is none.
        """
        for program in self.programs:
            if program.name == name:
                return program
        raise KeyError(name)
