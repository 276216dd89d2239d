"""Scrapes over real sockets: who gets what, and who costs nothing."""

from __future__ import annotations

import gzip
import math
import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from exporters.mapping.series import ProbeMetrics
from exporters.prometheus import connections, make, pages, server
from exporters.prometheus.server import Prometheus
from exporters.prometheus.settings import Section
from tests.daemon.moments import moment
from tests.exporters.prometheus.metrics import metric, numbers, parsed, probe, samples
from tests.exporters.prometheus.serving import ask, collect, plain, read, serving, wait_for
from tracerd.errors import ConfigError, ExportError, RunError
from tracerd.snapshot import Moment


def test_a_scrape_gets_the_format_it_asks_for() -> None:
    """Text without a wish, OpenMetrics for Prometheus; both say what they are and whose the metrics are."""
    with serving(resource={"deployment.environment": "test", "service.name": "mine"}) as exporter:
        response, body = ask(exporter)
        assert (response.status, response.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        found = samples(body, "text")
        assert found["calls_total", frozenset({("otel_scope_name", "tracerd.p"), ("i", "0")})] == 7
        (target,) = (dict(own) for name, own in found if name == "target_info")
        assert (target["service_name"], target["deployment_environment"]) == ("mine", "test")
        response, body = ask(exporter, Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        assert response.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert set(parsed(body, "openmetrics")) == {"target", "calls"}
        assert response.headers["Vary"] == "Accept, Accept-Encoding"
        wait_for(lambda: exporter.statistics()["connections"] == 0)
        assert {name: count for name, count in exporter.statistics().items() if count} == {"scrapes": 2, "series": 2}


def test_gzip_is_sent_when_asked_for() -> None:
    """It is the same document."""
    with serving() as exporter:
        _, body = ask(exporter)
        response, zipped = ask(exporter, Accept_Encoding="gzip")
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(zipped) == body


def test_head_is_a_get_without_a_body() -> None:
    with serving() as exporter:
        _, body = ask(exporter)
        response, nothing = ask(exporter, method="HEAD")
        assert (response.status, response.headers["Content-Length"], nothing) == (200, str(len(body)), b"")


@pytest.mark.parametrize(
    ("path", "method", "accept", "status"),
    [
        ("/", "GET", "*/*", 404),
        ("/metrics/", "GET", "*/*", 404),
        ("/metrics", "POST", "*/*", 405),
        ("/metrics", "DELETE", "*/*", 405),
        ("/metrics", "GET", "application/json", 406),
    ],
)
def test_other_requests_are_refused_in_a_sentence(path: str, method: str, accept: str, status: int) -> None:
    """Nothing is collected for them."""
    with serving(lambda _: pytest.fail("collected")) as exporter:
        response, body = ask(exporter, path, method, Accept=accept)
        assert (response.status, body.count(b"\n")) == (status, 1)
        assert exporter.statistics()["refused_requests"] == 1
        assert (response.headers["Allow"] == "GET, HEAD") is (status == 405)


def test_a_query_and_another_path_of_the_configuration_are_served() -> None:
    with serving(path="/a/b") as exporter:
        assert ask(exporter, "/a/b?x=1")[0].status == 200
        assert ask(exporter, "/metrics")[0].status == 404


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTQ/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n"]
)
def test_what_is_no_http_is_refused_and_the_next_is_served(junk: bytes) -> None:
    """It is told so, and nothing is logged of it."""
    with serving() as exporter, plain(exporter, junk + b"\r\n") as client:
        assert b" 400 " in client.recv(1000)
        assert ask(exporter)[0].status == 200


def test_a_header_that_is_too_long_is_refused() -> None:
    """Before there is all of it."""
    with serving() as exporter, plain(exporter, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000) as client:
        assert b" 400 " in client.recv(1000)


def test_a_port_that_is_taken_is_one_sentence_and_can_be_tried_again() -> None:
    """And the port is not held by the failure."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        exporter = make({"listen": address}, "w")
        exporter._collect = collect
        for _ in range(2):
            with pytest.raises(ExportError, match="cannot listen there: Address already in use") as caught:
                exporter.serve(moment)
            assert str(caught.value).startswith(address)
    exporter.serve(moment)
    exporter.serve(moment)               # it listens already
    assert ask(exporter)[0].status == 200
    exporter.close()
    exporter.close()
    socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))).close()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 200, "192.0.2.1"])
def test_a_host_that_is_not_this_machine_is_one_sentence(host: str) -> None:
    """Unknown, impossible, or somebody else's."""
    exporter = make({"listen": f"{host}:1"}, "w")
    exporter._collect = collect
    with pytest.raises(ExportError, match=rf"{host}:1: cannot listen there: \w+"):
        exporter.serve(moment)


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_hosts_with_several_addresses_and_ipv6_are_served(host: str) -> None:
    exporter = Prometheus(Section().model_copy(update={"listen": f"{host}:0"}), collect)
    try:
        exporter.serve(moment)
    except ExportError as error:
        if "assign requested address" in str(error) or "not supported" in str(error):
            pytest.skip("this machine has no IPv6")
        raise
    with socket.create_connection((host.strip("[]"), exporter.port), timeout=10) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"calls_total" in read(client)
    exporter.close()


def test_scrapes_close_to_each_other_share_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment for each format, until it is too old."""
    monkeypatch.setattr(pages, "SHARED_SECONDS", 600.0)
    moments: list[int] = []

    def counted() -> Moment:
        moments.append(1)
        return moment()

    with serving(moment=counted) as exporter:
        bodies = [ask(exporter)[1] for _ in range(3)] + [gzip.decompress(ask(exporter, Accept_Encoding="gzip")[1])]
        assert (len(set(bodies)), len(moments)) == (1, 1)
        ask(exporter, Accept="application/openmetrics-text")
        assert len(moments) == 2
        monkeypatch.setattr(pages, "SHARED_SECONDS", -600.0)
        ask(exporter)
        assert len(moments) == 3
        assert exporter.statistics()["scrapes"] == 6


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(RunError("daemon", "is stopping"), b"daemon: is stopping\n"), (KeyError("x"), b"KeyError: 'x'\n")],
)
def test_a_failure_is_one_sentence_and_the_next_scrape_works(
    error: Exception, sentence: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted each time and logged once."""
    broken = True

    def collecting(moment: Moment) -> list[ProbeMetrics]:
        if broken:
            raise error
        return collect(moment)

    with serving(collecting) as exporter:
        for _ in range(2):
            response, body = ask(exporter)
            assert (response.status, body) == (500, sentence)
            assert exporter.problem() == sentence.decode().strip()
        broken = False
        assert ask(exporter)[0].status == 200
        assert exporter.problem() == ""
        statistics = exporter.statistics()
        assert (statistics["failed"], statistics["scrapes"]) == (2, 1)
    assert [record.name for record in caplog.records] == ["tracerd.export"]


def test_a_bug_of_ours_is_answered_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its traceback: nobody else would tell it."""
    monkeypatch.setattr(server, "choose_format", lambda _: 1 // 0)
    with serving() as exporter:
        response, body = ask(exporter)
        assert (response.status, body.startswith(b"ZeroDivisionError")) == (500, True)
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_what_is_left_out_is_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metrics with a taken name, and numbers that a counter cannot have."""
    monkeypatch.setattr(pages, "SHARED_SECONDS", -600.0)
    metrics = probe(metric("a", "counter", numbers([-1, 2])), metric("a", "gauge", numbers([1])))
    with serving(lambda _: [metrics]) as exporter:
        ask(exporter)
        ask(exporter)
        statistics = exporter.statistics()
        assert (statistics["conflicting_families"], statistics["unfit_series"], statistics["series"]) == (1, 1, 2)
    (record,) = caplog.records
    assert "p: a" in record.getMessage()


def test_clients_beyond_the_limit_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent ones hold their places for as long as a header may take, no longer."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 2.0)
    with serving() as exporter:
        held = [plain(exporter, b"GET /metrics HT") for _ in range(connections.MOST_CONNECTIONS)]
        wait_for(lambda: exporter.statistics()["connections"] == len(held))
        with plain(exporter) as refused:
            assert read(refused) == b""
        assert exporter.statistics()["refused_connections"] == 1
        wait_for(lambda: exporter.statistics()["timed_out"] == len(held))
        assert ask(exporter)[0].status == 200
        for each in held:
            assert read(each) == b""
            each.close()


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of many megabytes waits for it no longer than answers may take."""
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    many = numbers(np.zeros(100_000))
    with serving(lambda _: [probe(metric("m", "gauge", many, description="x" * 20_000_000))]) as exporter:
        with plain(exporter, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            wait_for(lambda: exporter.statistics()["timed_out"] == 1)
        wait_for(lambda: exporter.statistics()["connections"] == 0)


def test_one_connection_is_one_request() -> None:
    """What is pipelined after it is not answered."""
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving() as exporter, plain(exporter, request * 3) as client:
        answer = read(client)
        assert (answer.count(b"HTTP/1.1 200"), answer.count(b"Connection: close")) == (1, 1)


def test_a_scrape_waits_only_so_long_for_what_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told so; the next one that can be answered is."""
    monkeypatch.setattr(server, "COLLECT_SECONDS", 0.2)
    stuck = threading.Event()
    with serving(lambda moment: collect(moment) if stuck.wait(10) else []) as exporter:
        response, body = ask(exporter)
        assert (response.status, exporter.statistics()["failed"]) == (503, 1)
        assert body.startswith(b"not collected within 0.2 s")
        stuck.set()
        wait_for(lambda: ask(exporter)[0].status == 200)


@pytest.mark.parametrize("hangs", [False, True])
def test_close_ends_in_time_also_while_a_request_waits(hangs: bool) -> None:
    """An answer that is nearly there is sent; one that hangs is given up."""
    begun, go_on = threading.Event(), threading.Event()

    def collecting(moment: Moment) -> list[ProbeMetrics]:
        begun.set()
        go_on.wait(10)
        return collect(moment)

    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(collecting) as exporter, plain(exporter, request) as client:
        assert begun.wait(10)
        if not hangs:
            threading.Timer(0.05, go_on.set).start()
        started = time.monotonic()
        exporter.close()
        assert time.monotonic() - started < 2.0      # within one on a machine that is not busy
        assert read(client).endswith(b"} 7\n") is not hangs
        go_on.set()
        exporter.close()


def test_closing_leaves_no_thread_and_it_can_be_served_again() -> None:
    """A thread that hung in a moment ends when that does."""
    with serving() as exporter:
        ask(exporter)
        assert len(threads()) >= 2
        exporter.close()
        wait_for(lambda: not threads())
        exporter.serve(moment)
        assert ask(exporter)[0].status == 200
    wait_for(lambda: not threads())


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("prometheus-")]


