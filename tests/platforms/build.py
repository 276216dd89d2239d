"""Compile what `make probes` does not: the variants of refused.c, and bind.bpf.c without BTF.

`python -m tests.platforms.build` writes them beside their sources; they are committed, as all objects are.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

OBJECTS = Path(__file__).parent / "objects"
VARIANTS = ("PROG_ARRAY", "LRU", "CONNECT", "UNKNOWN_MAP", "UNKNOWN_SECTION")
FLAGS = ("-target", "bpf", "-g", "-O2", "-mcpu=v3", "-Wall", "-Wno-unused-const-variable", "-fno-ident")


TARGETS = {
    **{f"refused_{each.lower()}.bpf.o": ("refused.c", f"-D{each}") for each in VARIANTS},
    "plain.bpf.o": ("bind.bpf.c", "-g0"),
}
"""Object -> source and what to add to FLAGS."""


def build(name: str, folder: Path) -> Path:
    """Compile one of `TARGETS` into a folder and return its path. Paths in it are relative to `OBJECTS`."""
    output = folder.resolve() / name
    source, *extra = TARGETS[name]
    command = ["clang-19", *FLAGS, *extra, "-fdebug-compilation-dir=.", "-c", source, "-o", str(output)]
    subprocess.run(command, cwd=OBJECTS, check=True)
    return output


if __name__ == "__main__":
    for each in TARGETS:
        build(each, OBJECTS)
