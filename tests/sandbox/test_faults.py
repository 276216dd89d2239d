"""Verifier processes that misbehave: the load they work on fails with a reason, the next one works, nothing is left.

They run the real child with one part of it replaced, behind the real walls.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import msgspec
import pytest

from tests.sandbox.jobs import SAFE, job
from tracerd.errors import VerifierUnavailable
from tracerd.verifier.job import VerifiedProgram
from tracerd.verifier.sandbox import Verifier, process

CHILD = """
import os, sys, time
sys.path.insert(0, sys.argv.pop(1))
import tracerd
from tracerd.verifier.sandbox import __main__ as child
real = child.analyse
def spin(seconds=1000):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
def analyse(job):
    if job.program != "bad":
        return real(job)
    {misbehaviour}
child.analyse = analyse
{before}
child.main()
"""

DEATHS = {
    "exits": ("os._exit(3)", r"ended \(exit status 3\)"),
    "makes a forbidden system call": ("os.fork()", r"ended \(killed by signal 31\)"),
    "answers garbage": ("os.write(3, (64).to_bytes(4, 'little') + b'\\xff' * 64)", "broke off"),
    "announces 4 GiB": ("os.write(3, b'\\xff' * 4)", "4294967295 bytes is over the limit"),
    "answers with a bomb of nested arrays": (
        "b = b'\\x82\\xa4type\\xabcertificate\\xa1z' + b'\\x91' * 10**6 + b'\\xc0'\n"
        "    os.write(3, len(b).to_bytes(4, 'little') + b)",
        "broke off",
    ),
    "answers for another program": (
        "import msgspec\n    return real(msgspec.structs.replace(job, platform='linux', maps=(), type='xdp'))",
        "answered for another program",
    ),
    "answers with a bomb of numbers": (
        "os.write(3, (1 << 20).to_bytes(4, 'little') + b'\\x01' * (1 << 20))", "is over the limit"
    ),
    **{
        f"forges {field} {value}": (
            f"import msgspec\n    return msgspec.structs.replace(real(job), {field}={value})",
            f"makes no sense: .*{told}",
        )
        for field, value, told in (
            ("call_maps", "{0: -1}", "maps"), ("call_maps", "{2 ** 40: 0}", "instructions"),
            ("fuel_edges", "(-1,)", "instructions"), ("context_loads", "{0: 2 ** 63}", "a context"),
            ("context_bytes", "-1", "a context"), ("stack_bytes", "()", "functions"),
        )
    },
    "closes its pipe and lives on": ("os.close(3)\n    spin()", "closed its pipe|ended"),
}


def broken(monkeypatch: pytest.MonkeyPatch, misbehaviour: str = "pass", before: str = "") -> Verifier:
    """Make a verifier whose processes misbehave on jobs of the name "bad", or from the start."""
    monkeypatch.setattr(process, "BOOT", CHILD.format(misbehaviour=misbehaviour, before=before))
    return Verifier(grace_seconds=0.3)


def assert_still_proves(verifier: Verifier) -> None:
    """A good program is proved."""
    assert isinstance(verifier.verify(job(SAFE)), VerifiedProgram)


@pytest.mark.parametrize(("misbehaviour", "told"), DEATHS.values(), ids=DEATHS)
def test_a_process_that_breaks_off_costs_one_load(
    monkeypatch: pytest.MonkeyPatch, misbehaviour: str, told: str
) -> None:
    """The reason is told, the process is replaced, the next proof comes."""
    with broken(monkeypatch, misbehaviour) as verifier:
        first = verifier.start()
        with pytest.raises(VerifierUnavailable, match=told):
            verifier.verify(job(SAFE, name="bad"))
        assert_still_proves(verifier)
        assert verifier.pid != first
        assert verifier.statistics().broken == 1


def test_a_bloated_proof_is_refused_and_the_process_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory over the limit is not to be had; the proof ends in words."""
    with broken(monkeypatch, "return bytearray(2 << 30)") as verifier:
        first = verifier.start()
        with pytest.raises(VerifierUnavailable, match="more memory than its limit"):
            verifier.verify(job(SAFE, name="bad"))
        assert_still_proves(verifier)
        assert verifier.pid == first


