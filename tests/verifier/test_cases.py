"""The rules as a specification: small programs that must be accepted, or refused for the reason given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.verifier.programs import MAPS, job
from tracerd.verifier import Certificate, MapFacts, Options, Rejection, VerifiedProgram, verify

FOLDER = Path(__file__).parent / "cases"
READ_ONLY = MapFacts("rodata", 2, 4, 16, 1, True, bytes(range(16)))

PREAMBLES = {
    "command": "r6 = r1; r7 = *(u64 *)(r1 + 0); r8 = *(u64 *)(r1 + 8);",
    "payload": "r2 = *(u32 *)(r1 + 0); r3 = *(u32 *)(r1 + 4);",
    "lookup_unchecked": "*(u32 *)(r10 - 4) = 1; r2 = r10; r2 += -4; r1 = map[0] ll; call map_lookup_elem;",
    "lookup": "*(u32 *)(r10 - 4) = 1; r2 = r10; r2 += -4; r1 = map[0] ll; call map_lookup_elem; "
    "if r0 != 0 goto found; r0 = 0; exit; found:",
    "reserve_unchecked": "r1 = map[2] ll; r2 = 16; r3 = 0; call ringbuf_reserve;",
    "reserve": "r1 = map[2] ll; r2 = 16; r3 = 0; call ringbuf_reserve; "
    "if r0 != 0 goto held; r0 = 0; exit; held: r6 = r0;",
}


def cases() -> list[Any]:
    """Return every case as a pytest parameter named for its file and behaviour."""
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(FOLDER.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text())
    ]


@pytest.mark.parametrize("case", cases())
def test_the_verdict_is_as_specified(case: dict[str, Any]) -> None:
    """An accepted program has the facts listed; a rejected one is refused for the reason listed."""
    text = (PREAMBLES[case["pre"]] if "pre" in case else "") + case["code"]
    functions = [tuple(each) for each in case.get("functions", ())]
    options = Options(allow_fuel=case.get("fuel", True))
    kind = case.get("type", "tracepoint")
    platform = case.get("platform", "linux")
    outcome = verify(job(text.replace(";", "\n"), kind, (*MAPS, READ_ONLY), functions, options, platform))
    if "reject" in case:
        assert isinstance(outcome, Rejection), f"accepted: {outcome}"
        assert re.search(case["reject"], outcome.reason), outcome.reason
        return
    assert isinstance(outcome, VerifiedProgram), str(outcome)
    check_facts(case, outcome.certificate)


def check_facts(case: dict[str, Any], certificate: Certificate) -> None:
    """Compare what the case says of the certificate."""
    for fact in ("context_bytes", "context_loads", "call_maps", "terminates"):
        if fact in case:
            assert getattr(certificate, fact) == case[fact], fact
    if "fuel_edges" in case:
        assert list(certificate.fuel_edges) == case["fuel_edges"]
