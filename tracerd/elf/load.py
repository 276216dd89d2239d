"""Load an object file: bytes in, a frozen `ObjectSpec` out. Same bytes, same answer, on any OS."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tracerd.btf.blob import BtfError
from tracerd.elf.debug import read_debug
from tracerd.elf.file import ElfFile
from tracerd.elf.functions import find_functions
from tracerd.elf.link import link_programs
from tracerd.elf.maps import find_maps
from tracerd.elf.relocations import apply_relocations
from tracerd.elf.spec import ObjectSpec
from tracerd.errors import InstructionError, ObjectError

MAX_FILE = 64 << 20
"""Largest object in bytes."""


def load(path: str | Path) -> ObjectSpec:
    """Load an object file that clang compiled for eBPF.

    Raises:
        ObjectError: it cannot be read, is damaged, or asks for something not supported; names the cause and the way
            out.
    """
    return load_bytes(read_object(path), str(path))


def read_object(path: str | Path) -> bytes:
    """Return an object file's bytes.

    Raises:
        ObjectError: it cannot be read, is larger than any object, or is a pipe or a device: it would never end.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ObjectError(str(path), "cannot be read: it is no regular file")
            data = file.read(MAX_FILE + 1)
    except OSError as fault:
        raise ObjectError(str(path), f"cannot be read: {fault.strerror or fault}") from fault
    if len(data) > MAX_FILE:
        raise ObjectError(str(path), f"is larger than {MAX_FILE >> 20} MiB, no eBPF object is")
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))       # of a pipe that nobody writes


def load_bytes(data: bytes, name: str) -> ObjectSpec:
    """Load an object from memory; `name` stands for it in errors and as `ObjectSpec.path`.

    Raises:
        ObjectError: as `load`.
    """
    if len(data) > MAX_FILE:
        raise ObjectError(name, f"is larger than {MAX_FILE >> 20} MiB, no eBPF object is")
    try:
        return _load(ElfFile(data, name))
    except (BtfError, InstructionError) as fault:
        raise ObjectError(name, str(fault)) from fault


def _load(elf: ElfFile) -> ObjectSpec:
    debug = read_debug(elf)
    maps = find_maps(elf, debug.btf)
    functions = find_functions(elf)
    bodies = apply_relocations(elf, functions, maps)
    return ObjectSpec(
        path=elf.name,
        license=_license(elf),
        programs=link_programs(elf, functions, bodies, debug.lines),
        maps=maps.specs,
        btf=debug.btf,
        windows_maps=maps.windows,
    )


def _license(elf: ElfFile) -> str:
    """Return the text of the `license` section up to its NUL, "" without one."""
    section = elf.section("license")
    if section is None:
        return ""
    if section.size > 128:
        raise elf.error(f"section 'license' has {section.size} bytes; a licence's name has fewer than 128")
    text = elf.data(section).partition(b"\0")[0].decode("utf-8", "backslashreplace")
    if not text.isprintable():
        raise elf.error(f"section 'license' holds unprintable characters: {text!r}")
    return text
