"""Interpreter and JIT agree on generated programs that the verifier has proved: results, what every register and stack
slot held at the end, and map contents. `python -m tests.fuzz` goes on for as long as one likes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agree import compare
from tests.certify import certify
from tests.generate import CONTEXT_BYTES
from tests.vm.engines import needs_jit
from tracerd.native import lib
from tracerd.verifier.job import Job, VerifiedProgram

PROGRAMS = 1000
SHARDS = 5
"""Test functions that the programs are spread over, so that several processes may share the work."""

pytestmark = needs_jit
generated = given(statements=st.integers(1, 14), seed=st.integers(0, (1 << 40) - 1))


def several(examples: int) -> settings:
    # The same programs every time: new ones are the fuzzer's work.
    return settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


@pytest.mark.parametrize("shard", range(SHARDS))
def test_engines_agree_on_verified_programs(shard: int) -> None:
    """1,000 generated programs are accepted by the verifier and do the same in both engines."""

    @several(PROGRAMS // SHARDS)
    @generated
    def agree(statements: int, seed: int) -> None:
        compare(statements, seed * SHARDS + shard)

    agree()


def test_engines_agree_where_fuel_decides() -> None:
    """Loops that nobody can bound end after the same trip in both engines, with the same effects until then."""
    seen = [compare(10, seed, fuel=True, prove=by_hand) for seed in range(80)]
    aborted = sum(outcome.aborted == lib.TR_ABORT_FUEL for each in seen for outcome in each.outcomes)
    assert aborted > 20, "too few of the programs ran out of fuel for this to be a test"


@several(25)
@generated
def test_engines_agree_on_programs_proved_with_fuel(statements: int, seed: int) -> None:
    """The same where the verifier itself says which back-edges count down."""
    compare(min(statements, 6), seed, fuel=True)


def by_hand(job: Job) -> VerifiedProgram:
    """Let every backward jump count down."""
    return certify(job, terminates=False, context_bytes=CONTEXT_BYTES)
