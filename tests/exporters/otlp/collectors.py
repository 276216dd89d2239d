"""Collectors on this machine: they keep what they are sent, and answer as a test wants."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (
    LogsServiceServicer,
    add_LogsServiceServicer_to_server,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from exporters.otlp.request import Request, Signal
from exporters.otlp.retry import Backoff
from exporters.otlp.sender import Sender
from exporters.otlp.settings import Section, resolve
from exporters.otlp.statistics import SignalStatistics
from exporters.otlp.target import Settings, Target
from tests.exporters.otlp import requests
from tracerd.config.strict import validate

RESPONSES: dict[Signal, Any] = {
    "metrics": ExportMetricsServiceResponse,
    "logs": ExportLogsServiceResponse,
    "traces": ExportTraceServiceResponse,
}
REJECTED: dict[Signal, str] = {
    "metrics": "rejected_data_points", "logs": "rejected_log_records", "traces": "rejected_spans",
}  # fmt: skip


def partial(signal: Signal, rejected: int, message: str) -> Any:
    """An answer of partial success."""
    answer = RESPONSES[signal]()
    setattr(answer.partial_success, REJECTED[signal], rejected)
    answer.partial_success.error_message = message
    return answer


@dataclass
class Answer:
    """What an HTTP collector says."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/x-protobuf"})
    seconds: float = 0.0                 # before it says it


@dataclass
class Received:
    """What it was sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes                          # as it came over the wire
    peer: Any = None                     # a client's certificate

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


class HttpCollector:
    """Runs while the context does. `answer` may be replaced at any time."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _: Answer()
        self.connections = 0
        self.url = ""

    @contextmanager
    def running(self, port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[HttpCollector]:
        server = _Server(("127.0.0.1", port), self._handler())
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        self.url = f"http{'s' if context else ''}://localhost:{self.port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                collector.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
                received = Received(self.path, headers, body, peer)
                answer = collector.answer(received)
                collector.received.append(received)
                time.sleep(answer.seconds)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name in the library
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


class GrpcCollector:
    """All three services. `answer` returns a response, or aborts the call."""

    def __init__(self) -> None:
        self.received: list[tuple[Signal, bytes, dict[str, Any]]] = []
        self.answer: Callable[[Signal, grpc.ServicerContext], Any] = lambda signal, _: RESPONSES[signal]()
        self.address = ""

    @contextmanager
    def running(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> Iterator[GrpcCollector]:
        server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
        add_MetricsServiceServicer_to_server(self._service("metrics", MetricsServiceServicer), server)
        add_LogsServiceServicer_to_server(self._service("logs", LogsServiceServicer), server)
        add_TraceServiceServicer_to_server(self._service("traces", TraceServiceServicer), server)
        address = f"localhost:{port}"
        self.port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        self.address = f"http{'s' if credentials else ''}://localhost:{self.port}"
        server.start()
        try:
            yield self
        finally:
            server.stop(0).wait()

    def _service(self, signal: Signal, base: type) -> Any:
        def export(_: Any, request: Any, context: grpc.ServicerContext) -> Any:
            metadata = {str(each[0]): each[1] for each in context.invocation_metadata()}
            self.received.append((signal, request.SerializeToString(), metadata))
            return self.answer(signal, context)

        return type("Service", (base,), {"Export": export})()


def settings(section: dict[str, Any] | None = None, **environ: str) -> Settings:
    """What a section and variables make."""
    return resolve(validate(Section, section or {}, "w"), environ, "w")


def target(endpoint: str, signal: Signal = "metrics", **section: Any) -> Target:
    """One signal's target."""
    found = settings({"endpoint": endpoint, **section}).targets
    return next(each for each in found if each.signal == signal)


def quick() -> Backoff:
    """Pauses that no test notices."""
    return Backoff(initial=0.005, longest=0.02)


@contextmanager
def sender(endpoint: str, **section: Any) -> Iterator[Sender]:
    """A sender with short pauses, closed at the end."""
    made = Sender(settings({"endpoint": endpoint, **section}), backoff=quick)
    try:
        yield made
    finally:
        made.close(2)


def accounted(numbers: SignalStatistics) -> int:
    """The right side of the balance."""
    known = numbers.items_sent + numbers.items_rejected + sum(numbers.items_dropped.values())
    return known + numbers.queued_items + numbers.spooled_items


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come to pass"
        time.sleep(0.005)


def request(number: int, signal: Signal = "metrics", items: int = 3) -> Request:
    """A real message that can be told from others."""
    return Request(signal, requests.body(signal, number), items)
