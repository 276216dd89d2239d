"""OTLP over HTTP against servers of this machine: what they say decides whether a request is sent again."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import BinaryIO

import pytest

from exporters.otlp.http import LARGEST_ANSWER, RETRYABLE, HttpTransport, retry_after
from exporters.otlp.outcome import Accepted, Refused, Retry
from exporters.otlp.request import SIGNALS, Signal
from tests.exporters.otlp.certificates import Authority, needs_openssl
from tests.exporters.otlp.collectors import Answer, HttpCollector, partial, request, settings, target
from tracerd import __version__

BODY = request(1).body


def field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2, len(content))) + content


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_body_arrives_as_it_was_at_the_signals_path(http: HttpCollector, compression: str) -> None:
    """Compressed or not, with the headers that were asked for and those of OTLP."""
    to = target(f"{http.url}/base/", compression=compression, headers={"X-Key": "k"})
    transport = HttpTransport(to)
    assert transport.send(BODY) == Accepted()
    transport.close()
    (got,) = http.received
    assert got.path == "/base/v1/metrics"
    assert got.plain == BODY
    assert got.headers.get("content-encoding") == ("gzip" if compression == "gzip" else None)
    assert got.headers["content-type"] == "application/x-protobuf"
    assert got.headers["user-agent"] == f"tracerd/{__version__}"
    assert got.headers["x-key"] == "k"


def test_one_connection_serves_many_requests(http: HttpCollector) -> None:
    """It is kept open between them."""
    transport = HttpTransport(target(http.url))
    assert [transport.send(BODY) for _ in range(5)] == [Accepted()] * 5
    transport.close()
    assert http.connections == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_partial_success_says_how_many_were_rejected(http: HttpCollector, signal: Signal) -> None:
    """And why, in the collector's words."""
    http.answer = lambda _: Answer(body=partial(signal, 2, "too\nold").SerializeToString())
    transport = HttpTransport(target(http.url, signal))
    assert transport.send(BODY) == Accepted(2, "too old")
    transport.close()


def test_success_with_an_unreadable_body_is_success(http: HttpCollector) -> None:
    """Which is noted."""
    http.answer = lambda _: Answer(body=b"\xff\xffnot protobuf")
    transport = HttpTransport(target(http.url))
    outcome = transport.send(BODY)
    transport.close()
    assert isinstance(outcome, Accepted)
    assert outcome.rejected == 0
    assert "not an OTLP message" in outcome.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504, 599])
def test_only_four_codes_are_tried_again(http: HttpCollector, status: int) -> None:
    """All others are final; the words of the google.rpc.Status are told."""
    http.answer = lambda _: Answer(status, body=b"\x08\x03" + field(2, b"no such tenant"))
    transport = HttpTransport(target(http.url))
    outcome = transport.send(BODY)
    transport.close()
    expected = Retry if status in RETRYABLE else Refused
    assert outcome == expected(f"HTTP {status}: no such tenant")


def test_a_status_that_is_cut_short_says_nothing(http: HttpCollector) -> None:
    """Neither does one of other bytes."""
    transport = HttpTransport(target(http.url))
    for body in (b"\x12\x50no such", b"\x12", b"\xff" * 20, b"\x12\x02\xff\xfe", b"\x13"):
        http.answer = lambda _, body=body: Answer(400, body=body)  # type: ignore[misc]
        assert transport.send(BODY) == Refused("HTTP 400")
    transport.close()


def test_retry_after_is_told_in_seconds_or_as_a_date(http: HttpCollector) -> None:
    """What is neither is as if it were not there."""
    http.answer = lambda _: Answer(503, headers={"retry-after": "7"})
    transport = HttpTransport(target(http.url))
    assert transport.send(BODY) == Retry("HTTP 503", 7.0)
    transport.close()
    later = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))
    assert later is not None
    assert 50 < later <= 60
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [retry_after(each) for each in (None, "", "-1", "soon", "1e3", "٣")] == [None] * 6


def test_a_page_of_another_server_is_told_in_its_words(http: HttpCollector) -> None:
    """Without its tags, on one line, with nothing a terminal obeys."""
    http.answer = lambda _: Answer(404, b"<html><h1>404 page\nnot \x1b[31mfound</h1>", {"content-type": "text/html"})
    transport = HttpTransport(target(http.url))
    assert transport.send(BODY) == Refused("HTTP 404: 404 page not \\x1b[31mfound")
    transport.close()


def test_redirects_are_not_followed(http: HttpCollector) -> None:
    """The headers are for the endpoint only; where it points is told without its query."""
    there = {"location": "http://user:secret@elsewhere.example/v1/metrics?key=secret"}
    http.answer = lambda _: Answer(307, headers=there)
    transport = HttpTransport(target(http.url))
    outcome = transport.send(BODY)
    transport.close()
    assert isinstance(outcome, Refused)
    assert "http://elsewhere.example/v1/metrics;" in outcome.why
    assert "secret" not in outcome.why
    assert len(http.received) == 1


