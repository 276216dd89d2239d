"""The reference tools, and how their output is read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

MAJOR = 19
_LINE = re.compile(r"^\s+(\d+):\s+(\S.*?)\s*$", re.MULTILINE)
_TARGET = re.compile(r" <\S+>$")


def bare(text: str) -> str:
    """Return a line without the name of its jump target."""
    return _TARGET.sub("", text)


def tool(name: str) -> str:
    """Return the path of an LLVM tool, or skip the test."""
    found = shutil.which(f"{name}-{MAJOR}")
    if found is None:
        pytest.skip(f"{name}-{MAJOR} is not installed")
    return found


def run(*command: str | Path, text: str = "") -> str:
    """Run a tool and return what it prints; its complaint fails the test."""
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assemble_object(text: str, path: Path) -> Path:
    """Assemble with llvm-mc."""
    run(tool("llvm-mc"), "-triple", "bpfel", "-mcpu=v4", "-filetype=obj", "-o", path, text=text)
    return path


def bytes_object(code: bytes, path: Path) -> Path:
    """Make an object whose .text is these bytes."""
    return assemble_object("".join(f".byte {byte}\n" for byte in code), path)


def code_sections(path: Path) -> dict[str, bytes]:
    """Return the non-empty executable sections of an object by name."""
    with path.open("rb") as file:
        return {
            section.name: section.data()
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & 0x4 and section["sh_size"]
        }


def objdump(path: Path, section: str, *, alu32: bool) -> dict[int, str]:
    """Return llvm-objdump's text by slot."""
    options = ("--mattr=+alu32",) if alu32 else ()
    listing = run(tool("llvm-objdump"), "-d", "--no-show-raw-insn", "-j", section, *options, path)
    return {int(slot): text for slot, text in _LINE.findall(listing)}
