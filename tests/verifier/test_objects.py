"""Programs as clang writes them: all of these are safe, and all must be accepted, with a proof that they end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tracerd.elf.load import load
from tracerd.platforms import PLATFORMS
from tracerd.verifier import Options, VerifiedProgram, verify
from tracerd.verifier.prepare import make_job

SOURCES = sorted((Path(__file__).parent / "objects").glob("*.bpf.c"))
CLANG = shutil.which("clang-19") or shutil.which("clang")


@pytest.mark.skipif(CLANG is None, reason="clang is not installed here")
@pytest.mark.parametrize("version", ["v2", "v3", "v4"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name.split(".")[0])
def test_typical_programs_are_accepted(source: Path, version: str, tmp_path: Path) -> None:
    """At -O2 and every instruction set version: without fuel, so every loop's end is proved."""
    target = tmp_path / "object.o"
    command = [str(CLANG), "-target", "bpf", f"-mcpu={version}", "-O2", "-g", "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    obj = load(target)
    assert obj.programs
    for program in obj.programs:
        job = make_job(obj, program, PLATFORMS["linux"], options=Options(allow_fuel=False))
        outcome = verify(job)
        assert isinstance(outcome, VerifiedProgram), str(outcome)
        assert outcome.certificate.terminates
