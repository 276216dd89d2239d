"""What LLVM keeps: code of programs that are gone must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.certify import program
from tests.vm.engines import JIT, needs_jit, prepared
from tracerd.vm.jit import LINKS_A_SESSION, compiler
from tracerd.vm.jit_lower import lower
from tracerd.vm.jit_unit import make_unit

pytestmark = needs_jit


def test_linking_again_and_again_takes_no_more_memory() -> None:
    """A daemon loads and unloads for months: what LLVM keeps of a library ends with its session, not with the process.

    Code that is still in use outlives the sessions that come after its own.
    """
    subject = program("r0 = 7\n exit")
    lowered = lower(make_unit(subject, ()))
    backend = compiler()
    image = backend.compile(lowered)
    with prepared(subject, JIT) as (running, _):
        for _ in range(2 * LINKS_A_SESSION):
            backend.link(image, {}).close()
        before = _resident_kb()
        for _ in range(32 * LINKS_A_SESSION):
            backend.link(image, {}).close()
        assert _resident_kb() - before < 4096        # 18,000 without an end of sessions
        assert running.run(bytes(64)).result == 7


def _resident_kb() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        pytest.skip("this system does not tell a process how much memory it has")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
