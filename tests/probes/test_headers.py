"""The shipped headers compile with every clang of this machine, without kernel headers; what they offer is proved."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compilers import compiler, every_compiler
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec
from tracerd.platforms.linux import LINUX
from tracerd.runtime.compiler import compile_source, include_folder
from tracerd.runtime.locate import shipped_probes
from tracerd.runtime.trial import Trial, try_out
from tracerd.verifier.job import VerifiedProgram
from tracerd.verifier.prepare import make_job
from tracerd.verifier.sandbox import Verifier

EVERYTHING = Path(__file__).parent / "sources" / "everything.bpf.c"
NAME_AT, LIFETIME_AT = 152, 32
"""Offsets in struct process_context."""


def built(source: Path, name: str, folder: Path) -> ObjectSpec:
    """Compile a copy of a source, with the headers beside it; there must be no warning."""
    copy = folder / source.name
    for each in (source, *source.parent.glob("*.h")):
        shutil.copy(each, folder)
    made = compile_source(copy, compiler(name))
    assert made.messages == ""
    return load(made.object)


def run(spec: ObjectSpec, program: str, *, context: bytes, data: bytes) -> Trial:
    """Prove a program and run it once."""
    found = spec.program(program)
    return try_out(
        spec, found, LINUX, None, context=context, data=data, repeat=1, asked="interpreter", integrity="auto"
    )


@every_compiler
@pytest.mark.parametrize("header", sorted(path.name for path in include_folder().glob("*.h")))
@pytest.mark.parametrize("standard", ["c11", "gnu11", "gnu2x"])
def test_a_header_compiles_alone_without_warnings_and_system_headers(
    header: str, name: str, standard: str, tmp_path: Path
) -> None:
    """-nostdinc: nothing of the machine is there to include."""
    found = compiler(name)
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{header}"\n#include "{header}"\n')
    flags = ("-Wall", "-Wextra", "-Werror", f"-std={standard}", "-nostdinc", "-g", "-O2")
    command = (*found.command, "-target", found.target, *flags, "-I", str(include_folder()), "-c", source.name)
    done = subprocess.run((*command, "-o", "alone.o"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@every_compiler
def test_everything_in_the_header_is_proved_and_does_what_it_says(name: str, tmp_path: Path) -> None:
    """Text is cut at its room, histograms at their last slot, lines are printed, a record's type is in BTF."""
    spec = built(EVERYTHING, name, tmp_path)
    context = bytearray(NAME_AT + 64)
    context[NAME_AT : NAME_AT + 7] = b"a.shell"
    context[LIFETIME_AT : LIFETIME_AT + 8] = (5000).to_bytes(8, "little")
    trial = run(spec, "on_exit", context=bytes(context), data=b"/usr/bin/shell\0-c\0")
    row = next(table for table in trial.tables if table.name == "rows").rows()[0]
    assert (row["text"], row["copied"], row["whole"], row["seen"]) == ("/usr/bi", 7, "a.shell", 1)
    assert row["histogram"] == [1 if slot == 12 else 0 for slot in range(64)]
    assert row["small"] == [0, 0, 0, 1]
    assert trial.printed == ("pid 0, twice 10000", "nothing")
    assert trial.result == 8
    packet = bytes(12) + b"\x08\0" + bytes(50)
    assert run(spec, "on_packet", context=b"", data=packet).result == 2
    assert run(spec, "on_packet", context=b"", data=packet[:13]).result == 1
    assert run(spec, "on_return", context=bytes(8) + b"\x2a" + bytes(15), data=b"").result == 42


@every_compiler
@pytest.mark.parametrize("probe", sorted(shipped_probes()))
def test_every_shipped_probe_is_proved_whichever_clang_compiles_it(probe: str, name: str, tmp_path: Path) -> None:
    """What the verifier accepts does not hang on one compiler's habits."""
    spec = built(shipped_probes()[probe].parent / f"{probe}.bpf.c", name, tmp_path)
    with Verifier() as verifier:
        for program in spec.programs:
            assert isinstance(verifier.verify(make_job(spec, program, LINUX)), VerifiedProgram), program.name
