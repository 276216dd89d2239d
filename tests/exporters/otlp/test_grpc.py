"""OTLP over gRPC against servers of this machine, with the generated services."""

from __future__ import annotations

import socket
import threading
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from exporters.otlp.grpc import METHODS, RETRYABLE, GrpcTransport
from exporters.otlp.outcome import Accepted, Refused, Retry
from exporters.otlp.request import SIGNALS, Signal
from tests.exporters.otlp.certificates import Authority, needs_openssl
from tests.exporters.otlp.collectors import GrpcCollector, partial, request, target
from tracerd import __version__


def send(collector: GrpcCollector, signal: Signal = "metrics", **section: Any) -> Any:
    transport = GrpcTransport(target(collector.address, signal, protocol="grpc", **section))
    try:
        return transport.send(request(7, signal).body)
    finally:
        transport.close()


def field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2, len(content))) + content


def status_with_delay(seconds: int, nanos: int = 0) -> bytes:
    """A google.rpc.Status with a BadRequest and a RetryInfo, as its bytes are defined."""
    delay = field(1, Duration(seconds=seconds, nanos=nanos).SerializeToString())
    info = field(1, b"type.googleapis.com/google.rpc.RetryInfo") + field(2, delay)
    other = field(1, b"type.googleapis.com/google.rpc.BadRequest") + field(2, b"")
    return b"\x08\x08" + field(2, b"slow down") + field(3, other) + field(3, info)


def failing(code: grpc.StatusCode, details: bytes | None = None) -> Any:
    def answer(_: Signal, context: grpc.ServicerContext) -> None:
        if details is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, "as asked")

    return answer


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_the_message_arrives_at_the_signals_service(grpcs: GrpcCollector, signal: Signal, compression: str) -> None:
    """As it was, with metadata in lower case."""
    assert send(grpcs, signal, compression=compression, headers={"X-Key": "k"}) == Accepted()
    ((where, body, metadata),) = grpcs.received
    assert (where, body) == (signal, request(7, signal).body)
    assert metadata["x-key"] == "k"
    assert str(metadata["user-agent"]).startswith(f"tracerd/{__version__} grpc-python/")


def test_the_paths_are_those_of_the_generated_services() -> None:
    """One method each."""
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    modules = {"metrics": metrics_service_pb2, "logs": logs_service_pb2, "traces": trace_service_pb2}
    for signal, module in modules.items():
        (service,) = module.DESCRIPTOR.services_by_name.values()
        assert METHODS[signal] == f"/{service.full_name}/Export"  # type: ignore[index]


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_partial_success_says_how_many_were_rejected(grpcs: GrpcCollector, signal: Signal) -> None:
    """And why."""
    grpcs.answer = lambda signal, _: partial(signal, 2, "too old")
    assert send(grpcs, signal) == Accepted(2, "too old")


@pytest.mark.parametrize("code", [each for each in grpc.StatusCode if each is not grpc.StatusCode.OK])
def test_codes_are_tried_again_as_the_specification_has_it(grpcs: GrpcCollector, code: grpc.StatusCode) -> None:
    """RESOURCE_EXHAUSTED without a RetryInfo is final: the request is too large."""
    grpcs.answer = failing(code)
    outcome = send(grpcs)
    assert isinstance(outcome, Retry if code in RETRYABLE else Refused)
    if code is not grpc.StatusCode.DEADLINE_EXCEEDED:
        assert outcome.why == f"gRPC {code.name}: as asked"


def test_a_retry_info_says_when(grpcs: GrpcCollector) -> None:
    """Which makes RESOURCE_EXHAUSTED worth another try, and nothing else that is final."""
    for code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
        grpcs.answer = failing(code, status_with_delay(3, 500_000_000))
        assert send(grpcs) == Retry(f"gRPC {code.name}: as asked", 3.5)
    grpcs.answer = failing(grpc.StatusCode.INVALID_ARGUMENT, status_with_delay(3))
    assert isinstance(send(grpcs), Refused)
    grpcs.answer = failing(grpc.StatusCode.RESOURCE_EXHAUSTED, b"\x1a\xff not a status")
    assert isinstance(send(grpcs), Refused)


def test_nobody_there_is_tried_again_and_found_when_it_comes() -> None:
    """The same transport, at once: gRPC's own pauses are not in the way."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    transport = GrpcTransport(target(f"http://localhost:{port}", protocol="grpc"))
    outcome = transport.send(request(1).body)
    assert isinstance(outcome, Retry)
    assert "Connection refused" in outcome.why
    with GrpcCollector().running(port):
        assert transport.send(request(1).body) == Accepted()
        transport.close()
        transport.close()


def test_a_collector_that_does_not_answer_is_tried_again(grpcs: GrpcCollector) -> None:
    """After the deadline."""
    done = threading.Event()
    grpcs.answer = lambda *_: done.wait(5)
    assert send(grpcs, timeout="50ms") == Retry("no answer within 0.05 s")
    done.set()


@needs_openssl
def test_tls_and_mutual_tls(authority: Authority) -> None:
    """A certificate that can be checked is needed, and the client's where the server wants it."""
    pairs = [(authority.read("server.key"), authority.read("server.pem"))]
    ca = authority.path("ca.pem")
    mine = {"client_certificate": authority.path("client.pem"), "client_key": authority.path("client.key")}
    with GrpcCollector().running(credentials=grpc.ssl_server_credentials(pairs)) as collector:
        assert send(collector, certificate=ca) == Accepted()
        assert isinstance(send(collector), Retry)
    strict = grpc.ssl_server_credentials(pairs, authority.read("ca.pem"), require_client_auth=True)
    with GrpcCollector().running(credentials=strict) as collector:
        assert send(collector, certificate=ca, **mine) == Accepted()
        assert isinstance(send(collector, certificate=ca), Retry)
        assert len(collector.received) == 1


def test_a_certificate_that_is_not_there_yet_is_looked_for_again() -> None:
    """It may come."""
    transport = GrpcTransport(target("https://localhost:1", protocol="grpc", certificate="/nowhere/ca.pem"))
    outcome = transport.send(request(1).body)
    assert outcome == Retry("No such file or directory: /nowhere/ca.pem")