@pytest.mark.parametrize("own", [True, False])
def test_tracerds_own_metrics_are_told_unless_unwanted(own: bool) -> None:
    """They come first, so no probe can take their names."""
    exporter = Prometheus(Section(own_metrics=own).model_copy(update={"listen": "127.0.0.1:0"}))
    exporter.serve(moment)
    found = samples(ask(exporter, Accept="application/openmetrics-text")[1], "openmetrics")
    exporter.close()
    uptime = ("tracerd_uptime_seconds", frozenset({("otel_scope_name", "tracerd")}))
    assert (found.get(uptime), len(found) == 1) == ((5e-9, False) if own else (None, True))


def test_it_has_nothing_to_export_by_itself() -> None:
    exporter = make({}, "w")
    exporter.export(moment())
    assert (exporter.interval, exporter.problem(), set(exporter.statistics().values())) == (math.inf, "", {0})
    exporter.close()


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"listen": ""}, "must be HOST:PORT"),
        ({"listen": "9464"}, "is not HOST:PORT"),
        ({"path": "metrics"}, "path"),
        ({"path": "/a?b"}, "path"),
        ({"certificate": "/c"}, "certificate and key go together"),
        ({"key": "/c"}, "certificate and key go together"),
        ({"token_file": "relative"}, "must be an absolute path"),
        ({"own_metric": True}, "did you mean 'own_metrics'?"),
        ({"own_metrics": "yes"}, "own_metrics"),
        ({"resource": {"a": [1]}}, "resource"),
    ],
)
def test_a_wrong_section_is_one_sentence(section: dict[str, Any], sentence: str) -> None:
    """The section is checked without opening anything."""
    with pytest.raises(ConfigError) as caught:
        make(section, "tracerd.toml: exporters.prometheus")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("tracerd.toml: exporters.prometheus")
