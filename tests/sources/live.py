"""Live sources in tests: skip where this machine refuses them, pump while a child runs."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.sources.programs import Native
from tracerd.errors import NotPermitted, NotSupported
from tracerd.sources.base import LinkRequest
from tracerd.sources.perf import PerfOptions, PerfSource

SECONDS = 60


@functools.cache
def refused() -> str:
    """Return why live events cannot be tested here, or nothing."""
    source = PerfSource(PerfOptions(pages=1))
    try:
        source.open([])
    except (NotPermitted, NotSupported) as error:
        return str(error)
    source.close()
    return ""


def need_live_events() -> None:
    """Skip the test where perf events are refused."""
    if refused():
        pytest.skip(refused())


@contextmanager
def opened(links: dict[str, Native], options: PerfOptions | None = None, need: int = 16) -> Iterator[PerfSource]:
    """Open a source with one program per event."""
    need_live_events()
    source = PerfSource(options)
    source.open([LinkRequest(event, native.program, need) for event, native in links.items()])
    try:
        yield source
    finally:
        source.close()


def start(code: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    """Start a Python child that can use the core's hammer as `hammer(count, what)`."""
    prelude = "from tracerd.native import lib; hammer = lib.tr_linux_hammer\n"
    return subprocess.Popen([sys.executable, "-c", prelude + code], stdin=stdin)


def pump_until_end(source: PerfSource, child: subprocess.Popen[bytes]) -> None:
    """Pump until the child has ended, then stop the source."""
    end = time.monotonic() + SECONDS
    while child.poll() is None:
        assert time.monotonic() < end, "the child does not end"
        source.pump(20)
    assert child.returncode == 0
    source.stop()