def test_an_endless_answer_is_read_only_so_far(http: HttpCollector) -> None:
    """And the next request has a connection of its own."""
    http.answer = lambda _: Answer(400, body=b"x" * (LARGEST_ANSWER * 8), headers={"content-type": "text/plain"})
    transport = HttpTransport(target(http.url))
    for _ in range(2):
        outcome = transport.send(BODY)
        assert isinstance(outcome, Refused)
        assert len(outcome.why) < 400
    transport.close()
    assert http.connections == 2


def test_nobody_there_is_tried_again() -> None:
    """With what the system says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    transport = HttpTransport(target(f"http://127.0.0.1:{port}"))
    assert transport.send(BODY) == Retry("Connection refused")


def test_a_collector_that_does_not_answer_is_tried_again(http: HttpCollector) -> None:
    """After the time-out, not before and not much later."""
    http.answer = lambda _: Answer(seconds=1)
    transport = HttpTransport(target(http.url, timeout="50ms"))
    assert transport.send(BODY) == Retry("no answer within 0.05 s")


def test_an_answer_that_drips_ends_with_the_time() -> None:
    """Each byte comes in time, all of them together do not."""
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        transport = HttpTransport(target(f"http://127.0.0.1:{server.getsockname()[1]}", timeout="200ms"))
        begun = time.monotonic()
        assert transport.send(BODY) == Retry("no answer within 0.2 s")
        assert time.monotonic() - begun < 5
        stop.set()
        thread.join()


def one_answer_a_connection(server: socket.socket, connections: int, answers: int) -> None:
    """Answer the first requests of each connection, take one more, and hang up."""
    for _ in range(connections):
        connection, _peer = server.accept()
        with connection, connection.makefile("rb") as stream:
            for _ in range(answers):
                read_request(stream)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            read_request(stream)


def read_request(stream: BinaryIO) -> None:
    length = 0
    while (line := stream.readline()).strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    stream.read(length)


def test_a_collector_that_hangs_up_is_tried_again() -> None:
    """No answer at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=one_answer_a_connection, args=(server, 1, 0), daemon=True)
        thread.start()
        transport = HttpTransport(target(f"http://127.0.0.1:{server.getsockname()[1]}"))
        outcome = transport.send(BODY)
        thread.join()
    assert isinstance(outcome, Retry)


def test_a_connection_that_was_kept_too_long_is_no_failure() -> None:
    """The collector closes it while we send: a new one is tried at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=one_answer_a_connection, args=(server, 3, 1), daemon=True)
        thread.start()
        transport = HttpTransport(target(f"http://127.0.0.1:{server.getsockname()[1]}"))
        assert [transport.send(BODY) for _ in range(3)] == [Accepted()] * 3
        transport.close()
        thread.join()


@needs_openssl
def test_tls_wants_a_certificate_that_it_can_check(authority: Authority) -> None:
    """With the authority's certificate it is sent, without it is tried again, and the reason told."""
    with HttpCollector().running(context=authority.server(mutual=False)) as collector:
        trusting = HttpTransport(target(collector.url, certificate=authority.path("ca.pem")))
        assert trusting.send(BODY) == Accepted()
        trusting.close()
        doubting = HttpTransport(target(collector.url))
        outcome = doubting.send(BODY)
    assert isinstance(outcome, Retry)
    assert outcome.why.startswith("TLS: ")
    assert "self-signed" in outcome.why or "issuer" in outcome.why
    assert len(collector.received) == 1


@needs_openssl
def test_mutual_tls_shows_the_clients_certificate(authority: Authority) -> None:
    """The server sees who it is; without it nothing is accepted."""
    ca = authority.path("ca.pem")
    pair = {"client_certificate": authority.path("client.pem"), "client_key": authority.path("client.key")}
    with HttpCollector().running(context=authority.server(mutual=True)) as collector:
        known = HttpTransport(target(collector.url, certificate=ca, **pair))
        assert known.send(BODY) == Accepted()
        known.close()
        unknown = HttpTransport(target(collector.url, certificate=ca))
        assert isinstance(unknown.send(BODY), Retry)
        unknown.close()
    assert collector.received[0].peer["subject"] == ((("commonName", "client"),),)
    assert len(collector.received) == 1


def test_a_certificate_that_is_not_there_yet_is_looked_for_again() -> None:
    """It may come: nothing is lost for it."""
    transport = HttpTransport(target("https://localhost:1", certificate="/nowhere/ca.pem"))
    outcome = transport.send(BODY)
    assert isinstance(outcome, Retry)
    assert "No such file" in outcome.why


def test_a_proxy_gets_the_request_if_the_environment_says_so(http: HttpCollector) -> None:
    """With its own password, which the collector's headers do not have."""
    there = {"endpoint": "http://collector.example:4318"}
    made = settings(there, http_proxy=f"http://user:word@127.0.0.1:{http.port}", NO_PROXY="other.example")
    transport = HttpTransport(made.targets[0])
    assert transport.send(BODY) == Accepted()
    transport.close()
    assert http.received[0].path == "http://collector.example:4318/v1/metrics"
    assert http.received[0].headers["proxy-authorization"].startswith("Basic ")
    assert settings(there, http_proxy="http://127.0.0.1:1", NO_PROXY=".example").targets[0].proxy is None
