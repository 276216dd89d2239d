"""`bench vm` measures engines that agree, on objects that are what their sources say."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.vm.engines import needs_jit
from tracerd.bench import vm
from tracerd.bench.kernel import KernelProgram
from tracerd.elf.load import load
from tracerd.errors import NotPermitted, RunError
from tracerd.platforms.linux import LINUX
from tracerd.verifier.job import Certificate, VerifiedProgram
from tracerd.verifier.prepare import make_job
from tracerd.verifier.verify import verify

ROOT = Path(__file__).parents[2]
NAMES = (vm.EMPTY, *vm.PROGRAMS)
FLAGS = ("-target", "bpf", "-g", "-O2", "-mcpu=v3", "-I", "probes/include", "-fdebug-compilation-dir=.", "-fno-ident")


def clang() -> str | None:
    """Return the clang that compiled the objects: its code generator's major version is in them."""
    return shutil.which("clang-19")


@pytest.mark.parametrize("name", NAMES)
def test_every_program_is_proved_to_terminate(name: str) -> None:
    """The verifier accepts each without fuel, so that no engine counts down while it is timed."""
    spec = load(vm.HERE / f"{name}.bpf.o")
    outcome = verify(make_job(spec, spec.programs[0], LINUX))
    assert isinstance(outcome, VerifiedProgram), outcome
    assert isinstance(outcome.certificate, Certificate)
    assert outcome.certificate.terminates


@needs_jit
def test_measurement_has_the_promised_shape() -> None:
    """Every program has its row, net of the empty one; the engines agreed on every result before they were timed."""
    document = json.loads(json.dumps(vm.run(repetitions=3, milliseconds=0.05)))
    assert [row["name"] for row in document["programs"]] == list(vm.PROGRAMS)
    assert document["empty_ns"].keys() == {"kernel", "jit", "interpreter"}
    permitted = "kernel" not in document["absent"]
    for row in document["programs"]:
        assert row.keys() >= {"name", "kernel_ns", "jit_ns", "interpreter_ns", "native_ns", "compile_ms"}
        assert row["native_ns"] is None
        assert 0 < row["jit_ns"] < row["interpreter_ns"]
        assert (row["kernel_ns"] is not None) == permitted
    assert (document["geomean_kernel_over_jit"] is not None) == permitted
    lines = vm.render(document).splitlines()
    assert len(lines) >= len(vm.PROGRAMS) + 3
    assert lines[1].startswith(vm.PROGRAMS[0])


@needs_jit
def test_without_the_kernel_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bpf(2) is not permitted the kernel's column is null, with the reason, and ours are there."""

    def refuse(_: object) -> KernelProgram:
        raise NotPermitted("loading a program with bpf(2)", "run as root")

    monkeypatch.setattr(vm, "KernelProgram", refuse)
    monkeypatch.setattr(vm, "PROGRAMS", ("prime",))
    document = vm.run(repetitions=1, milliseconds=0.05)
    assert document["absent"] == {"kernel": "loading a program with bpf(2): not permitted; run as root"}
    assert document["geomean_kernel_over_jit"] is None
    assert "run as root" in vm.render(document)


def test_engines_that_disagree_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong result is an error, not a number."""

    class Wrong:
        def repeat(self, times: int, data: bytes) -> tuple[int, int]:
            return len(data), times

    class Right(Wrong):
        def repeat(self, times: int, data: bytes) -> tuple[int, int]:
            return len(data) + 1, times

    def rows(_: object) -> tuple[list[vm.Row], dict[str, str]]:
        return [vm.Row("empty", {"jit": Wrong(), "interpreter": Right()}, None)], {}

    monkeypatch.setattr(vm, "_rows", rows)
    with pytest.raises(RunError, match="disagree"):
        vm.run(repetitions=1)


def test_the_packet_is_what_the_programs_expect() -> None:
    """1024 bytes; the first two are the largest 16-bit prime, and frames of all kinds are there."""
    data = vm.packet()
    assert len(data) == 1024
    number = int.from_bytes(data[:2], "little")
    assert number == vm.A_PRIME
    assert all(number % divisor for divisor in range(2, 256))
    types = {data[at + 12 : at + 14] for at in range(0, 1024, 64)}
    assert {b"\x81\x00", b"\x08\x00", b"\x86\xdd"} <= types


@pytest.mark.skipif(clang() is None, reason="clang-19, which compiled the objects, is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_objects_are_what_their_sources_compile_to(name: str, tmp_path: Path) -> None:
    """Compiling the source again gives the same instructions and maps."""
    built = tmp_path / "again.bpf.o"
    source = vm.HERE / f"{name}.bpf.c"
    subprocess.run([str(clang()), *FLAGS, "-c", str(source), "-o", str(built)], cwd=ROOT, check=True)
    committed, fresh = load(vm.HERE / f"{name}.bpf.o"), load(built)
    assert fresh.programs[0].instructions == committed.programs[0].instructions
    assert [(each.name, each.type, each.value_size, each.max_entries) for each in fresh.maps] == [
        (each.name, each.type, each.value_size, each.max_entries) for each in committed.maps
    ]