def test_an_import_made_too_late_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours behind the walls is a failed load with the place, not a dead process."""
    with broken(monkeypatch, "import wave") as verifier:
        with pytest.raises(VerifierUnavailable, match=r"internal error of the verifier: .*wave"):
            verifier.verify(job(SAFE, name="bad"))
        assert_still_proves(verifier)


BUSY = {
    "spins": "spin()",
    "answers byte by byte": "os.write(3, (1000).to_bytes(4, 'little'))\n    while os.write(3, b'x'): spin(0.05)",
}


@pytest.mark.parametrize("misbehaviour", BUSY.values(), ids=BUSY)
def test_the_budget_holds_whatever_the_process_does(monkeypatch: pytest.MonkeyPatch, misbehaviour: str) -> None:
    """A proof takes its time and the grace, and no longer."""
    with broken(monkeypatch, misbehaviour) as verifier:
        assert_still_proves(verifier)
        start = time.monotonic()
        with pytest.raises(VerifierUnavailable, match=r"gave no verdict within 0\.5 s and was killed"):
            verifier.verify(job(SAFE, seconds=0.2, name="bad"))
        assert time.monotonic() - start < 5
        assert_still_proves(verifier)


def test_the_budget_holds_for_a_stopped_process() -> None:
    """SIGSTOP can neither be caught nor answered; SIGKILL still works."""
    with Verifier(grace_seconds=0.3) as verifier:
        assert_still_proves(verifier)
        assert verifier.pid is not None
        os.kill(verifier.pid, signal.SIGSTOP)
        with pytest.raises(VerifierUnavailable, match="gave no verdict within"):
            verifier.verify(job(SAFE, seconds=0.1))
        assert_still_proves(verifier)


def test_the_budget_holds_when_the_job_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is full blocks the writer until the timer kills the reader."""
    with broken(monkeypatch, before="child.serve = lambda *a, **k: spin()") as verifier:
        large = msgspec.structs.replace(job(SAFE, seconds=0.2), code=bytes(8 << 20))
        with pytest.raises(VerifierUnavailable, match="gave no verdict within"):
            verifier.verify(large)


def test_a_process_that_never_gets_ready_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting has a budget of its own."""
    monkeypatch.setattr(process, "START_SECONDS", 0.5)
    never = pytest.raises(VerifierUnavailable, match="was not ready within")
    with broken(monkeypatch, before="spin()") as verifier, never:
        verifier.verify(job(SAFE))


def test_a_process_of_another_version_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package was upgraded under a running daemon: what the new rules allow, the old engines may not know."""
    other = pytest.raises(VerifierUnavailable, match=r"upgrades; if nothing was upgraded, user .* must be able")
    with broken(monkeypatch, before="child.proving_code = lambda: b'newer'") as verifier, other:
        verifier.verify(job(SAFE))


def test_a_process_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No interpreter, no proof: one sentence."""
    monkeypatch.setattr(process.sys, "executable", "/nonexistent/python")
    with Verifier() as verifier, pytest.raises(VerifierUnavailable, match="cannot be started"):
        verifier.verify(job(SAFE))


def test_a_process_that_dies_between_jobs_costs_nothing() -> None:
    """It is seen before the next job is given to it."""
    with Verifier() as verifier:
        assert_still_proves(verifier)
        first = verifier.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert_still_proves(verifier)
        assert verifier.pid != first
        assert verifier.statistics().broken == 1


def test_close_ends_a_proof_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops the daemon does not wait for a proof."""
    verifier = broken(monkeypatch, "spin()")
    assert_still_proves(verifier)
    closing = threading.Timer(0.3, verifier.close)
    closing.start()
    start = time.monotonic()
    with pytest.raises(VerifierUnavailable, match="the verifier was closed"):
        verifier.verify(job(SAFE, seconds=60, name="bad"))
    closing.join()
    assert time.monotonic() - start < 5


def test_an_orphan_ends_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose parent was killed during a proof does not spin for ever: its alarm goes off."""
    with broken(monkeypatch, "spin()") as verifier:
        assert_still_proves(verifier)
        monkeypatch.setattr(process.Process, "_overrun", lambda _self: None)       # as if nobody were there any more
        with pytest.raises(VerifierUnavailable, match=f"killed by signal {int(signal.SIGALRM)}"):
            verifier.verify(job(SAFE, seconds=0.1, name="bad"))


def test_fifty_deaths_leave_no_descriptor_no_zombie_and_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dead process had is given back."""
    with broken(monkeypatch, "os._exit(1)") as verifier:
        with pytest.raises(VerifierUnavailable):
            verifier.verify(job(SAFE, name="bad"))
        before = belongings()
        for _ in range(50):
            with pytest.raises(VerifierUnavailable):
                verifier.verify(job(SAFE, name="bad"))
        assert belongings() == before
        assert verifier.statistics().broken == 51


def belongings() -> tuple[int, int, int]:
    """Count this process's descriptors, children (zombies too) and threads."""
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    return len(list(Path("/proc/self/fd").iterdir())), len(children), threading.active_count()


def test_the_last_words_of_a_process_that_does_not_get_ready_are_the_reason(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One printable sentence with what it needs; its traceback reaches neither log nor terminal."""
    died = pytest.raises(VerifierUnavailable, match="not verified: the verifier process ended")
    with broken(monkeypatch, before="raise ValueError('no \\x1b[2Jluck' + 'x' * 500)") as verifier, died as caught:
        verifier.verify(job(SAFE))
    told = str(caught.value)
    assert "(exit status 1): ValueError: no [2Jluckxxx" in told
    assert told.endswith(f"must be able to read {process.ROOT} and {process.sys.base_prefix} without any capability")
    assert len(told) < 700
    assert told.isprintable()
    assert capfd.readouterr() == ("", "")


def test_a_process_that_finds_another_package_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It may not read ours, and another one is installed: that is no upgrade."""
    found = pytest.raises(VerifierUnavailable, match=f"found another tracerd, in {tmp_path}; user .* must be able to")
    elsewhere = f"import tracerd; tracerd.__file__ = '{tmp_path}/tracerd/__init__.py'"
    with broken(monkeypatch, before=elsewhere) as verifier, found:
        verifier.verify(job(SAFE))
