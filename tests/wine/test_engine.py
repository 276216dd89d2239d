"""The interpreter and the maps under Windows' ABI: what programs compute, and what threads may do at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wine import expected, jobs
from tests.wine.scenes import hammered
from tests.wine.systems import Systems
from tracerd.isa.conformance import load_case
from tracerd.isa.encode import encode

CASES = sorted((Path(__file__).parents[2].parent / "shared" / "conformance" / "cases").glob("*.data"))
THREADS, RUNS = 4, 100_000


@pytest.mark.skipif(not CASES, reason="bpf_conformance's cases are not beside this checkout")
def test_every_case_computes_the_same(systems: Systems) -> None:
    """All of bpf_conformance on both builds of the interpreter: result, memory and faults."""
    cases = [
        (encode(case.instructions) if case.instructions is not None else case.raw or b"", case.memory, checked)
        for case in map(load_case, CASES)
        for checked in (False, True)
    ]
    lines = (line for code, memory, checked in cases for line in expected.case(code, memory, checked=checked))
    assert systems.compare([jobs.case(code, memory, checked=checked) for code, memory, checked in cases], lines) > 400


def test_threads_share_maps(systems: Systems) -> None:
    """Atomic additions of four threads are all there; whoever reads meanwhile sees no torn key and no torn record."""
    scene = hammered(THREADS)
    hammering = [jobs.hammer(scene, THREADS, RUNS)]
    assert systems.compare(hammering, expected.hammer(scene, THREADS, RUNS), in_order=False) > 16
