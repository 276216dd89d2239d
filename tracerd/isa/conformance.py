"""Read the `.data` files of bpf_conformance: a program, its memory, and what it must return.

Sections start with `-- name`; `-- asm` is the program as text, `-- raw` the same as 64-bit words, `-- mem` the bytes
r1 points to, `-- result` r0 at the end, `-- error` the message of a program that must be refused. `-- c` (source the
program came from) and `-- no register offset` (a remark for one assembler) are not for us.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tracerd.errors import ConfigError
from tracerd.isa.assemble import assemble
from tracerd.isa.instruction import Instruction
from tracerd.isa.listing import AssemblyError

_T = TypeVar("_T")
_IGNORED = frozenset({"c", "no register offset"})
_SECTIONS = frozenset({"asm", "raw", "mem", "result", "error"})


@dataclass(frozen=True, slots=True)
class Case:
    """One test of an eBPF engine.

    `instructions` is None without an `-- asm` section and `raw` without a `-- raw` one. `result` is r0 as an unsigned
    64-bit number; a case has a result or an error.
    """

    name: str
    instructions: tuple[Instruction, ...] | None
    raw: bytes | None
    memory: bytes
    result: int | None
    error: str | None


def load_case(path: Path) -> Case:
    """Read one file; the case is called as the file, without `.data`.

    Raises:
        ConfigError: the file is not a case.
        OSError: the file cannot be read.
    """
    return parse_case(path.stem, path.read_text(encoding="utf-8"))


def parse_case(name: str, text: str) -> Case:
    """Read the text of a case.

    Raises:
        ConfigError: an unknown section, a bad number or line of assembly, neither program or neither result nor error.
    """
    sections = _sections(name, text)
    asm = sections.get("asm")
    case = Case(
        name=name,
        instructions=_assembly(name, asm) if asm is not None else None,
        raw=_convert(name, "raw", sections, _words),
        memory=_convert(name, "mem", sections, bytes.fromhex) or b"",
        result=_convert(name, "result", sections, _result),
        error=sections["error"].strip() if "error" in sections else None,
    )
    if case.instructions is None and case.raw is None:
        raise ConfigError(name, "has neither an -- asm nor a -- raw section")
    if case.result is None and case.error is None:
        raise ConfigError(name, "has neither a -- result nor an -- error section")
    return case


def _sections(name: str, text: str) -> dict[str, str]:
    """Split at the `--` lines. Text keeps the file's line numbers, so that errors in it point into the file."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for row, line in enumerate(text.splitlines()):
        if line.startswith("--"):
            title = line[2:].strip()
            if title not in _SECTIONS | _IGNORED:
                raise ConfigError(f"{name}:{row + 1}", f"unknown section {title!r}")
            if title in found:
                raise ConfigError(f"{name}:{row + 1}", f"a second section {title!r}")
            current = found.setdefault(title, [""] * (row + 1))
        else:
            current.append(line)
    return {title: "\n".join(lines) for title, lines in found.items() if title in _SECTIONS}


def _assembly(name: str, text: str) -> tuple[Instruction, ...]:
    try:
        return assemble(text)
    except AssemblyError as error:
        raise ConfigError(f"{name}:{error.line}", f"{error.cause}: {error.text.strip()!r}") from error


def _convert(name: str, title: str, sections: dict[str, str], reader: Callable[[str], _T]) -> _T | None:
    """Return a section of numbers, or None if the case has no such section."""
    if title not in sections:
        return None
    try:
        return reader(sections[title])
    except (ValueError, OverflowError) as error:
        raise ConfigError(name, f"section -- {title} is not what it should be: {error}") from error


def _words(text: str) -> bytes:
    """Return 64-bit words as the little-endian bytes of a program."""
    return b"".join(int(word, 0).to_bytes(8, "little") for word in text.split())


def _result(text: str) -> int:
    value = int(text.strip(), 16 if "0x" in text.lower() else 10)
    if not 0 <= value < 1 << 64:
        raise ValueError(f"{value:#x} is not an unsigned 64-bit number")
    return value
