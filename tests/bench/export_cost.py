"""What exporting costs the pumps: `python -m tests.bench.export_cost [SECONDS]`. Needs root.

One daemon with the shipped probes, a process that makes system calls as fast as it can, and exporters switched on and
off by reloads, in turns: OTLP to a collector here that accepts everything and a scrape of /metrics, each every ten
seconds (by default it is a minute, and Prometheus scrapes four times in one). Figures are medians over the turns; a
ratio below 1 is what exporting takes.
"""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.daemon.running import RunningDaemon
from tests.soak.__main__ import ten_probes

TURNS, EVERY = 6, 10.0
EVENTS = ("syscall:*:enter", "syscall:*:exit")
PORT = 19464
HAMMER = "from tracerd.native import lib\nwhile True: lib.tr_linux_hammer(100_000, 0)"


class _Sink(BaseHTTPRequestHandler):
    """A collector that accepts everything, and counts points."""

    points = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = ExportMetricsServiceRequest.FromString(gzip.decompress(body))
        for resource in message.resource_metrics:
            for scope in resource.scope_metrics:
                _Sink.points += sum(len(getattr(each, each.WhichOneof("data")).data_points) for each in scope.metrics)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What was delivered in a turn, a second."""

    delivered: float
    lost: float
    pump_ns: float               # CPU time of pumps for each delivered event


def look(daemon: RunningDaemon) -> tuple[int, int, float]:
    """Return events delivered and lost, and the pumps' CPU seconds."""
    with daemon.client() as client:
        status = client.status()
    rows = [status["ledger"].get(event, {}) for event in EVENTS]
    cpu = float(status["own"]["pumps.cpu_seconds"])
    return sum(row.get("delivered", 0) for row in rows), sum(row.get("lost", 0) for row in rows), cpu


def turn(daemon: RunningDaemon, seconds: float, *, scraped: bool) -> Turn:
    """Let it run for a while."""
    before, began = look(daemon), time.monotonic()
    while (left := seconds - (time.monotonic() - began)) > 0:
        time.sleep(min(left, EVERY))
        if scraped:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics") as answer:
                answer.read()
    after, took = look(daemon), time.monotonic() - began
    delivered, lost, cpu = (now - then for now, then in zip(after, before, strict=True))
    return Turn(delivered / took, lost / took, cpu * 1e9 / max(delivered, 1))


def main(seconds: float) -> None:
    """Print the medians of both ways and their ratio."""
    sink = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    exporters = (
        f'[exporters.otlp]\nendpoint = "http://127.0.0.1:{sink.server_port}"\ninterval = "{EVERY:g}s"\n'
        'signals = ["metrics"]\n'
        f'[exporters.prometheus]\nlisten = "127.0.0.1:{PORT}"\n'
    )
    turns: dict[bool, list[Turn]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        daemon = RunningDaemon(Path(folder), interval="1h")
        ten_probes(daemon)
        daemon.start().close()
        hammer = subprocess.Popen([sys.executable, "-c", HAMMER])
        try:
            for number in range(2 * TURNS):
                on = bool(number % 2)
                daemon.configure(more=exporters if on else "")
                daemon.signal(signal.SIGHUP)
                time.sleep(3)
                turns[on].append(turn(daemon, seconds, scraped=on))
        finally:
            hammer.kill()
            daemon.stop()
    for on, name in ((False, "exporting off"), (True, "exporting on")):
        rates = [each.delivered for each in turns[on]]
        cost = median(each.pump_ns for each in turns[on])
        lost = median(each.lost for each in turns[on])
        print(f"{name:<14}{median(rates):>12,.0f} events/s delivered, {lost:,.0f} lost/s, {cost:.0f} ns of pump each")
    ratio = median(on.delivered / off.delivered for off, on in zip(turns[False], turns[True], strict=True))
    print(f"on / off: {ratio:.3f}; points received: {_Sink.points:,}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
