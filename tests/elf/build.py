"""Compile the objects of these tests: `python -m tests.elf.build` writes them beside their sources.

They are committed, so that the tests run without clang; where clang 19 is present one test compiles them again.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

OBJECTS = Path(__file__).parent / "objects"
CLANG = "clang-19"
FLAGS = ("-target", "bpf", "-g", "-O2", "-mcpu=v3", "-Wall", "-Wno-unused-variable", "-Wno-unused-const-variable")

REFUSED = re.findall(r"^#ifdef (\w+)", (OBJECTS / "refused.bpf.c").read_text(), re.MULTILINE)
"""What refused.bpf.c can be compiled for."""

TARGETS = {
    "linked.bpf.o": ("linked.bpf.c",),
    "types.bpf.o": ("types.bpf.c",),
    "pinned.bpf.o": ("pinned.bpf.c",),
    "rings.bpf.o": ("rings.bpf.c",),
    "no_debug_maps.bpf.o": ("refused.bpf.c", "-DCALLBACK", "-g0"),
    "big_endian.bpf.o": ("refused.bpf.c", "-target", "bpfeb"),
    **{f"refused_{why.lower()}.bpf.o": ("refused.bpf.c", f"-D{why}") for why in REFUSED},
}
"""Object -> source and what to add to FLAGS."""


def compile_object(name: str, folder: Path) -> Path:
    """Compile one of `TARGETS` into a folder and return its path. Paths in it are relative to `OBJECTS`."""
    output = folder.resolve() / name
    source, *extra = TARGETS[name]
    command = [CLANG, *FLAGS, *extra, "-fdebug-compilation-dir=.", "-c", source, "-o", str(output)]
    subprocess.run(command, cwd=OBJECTS, check=True)
    return output


if __name__ == "__main__":
    for target in TARGETS:
        compile_object(target, OBJECTS)
