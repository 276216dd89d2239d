"""The verifier's own process: it answers, it is held to its limits, and its death costs one load at most."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from tracerd.errors import VerifierUnavailable
from tracerd.isa.assemble_llvm import parse_llvm
from tracerd.isa.encode import encode
from tracerd.verifier.job import Job, Options, Rejection, VerifiedProgram
from tracerd.verifier.sandbox import Verifier

SAFE = "r0 = 0\nexit"
UNSAFE = "r0 = *(u64 *)(r10 - 8)\nexit"


def job(text: str, seconds: float = 5.0) -> Job:
    code = parse_llvm(text)
    return Job(
        program="p",
        platform="linux",
        type="tracepoint",
        code=encode(code),
        subprograms=(("p", 0, len(code)),),
        maps=(),
        lines=((0, "p.bpf.c", 7, "return *x;"),),
        options=Options(seconds=seconds),
    )


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    with Verifier() as process:
        yield process


def test_a_safe_program_comes_back_with_its_certificate(verifier: Verifier) -> None:
    """The certificate is for exactly the job that was sent."""
    asked = job(SAFE)
    outcome = verifier.verify(asked)
    assert isinstance(outcome, VerifiedProgram)
    assert outcome.certificate.digest == asked.digest()


def test_a_rejection_names_instruction_source_line_register_and_need(verifier: Verifier) -> None:
    """One line says where and what was not proved."""
    outcome = verifier.verify(job(UNSAFE))
    assert isinstance(outcome, Rejection)
    assert outcome.instruction == 0
    assert str(outcome).startswith("p: instruction 0 (p.bpf.c:7: return *x;): r10: needs ")


def test_the_process_stays_warm_over_many_jobs(verifier: Verifier) -> None:
    """Ten proofs, one process."""
    first = verifier.pid
    for _ in range(10):
        assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)
    assert verifier.pid == first


def test_a_killed_verifier_costs_one_load_and_comes_back(verifier: Verifier) -> None:
    """A death during a proof is told as its cause; the next proof runs in a new process."""
    assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)
    first = verifier.pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)
    assert verifier.pid != first


def test_a_hung_verifier_is_killed_after_its_budget() -> None:
    """A process that does not answer is killed, and the load fails with the reason."""
    with Verifier(grace_seconds=0.3) as verifier:
        assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)
        os.kill(verifier.pid, signal.SIGSTOP)
        with pytest.raises(VerifierUnavailable, match="no verdict within"):
            verifier.verify(job(SAFE, seconds=0.1))
        assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)


def test_garbage_instead_of_a_program_is_an_answer_not_a_crash(verifier: Verifier) -> None:
    """Bytes that are no instructions are refused in words, and the process lives on."""
    outcome = verifier.verify(msgspec.structs.replace(job(SAFE), code=b"\xff" * 24))
    assert isinstance(outcome, Rejection)
    assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)


@pytest.mark.skipif(sys.platform != "linux", reason="resource limits of the child are POSIX here")
@pytest.mark.parametrize(
    "attempt",
    ["open('/etc/hostname')", "open('/tmp/tracerd-should-not-exist', 'w')", "socket.socket()"],
)
def test_the_confined_process_can_open_nothing(attempt: str) -> None:
    """After `confine` neither files nor sockets can be had."""
    code = (
        "import os, socket, sys\nfrom tracerd.verifier.sandbox.confine import confine\n"
        f"os.dup(1)\nconfine(512)\ntry:\n    {attempt}\nexcept OSError as refused:\n    sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
