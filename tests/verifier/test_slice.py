"""Slices as a specification: what a reader is shown of a refusal, and what he is spared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.verifier.programs import job
from tracerd.platforms.linux import LINUX
from tracerd.verifier import Options, Refutation, analyse
from tracerd.verifier.analysis import prepare
from tracerd.verifier.slice import MOST, backward_slice

CASES = yaml.safe_load((Path(__file__).parent / "slices.yaml").read_text())


def marked(case: dict[str, Any]) -> tuple[str, list[int], int]:
    """Return a case's program, the instructions that its marks call the slice, and the one that fails."""
    lines, expected, failing, at = [], [], -1, 0
    for line in case["code"].splitlines():
        mark, text = line[:1], line[1:].strip()
        lines.append(text)
        if text.endswith(":"):
            continue
        if mark in "*>":
            expected.append(at)
        if mark == ">":
            failing = at
        at += 2 if text.endswith(" ll") else 1
    return "\n".join(lines), expected, failing


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_slice_is_as_specified(case: dict[str, Any]) -> None:
    """No more and no less."""
    text, expected, failing = marked(case)
    asked = job(text, case.get("type", "tracepoint"), options=Options(allow_fuel=case.get("fuel", True)))
    verdict = analyse(asked)
    assert isinstance(verdict, Refutation)
    assert verdict.instruction == failing, verdict
    assert list(verdict.slice) == expected


def test_a_slice_is_bounded_and_keeps_what_is_nearest() -> None:
    """Of a long chain the end is shown, and the failing instruction always."""
    subject = prepare(job("r2 = 1\n" + "r2 += 1\n" * 1000 + "r0 = *(u64 *)(r2 + 0)\nexit", "tracepoint"))
    made = backward_slice(subject.code, subject.graph, 1001, "r2", LINUX.helper_by_id)
    assert made == tuple(range(1002 - MOST, 1002))
    assert backward_slice(subject.code, subject.graph, 1001, "r2", LINUX.helper_by_id, most=3) == (999, 1000, 1001)


def test_a_large_program_has_a_slice_of_what_was_found_in_time() -> None:
    """Effort is bounded: loops around loops of thousands of jumps end, with less than there is."""
    rounds = "".join(f"L{n}: r2 += r3\nif r2 > {n} goto L{n // 2}\n" for n in range(20_000))
    subject = prepare(job("r2 = 1\nr3 = r1\n" + rounds + "r0 = *(u64 *)(r2 + 0)\nexit", "tracepoint"))
    last = len(subject.code) - 2
    made = backward_slice(subject.code, subject.graph, last, "r2", LINUX.helper_by_id)
    assert len(made) <= MOST
    assert made[-1] == last


def test_a_loop_without_an_exit_has_a_slice_too() -> None:
    """Nothing comes behind it, so nothing says what decides there; what made the value is known all the same."""
    subject = prepare(job("r2 = 1\nr3 = 2\nagain: r2 += r3\nr4 = *(u64 *)(r2 + 0)\ngoto again", "tracepoint"))
    assert backward_slice(subject.code, subject.graph, 3, "r2", LINUX.helper_by_id) == (0, 1, 2, 3)


@pytest.mark.parametrize("at", [-1, 1, 3, 99])
def test_what_is_never_reached_has_no_slice(at: int) -> None:
    """Nor has the second half of a constant, or what is no instruction at all."""
    subject = prepare(job("r0 = 1 ll\nexit\nr0 = 2\nexit", "tracepoint"))
    assert backward_slice(subject.code, subject.graph, at, "r0", LINUX.helper_by_id) == ()


def test_code_that_cannot_be_cut_into_blocks_has_no_slice() -> None:
    """It is refused all the same."""
    verdict = analyse(job("goto +5\nexit", "tracepoint"))
    assert isinstance(verdict, Refutation)
    assert verdict.slice == ()
