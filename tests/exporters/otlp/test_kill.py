"""A process that is killed while it writes its spool loses nothing that was on disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from exporters.otlp.request import Request
from exporters.otlp.sender import Sender
from tests.exporters.otlp.collectors import HttpCollector, accounted, quick, settings, until

ROOT = Path(__file__).parents[3]

VICTIM = """
import sys, time
from exporters.otlp.request import Request
from exporters.otlp.sender import Sender
from tests.exporters.otlp.collectors import settings, quick
made = Sender(settings({"endpoint": "http://127.0.0.1:1", "spool": {"path": sys.argv[1]}}), backoff=quick)
for number in range(100000):
    made.put(Request("metrics", number.to_bytes(4000, "big"), 1))
    time.sleep(0.0005)
"""


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def test_a_kill_in_the_middle_of_spooling_loses_nothing_on_disk(tmp_path: Path) -> None:
    """The next process sends all of it in order, and no half file stays."""
    spool = tmp_path / "spool"
    killed = subprocess.Popen([sys.executable, "-c", VICTIM, str(spool)], cwd=ROOT)
    try:
        until(lambda: spool.exists() and len(names(spool)) > 30, seconds=30)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    (spool / "0000000000009999.otlp1.tmp").write_bytes(b"half")
    whole = [each for each in names(spool) if not each.endswith(".tmp")]
    with HttpCollector().running() as collector:
        made = Sender(settings({"endpoint": collector.url, "spool": {"path": str(spool)}}), backoff=quick)
        made.put(Request("metrics", (10**6).to_bytes(4000, "big"), 1))
        until(lambda: made.statistics()["metrics"].items_sent == len(whole) + 1)
        found = made.statistics()["metrics"]
        made.close(5)
    sent = [int.from_bytes(each.plain, "big") for each in collector.received]
    assert sent == [*range(len(whole)), 10**6]
    assert (found.items_found, found.items_dropped, accounted(found)) == (len(whole), {}, len(whole) + 1)
    assert names(spool) == []
