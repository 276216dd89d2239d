"""The committed objects are what their sources say: rebuilt where the same clang is present, and compared."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tracerd.config import read_probe
from tracerd.elf.load import load
from tracerd.runtime.locate import shipped_probes
from tracerd.runtime.tables import ProbeViews
from tracerd.sources.names import parse_attach

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path.relative_to(ROOT)
    for pattern in ("probes/*/*.bpf.c", "tracerd/bench/programs/*.bpf.c", "tests/[cdprsw]*/objects/*.bpf.c")
    for path in ROOT.glob(pattern)
)
CLANG = "clang-19"


@pytest.mark.skipif(shutil.which(CLANG) is None, reason=f"{CLANG}, which built the objects, is not installed")
@pytest.mark.skipif(shutil.which("make") is None, reason="make, which has the flags, is not installed")
@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_committed_object_is_what_its_source_compiles_to(source: Path, tmp_path: Path) -> None:
    """Instructions, maps and BTF are equal; bytes may differ (clang's patch level, section order)."""
    flags = subprocess.run(["make", "-s", "probe-flags"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rebuilt = tmp_path / "rebuilt.bpf.o"
    subprocess.run([CLANG, *flags.split(), "-c", str(source), "-o", str(rebuilt)], cwd=ROOT, check=True)
    ours, theirs = load(ROOT / source.with_suffix(".o")), load(rebuilt)
    assert [(p.name, p.section, p.instructions, p.lines) for p in ours.programs] == [
        (p.name, p.section, p.instructions, p.lines) for p in theirs.programs
    ]
    assert ours.maps == theirs.maps
    assert ours.btf == theirs.btf


@pytest.mark.parametrize("name", sorted(shipped_probes()))
def test_a_shipped_probe_is_complete(name: str) -> None:
    """Its programs, attach names and views fit its object, and it has a README."""
    path = shipped_probes()[name]
    probe = read_probe(path)
    assert probe.name == name
    spec = load(probe.object)
    assert {program for program, _ in probe.attach} == {program.name for program in spec.programs}
    for _, source in probe.attach:
        parse_attach(source)
    assert ProbeViews(probe.views, spec)
    assert (path.parent / "README.md").read_text().startswith(f"# {name}\n")
