"""What a verdict carries: the first unmet need, its source line, the log, and the facts that engines rely on."""

from __future__ import annotations

import sys
import time

import msgspec

from tests.verifier.programs import HASH, job
from tracerd.verifier import Certificate, Job, Options, Refutation, Rejection, analyse, verify
from tracerd.verifier.report import MOST_VISITS

TWO_FAULTS = """
    r6 = r1
    call get_prandom_u32
    if r0 == 0 goto second
    r0 = *(u64 *)(r10 - 8)
    exit
second:
    r0 = *(u64 *)(r6 + 9000)
    exit
"""


def test_the_first_unmet_need_in_program_order_is_reported() -> None:
    """Both paths fail; the earlier instruction is named, whichever path was looked at first."""
    verdict = analyse(job(TWO_FAULTS, "tracepoint"))
    assert isinstance(verdict, Refutation)
    assert verdict.instruction == 3


def test_a_rejection_is_one_line_with_the_source() -> None:
    """Program, instruction, file and line, source text, register, need and have."""
    lines = ((0, "a.c", 4, "  x();"), (3, "a.c", 7, "  y();"))
    subject = msgspec.structs.replace(job(TWO_FAULTS, "tracepoint"), lines=lines)
    outcome = verify(subject)
    assert isinstance(outcome, Rejection)
    assert str(outcome) == (
        "case: instruction 3 (a.c:7: y();): r10: needs initialised stack bytes -8..-1, has byte -8 never written"
    )


def test_explain_shows_the_state_before_every_instruction() -> None:
    """Accepted or not, the log has the instruction and what registers and stack hold."""
    text = "r1 = 5\n*(u64 *)(r10 - 8) = r1\nr0 = *(u64 *)(r10 - 8)\nexit"
    verdict = analyse(job(text, "tracepoint", options=Options(explain=True)))
    assert isinstance(verdict, Certificate)
    assert len(verdict.log) == 4
    assert verdict.log[2] == (2, "r1=5 [-8:8]=5")
    verdict = analyse(job(TWO_FAULTS, "tracepoint", options=Options(explain=True)))
    assert isinstance(verdict, Refutation)
    assert any(at == 3 for at, _ in verdict.log)


def test_explain_shows_the_state_that_lacks_something() -> None:
    """Even where the log has no room for it any more: the loop is passed more often than states are kept."""
    text = "r1 = 0\nr2 = 0\nagain: r2 += 3\nr1 += 1\nif r1 != 9000 goto again\nr0 = *(u64 *)(r2 + 0)\nexit"
    verdict = analyse(job(text, "tracepoint", options=Options(explain=True)))
    assert isinstance(verdict, Refutation)
    assert verdict.instruction == 5
    assert "r2=" in verdict.known
    assert len(verdict.log) <= MOST_VISITS
    plain = analyse(job(text, "tracepoint"))
    assert isinstance(plain, Refutation)
    assert plain.known == ""


def test_stack_use_is_told_for_every_function() -> None:
    """The deepest byte, also where a callee writes to its caller's frame."""
    text = """
        r1 = r10
        r1 += -24
        call fill
        r0 = 0
        exit
    fill:
        *(u64 *)(r10 - 40) = 1
        *(u64 *)(r1 + 0) = 1
        r0 = 0
        exit
    """
    verdict = analyse(job(text, "tracepoint"))
    assert isinstance(verdict, Certificate)
    assert verdict.stack_bytes == (24, 40)


def test_the_certificate_belongs_to_the_job() -> None:
    """Its digest is the job's; every instruction that can run is counted, dead ones are not."""
    subject = job("r0 = 0\ngoto out\nr0 = 1\nout: exit", "tracepoint")
    verdict = analyse(subject)
    assert isinstance(verdict, Certificate)
    assert verdict.digest == subject.digest()
    assert verdict.instructions == 3


def test_unknown_tables_and_broken_code_are_refused() -> None:
    """A platform, a program type or a map kind that does not exist, and bytes that are no instruction."""
    good = job("r0 = 0\nexit", "tracepoint")
    assert "platform 'mars'" in need(msgspec.structs.replace(good, platform="mars"))
    assert "program type 'tea'" in need(msgspec.structs.replace(good, type="tea"))
    strange = msgspec.structs.replace(good.maps[HASH], kind=99)
    assert "unknown kind 99" in need(msgspec.structs.replace(good, maps=(strange,)))
    assert "opcode 0xff" in need(msgspec.structs.replace(good, code=b"\xff" * 8 + good.code))
    assert "do not cover" in need(msgspec.structs.replace(good, subprograms=(("main", 0, 1),)))


def need(subject: Job) -> str:
    verdict = analyse(subject)
    assert isinstance(verdict, Refutation)
    return verdict.need


def test_a_proof_keeps_to_its_budget() -> None:
    """With no time nothing is proved, and that is what the refusal says."""
    body = "\n".join(f"r1 = *(u64 *)(r6 + {8 + n})\nif r1 == {n} goto out" for n in range(400))
    subject = job(f"r6 = r1\n{body}\nout: r0 = 0\nexit", "tracepoint", options=Options(seconds=0.0))
    started = time.monotonic()
    verdict = analyse(subject)
    assert isinstance(verdict, Refutation)
    assert "within 0 seconds" in verdict.need
    assert time.monotonic() - started < 5


def test_work_grows_with_length_not_with_its_square() -> None:
    """Four times the program takes well under sixteen times the calls; clocks say what else this machine does."""

    def calls(rounds: int) -> int:
        lines = ["r6 = r1", "r7 = 0"]
        for n in range(rounds):
            lines += [
                f"r1 = *(u64 *)(r6 + {8 + n})", f"if r1 == {n} goto A{n}", "r7 += 1", f"goto B{n}", f"A{n}: r7 += 2",
                f"B{n}: r2 = r7", "r2 &= 7", "*(u64 *)(r10 - 8) = r2",
            ]  # fmt: skip
        subject = job("\n".join([*lines, "r0 = 0", "exit"]), "tracepoint")
        counted = 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            verdict = analyse(subject)
        finally:
            sys.setprofile(before)
        assert isinstance(verdict, Certificate)
        return counted

    few, many = calls(60), calls(240)
    assert few > 1000
    assert many < 6 * few
