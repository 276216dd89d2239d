"""A program runs only on events whose context it was proved for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracerd.config import Probe
from tracerd.errors import ConfigError
from tracerd.runtime import Session, Settings

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "probes" / "etw_processes" / "demo.etl"
ETW = ROOT / "tests" / "runtime" / "objects" / "noisy.bpf.o"
INTERVAL = ROOT / "tests" / "runtime" / "objects" / "timed.bpf.o"
PROCESS = ROOT / "probes" / "churn" / "churn.bpf.o"


@pytest.mark.parametrize(
    ("program", "obj", "source", "wanted"),
    [
        ("on_event", ETW, "net:open", "net"),
        ("on_event", ETW, "begin", "interval"),
        ("on_start", PROCESS, "system:sample", "sample"),
        ("on_start", PROCESS, f"etl:{DEMO}", "etw"),
        ("on_tick", INTERVAL, "process:sample", "process"),
    ],
)
def test_a_program_of_another_type_is_refused(program: str, obj: Path, source: str, wanted: str) -> None:
    """Its proof trusts the pointers of its own context; in another they would be numbers that anybody may choose."""
    with Session(Settings()) as session:
        session.add(Probe("p", obj, "interpreter", ((program, source),), ()))
        with pytest.raises(ConfigError, match=f"runs programs of type {wanted}; '{program}' is of type"):
            session.start()
        assert session.probes == {}
