"""The verifier's own process: it answers, it is there when there is something to prove, and it goes again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tests.sandbox.jobs import SAFE, UNSAFE, job
from tracerd.errors import VerifierUnavailable
from tracerd.verifier.job import Rejection, VerifiedProgram
from tracerd.verifier.sandbox import Verifier, VerifierStatistics


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
    first = verifier.start()
    for _ in range(10):
        assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)
    assert verifier.pid == first


def test_garbage_instead_of_a_program_is_an_answer_not_a_crash(verifier: Verifier) -> None:
    """Bytes that are no instructions are refused in words, and the process lives on."""
    outcome = verifier.verify(msgspec.structs.replace(job(SAFE), code=b"\xff" * 24))
    assert isinstance(outcome, Rejection)
    assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)


def test_a_verifier_without_a_job_has_no_process() -> None:
    """Making one costs nothing; closing it neither."""
    with Verifier() as verifier:
        assert verifier.pid is None
    assert verifier.statistics() == VerifierStatistics()


def test_start_does_not_wait_and_names_the_process(verifier: Verifier) -> None:
    """A process that is started early is the one that proves."""
    pid = verifier.start()
    assert verifier.start() == pid
    verifier.verify(job(SAFE))
    assert verifier.pid == pid


def test_an_idle_process_is_ended_and_comes_back() -> None:
    """After `idle_seconds` without a job the process is gone; every start and end is told by its id."""
    started: list[int] = []
    ended: list[int] = []
    with Verifier(idle_seconds=0.3, on_start=started.append, on_end=ended.append) as verifier:
        for _ in range(2):
            assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)
            assert len(started) == len(ended) + 1
            wait_until(lambda: len(ended) == len(started))
            assert verifier.pid is None
        assert ended == started
        assert len(set(started)) == 2


def test_jobs_keep_a_process_from_being_idle() -> None:
    """The time counts from the last job, not from the first."""
    with Verifier(idle_seconds=1.0) as verifier:
        first = verifier.start()
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            verifier.verify(job(SAFE))
            assert verifier.pid == first
            time.sleep(0.1)


def test_rest_ends_the_process_and_the_next_job_starts_another(verifier: Verifier) -> None:
    """A process has the rights of the moment it was started in: after `rest` there is a new one."""
    first = verifier.start()
    verifier.verify(job(SAFE))
    verifier.rest()
    assert verifier.pid is None
    verifier.verify(job(SAFE))
    assert verifier.pid not in (None, first)


def test_nothing_is_proved_after_close(verifier: Verifier) -> None:
    """A closed verifier refuses in words and starts nothing."""
    verifier.close()
    with pytest.raises(VerifierUnavailable, match="was closed"):
        verifier.verify(job(SAFE))
    assert verifier.pid is None


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
