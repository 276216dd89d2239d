"""bpf_conformance's cases under both engines: all of them in this process, some through the real command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm.engines import needs_jit
from tracerd.errors import InstructionError, RunError
from tracerd.isa.assemble import assemble
from tracerd.isa.conformance import Case, load_case
from tracerd.isa.encode import encode
from tracerd.vm.unverified import run_unverified

ROOT = Path(__file__).parents[2]
CASES = ROOT.parent / "shared" / "conformance" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"bpf_conformance's cases are not at {CASES}")

ENGINES = [
    pytest.param("interpreter", 0, id="interpreter"),
    pytest.param("jit", 0, id="jit-O0", marks=needs_jit),
    pytest.param("jit", 2, id="jit-O2", marks=needs_jit),
]
THROUGH_THE_COMMAND = ("lock_cmpxchg32", "ldxdw", "rfc9669_call_local", "smod64-intmin-by-negone-reg", "stack")


def bytecode(case: Case) -> bytes:
    """Return a case's program; a few come as raw words only."""
    return encode(case.instructions) if case.instructions is not None else case.raw or b""


@needs_cases
@pytest.mark.parametrize(("engine", "level"), ENGINES)
def test_every_case_gives_its_result(engine: str, level: int) -> None:
    """All cases return what they must; callx, which RFC 9669 does not define, is refused by name."""
    wrong = []
    paths = sorted(CASES.glob("*.data"))
    assert len(paths) > 200
    for path in paths:
        case = load_case(path)
        if case.name == "callx":
            with pytest.raises(InstructionError, match="callx"):
                run_unverified(bytecode(case), case.memory, engine, level)
        elif (result := run_unverified(bytecode(case), case.memory, engine, level)) != case.result:
            wrong.append((case.name, hex(result), case.result))
    assert not wrong


@pytest.mark.parametrize(("engine", "level"), ENGINES)
def test_memory_and_its_length_are_the_arguments(engine: str, level: int) -> None:
    """r1 is the memory, r2 its length, and the memory may be empty."""
    code = encode(assemble("mov %r0, %r2\njeq %r2, 0, exit\nldxb %r3, [%r1+1]\nadd %r0, %r3\nexit"))
    assert run_unverified(code, bytes([1, 40]), engine, level) == 42
    assert run_unverified(code, b"", engine, level) == 0


@pytest.mark.parametrize(("engine", "level"), ENGINES)
@pytest.mark.parametrize("text", ["ja +5\nexit", "mov %r0, 1", "call 1\nexit", "ja -2\nexit"])
def test_programs_that_leave_themselves_have_no_result(engine: str, level: int, text: str) -> None:
    """Jumps out of the program, running off its end and calls of helpers give an error, never a result."""
    code = encode(assemble(text))
    with pytest.raises(RunError):
        run_unverified(code, b"", engine, level)


def plugin(*arguments: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run the command as bpf_conformance does."""
    command = [sys.executable, "-c", "from tracerd.cli.main import main; main()"]
    return subprocess.run([*command, *arguments], input=program, cwd=ROOT, capture_output=True, text=True, check=False)


@needs_cases
@pytest.mark.parametrize("name", THROUGH_THE_COMMAND)
@pytest.mark.parametrize("engine", ["interpreter", pytest.param("jit", marks=needs_jit)])
def test_the_command_speaks_the_protocol(name: str, engine: str) -> None:
    """Memory in hex as an argument, the program in hex on standard input, r0 in hex on standard output."""
    case = load_case(CASES / f"{name}.data")
    memory = " ".join(f"{byte:02x}" for byte in case.memory)
    done = plugin("conformance-plugin", memory, "--engine", engine, program=bytecode(case).hex(" "))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout, 16) == case.result


def test_the_command_obeys_the_policy() -> None:
    """Where code integrity is enforced, the JIT is not permitted (exit 3) even here; the interpreter runs."""
    program = encode(assemble("mov %r0, 255\nexit")).hex()
    refused = plugin("--code-integrity", "enforce", "conformance-plugin", "--engine", "jit", program=program)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.count("\n") == 1
    allowed = plugin("--code-integrity", "enforce", "conformance-plugin", program=program)
    assert (allowed.returncode, allowed.stdout) == (0, "ff\n")


def test_bad_hex_is_a_usage_error() -> None:
    """Bytes that are not hex are named, with exit code 2."""
    done = plugin("conformance-plugin", "0g", program="95")
    assert done.returncode == 2
    assert "MEM-HEX" in done.stderr or "hex" in done.stderr
