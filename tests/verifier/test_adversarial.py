"""Programs made to deceive the verifier: a table that must be refused, and a search for more."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests.verifier.attack import attack
from tests.verifier.spoil import candidates, text_job
from tracerd.verifier import Certificate, Options, Refutation, analyse

TABLE = Path(__file__).parent / "adversarial.yaml"
CANDIDATES = 600
"""About 15 seconds on one core."""

SECONDS = 1.5
"""For one proof: none of the table needs more to fail."""


def cases() -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in yaml.safe_load(TABLE.read_text())]


@pytest.mark.parametrize("case", cases())
def test_an_unsafe_program_is_refused(case: dict[str, Any]) -> None:
    """The verifier refuses it, at an instruction of the program and not for want of time or knowledge of the words."""
    verdict = analyse(text_job(case, Options(allow_fuel=case.get("fuel", True), seconds=SECONDS)))
    assert isinstance(verdict, Refutation), f"accepted, although {case['why']}: {verdict}"
    assert "run out of time" not in verdict.have


def test_what_is_accepted_stands_up_to_the_checked_interpreter() -> None:
    """Spoilt, spliced and generated programs that are accepted fault nowhere, end, and depend on no address."""
    accepted = 0
    stream = candidates(Random(20250611))
    for number in range(CANDIDATES):
        accepted += attack(next(stream), Random(number))   # its own: what is accepted may depend on time
    assert accepted > CANDIDATES // 10


def test_an_endless_loop_is_not_certified_to_end() -> None:
    """The table's endless loops may run where fuel is allowed, if the certificate says that they need it."""
    for case in yaml.safe_load(TABLE.read_text()):
        if case.get("fuel") is False:
            verdict = analyse(text_job(case, Options(seconds=SECONDS)))
            if isinstance(verdict, Certificate):
                assert not verdict.terminates, case["name"]
                assert verdict.fuel_edges, case["name"]
