"""The software that nobody here wrote, as processes: started on free ports, killed, started again, gone in the end."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.daemon.running import until
from tests.e2e.installed import need
from tests.e2e.scene import PATIENCE


def free_port() -> int:
    """Return a port of this machine's own address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    """True if somebody does."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Server:
    """A program that listens. It runs in a `with` block, but for what a test does to it."""

    def __init__(self, folder: Path, arguments: list[str], *ports: int) -> None:
        self._log = folder / f"{Path(arguments[0]).name}.log"
        self._arguments = arguments
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens on all its ports."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(self._ready, PATIENCE, self._arguments[0])

    def kill(self) -> None:
        """Kill it at once; it is told nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"it ended: {self._log.read_text()[-2000:]}"
        return all(map(listens, self._ports))

    def __enter__(self) -> Any:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, _type: type | None, _value: BaseException | None, _trace: TracebackType | None) -> None:
        self.kill()


class Rotel(Server):
    """A collector that takes OTLP over gRPC and HTTP, and passes all of it on."""

    def __init__(self, folder: Path, to: str) -> None:
        """`to` is the URL of an OTLP receiver."""
        grpc, http = free_port(), free_port()
        self.grpc, self.http = f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}"
        options = {
            "pid-file": folder / "rotel.pid", "log-file": folder / "rotel-daemon.log",
            "otlp-grpc-endpoint": f"127.0.0.1:{grpc}", "otlp-http-endpoint": f"127.0.0.1:{http}",
            "exporter": "otlp", "otlp-exporter-endpoint": to, "otlp-exporter-protocol": "http",
            "batch-timeout": "100ms",
        }  # fmt: skip
        given = [f"--{name}={value}" for name, value in options.items()]
        super().__init__(folder, [need("rotel-agent"), "start", *given], grpc, http)


class Database(Server):
    """Something that answers Prometheus' queries."""

    def __init__(self, folder: Path, arguments: list[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(folder, arguments, port)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series that an expression has now."""
        url = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]


class VictoriaMetrics(Database):
    """It takes OTLP over HTTP below /opentelemetry."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        options = {
            "storageDataPath": folder / "victoria-metrics", "httpListenAddr": f"127.0.0.1:{port}",
            "memory.allowedBytes": "256MB",
            "search.latencyOffset": "0s",        # else it hides what is newer than 30 s
        }  # fmt: skip
        given = [f"-{name}={value}" for name, value in options.items()]
        super().__init__(folder, [need("victoria-metrics"), *given], port)
        self.otlp = f"{self.url}/opentelemetry"


SCRAPES = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: tracerd
    static_configs: [{{ targets: ["{target}"] }}]
"""


class Prometheus(Database):
    """It scrapes HOST:PORT every second."""

    def __init__(self, folder: Path, target: str) -> None:
        port, config = free_port(), folder / "prometheus.yml"
        config.write_text(SCRAPES.format(target=target))
        options = {
            "config.file": config, "storage.tsdb.path": folder / "prometheus",
            "web.listen-address": f"127.0.0.1:{port}",
        }  # fmt: skip
        given = [f"--{name}={value}" for name, value in options.items()]
        super().__init__(folder, [need("prometheus"), *given], port)
