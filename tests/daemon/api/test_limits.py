"""Hostile clients: too much, too large, too slow, too malformed. Each is refused and counted, the next is served."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.daemon.api.serving import Serving, serving, until
from tracerd.daemon.api.access import Peer
from tracerd.daemon.api.errors import Refused
from tracerd.daemon.api.limits import MOST_PEERS, RateLimit, Slots
from tracerd.daemon.client import connect
from tracerd.errors import RunError


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    """Serve a fake host with limits that a test can reach."""
    with serving(tmp_path, request_bytes=2 << 20, wait_seconds=0.5, body_seconds=0.5) as found:
        yield found


def request(served: Serving, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection("localhost")
    with served.raw() as connection.sock:
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def alive(served: Serving) -> bool:
    """True if the next client is served."""
    return request(served, "GET", "/healthz")[0] == 200


def raw(served: Serving, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the server closes."""
    with served.raw() as connection:
        connection.sendall(data)
        return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """Return all that comes."""
    got = b""
    try:
        while part := connection.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    return got


def test_a_body_that_is_too_large_is_refused_before_it_is_read(served: Serving) -> None:
    """By its length, or where it hides that, as soon as it is longer; small requests have a smaller limit."""
    status, answer = request(served, "POST", "/v1/probes", b"x" * ((2 << 20) + 1))
    assert (status, answer["error"]["message"]) == (413, "the body is larger than 2097152 bytes")
    assert request(served, "POST", "/v1/links", b" " * ((1 << 20) + 1))[0] == 413
    head = b"POST /v1/links HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    assert b" 413 " in raw(served, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)
    assert b" 413 " in raw(served, head + b"Content-Length: 99999999999999\r\n\r\n")
    assert alive(served)


def test_a_large_upload_within_the_limit_arrives(served: Serving) -> None:
    """The limit is the request's, base64 included."""
    body = json.dumps({"object": "AAAA" * 500_000, "object_name": "big.o"})
    assert request(served, "POST", "/v1/probes", body)[0] == 201
    assert len(served.host.asked[0][1].object) == 1_500_000


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"null", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"{}", {}, 400),
        (b'{"program": 1, "source": "x"} {}', {}, 400),
        (b'{"program": -1, "source": "x"}', {}, 400),
        (b'{"program": 1e99, "source": "x"}', {}, 400),
        (b'{"program": "1", "source": "x"}', {}, 400),
        (b'{"program": 1, "source": ""}', {}, 400),
        (b'{"program": 1, "source": "a\\u0000b"}', {}, 400),
        (b'{"program": 1, "source": "a\\nb"}', {}, 400),
        (b'{"program": 1, "source": "x", "root": true}', {}, 400),
        (b'{"program": 1, "source": "x"}', {"Content-Type": "text/plain"}, 415),
        (b'{"program": 1, "source": "x"}', {"Content-Encoding": "gzip"}, 415),
        (b'{"program": 1, "source": "x"}', {"Content-Type": "application/json; charset=utf-8"}, 201),
    ],
)
def test_a_malformed_body_is_refused_with_what_is_wrong(
    served: Serving, body: bytes, headers: dict[str, str], status: int
) -> None:
    """And the host is not asked."""
    found, answer = request(served, "POST", "/v1/links", body, **headers)
    assert found == status
    assert status == 201 or answer["error"]["message"]
    assert bool(served.host.asked) == (status == 201)


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("links", b'{"program": -1, "source": "x"}', "program: must be a whole number of at least 0"),
        ("links", b'{"program": "1", "source": "x"}', "program: must be a whole number, not a text"),
        ("links", b'{"source": "x"}', "body: has no 'program', which it must have"),
        ("links", b'{"program": 1, "source": " x"}', "source: is no event's name: printable ASCII, no blank at"),
        ("links", b'{"program": 1, "sourse": "x"}', "body: has no place for 'sourse'; it may have: program, source"),
        ("links", b'{"program":', "body: is no JSON: Input data was truncated"),
        ("probes", b'{"object": "!"}', "object: is no base64"),
        ("probes", b'{"name": "a b"}', "name: is no name: a letter or '_', then letters, digits"),
        ("maps/3/pin", b'{"name": "../x"}', "name: is no pin's name: a letter, a digit or '_', then letters, digits"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_body_is_said_in_words(served: Serving, path: str, body: bytes, says: str) -> None:
    """No types of a library, no regular expressions."""
    status, answer = request(served, "POST", f"/v1/{path}", body)
    assert status == 400
    assert answer["error"]["message"].startswith(says)


def test_a_flag_that_is_none_is_told_with_those_there_are(served: Serving) -> None:
    """As the update of an element takes them."""
    answer = request(served, "PUT", "/v1/maps/3/entry", b'{"key": 1, "value": 1, "flags": "maybe"}')[1]
    assert answer["error"]["message"] == "flags: 'maybe' is none of any, noexist, exist"


def test_a_pin_may_begin_with_a_digit(served: Serving) -> None:
    """docs/pins.md says so; a probe may not."""
    assert request(served, "POST", "/v1/maps/3/pin", json.dumps({"name": "7days"}))[0] == 201
    assert request(served, "DELETE", "/v1/pins/7days")[0] == 200
    assert request(served, "DELETE", "/v1/probes/7days")[0] == 400


def test_json_that_is_nested_without_end_is_refused(served: Serving) -> None:
    """Where anything may be a key, depth has a bound too."""
    deep = b'{"key": ' + b"[" * 400_000 + b"]" * 400_000 + b"}"
    assert request(served, "POST", "/v1/maps/3/lookup", deep)[0] == 400
    assert alive(served)


PATHS = (
    "..", ".", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f", "a%2fb", "a%00b", "%2fetc%2fpasswd", "a%5c..%5cb", "-x",
    "x" * 65, "%C3%A9",
)


@pytest.mark.parametrize("quoted", PATHS)
def test_a_name_that_could_be_a_path_reaches_nobody(served: Serving, quoted: str) -> None:
    """Neither as a pin, nor as a probe or table, nor inside a body."""
    name = unquote(quoted)
    for method, path in (
        ("DELETE", f"/v1/pins/{quoted}"), ("DELETE", f"/v1/probes/{quoted}"), ("GET", f"/v1/tables/{quoted}/calls"),
    ):
        assert request(served, method, path)[0] in (400, 404, 405)
    assert request(served, "POST", "/v1/maps/3/pin", json.dumps({"name": name}))[0] == 400
    assert request(served, "POST", "/v1/probes", json.dumps({"name": name}))[0] == 400
    upload = {"object": "AAAA", "object_name": "../" + name}
    assert request(served, "POST", "/v1/probes", json.dumps(upload))[0] == 400
    assert served.host.asked == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=5", 200), ("limit=0", 400), ("limit=x", 400), ("limit=1&limit=2", 400), ("nope=1", 400)],
)
def test_a_query_is_as_strict_as_a_body(served: Serving, query: str, status: int) -> None:
    """Unknown, doubled and impossible parameters are refused."""
    assert request(served, "GET", f"/v1/maps/3/entries?{query}")[0] == status


@pytest.mark.parametrize("interval", ["nan", "inf", "-1", "0", "1e999"])
def test_an_interval_is_a_time(served: Serving, interval: str) -> None:
    """What is no number of seconds would be a stream without pause or end."""
    assert request(served, "GET", f"/v1/stream/moments?interval={interval}")[0] == 400


def test_unknown_paths_and_methods_are_answered_in_json(served: Serving) -> None:
    """As everything else is."""
    assert request(served, "GET", "/nope")[1]["error"]["kind"] == "NotFound"
    assert request(served, "DELETE", "/v1/status")[0] == 405
    assert request(served, "GET", "/v1/../etc/passwd")[0] == 404


SMUGGLED = [
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
    b"GET /healthz\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 10_000 + b"\r\n",
    b"\0" * 10_000,
]


@pytest.mark.parametrize("data", SMUGGLED, ids=range(len(SMUGGLED)))
def test_what_is_no_honest_http_is_refused_and_the_connection_closed(served: Serving, data: bytes) -> None:
    """Nothing behind it is taken for a request of its own."""
    answer = raw(served, data)
    assert b" 200 " not in answer
    assert answer.count(b"HTTP/1.") <= 1
    assert served.host.asked == []
    assert alive(served)


def test_a_header_that_never_ends_is_closed_in_time(served: Serving) -> None:
    """A byte now and then does not extend it: slow connections are not kept for ever."""
    began = time.monotonic()
    with served.raw() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        for _ in range(50):
            try:
                connection.sendall(b"x: y\r\n")
            except OSError:
                break
            time.sleep(0.05)
    assert time.monotonic() - began < 2.0
    until(lambda: served.statistics()["connections"] == 0)


def test_a_connection_that_says_nothing_is_closed_in_time(served: Serving) -> None:
    """Nor one that was served and then says nothing."""
    with served.raw() as silent, served.raw() as done:
        done.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert everything(silent) == b""
        assert b" 200 " in everything(done)


def test_a_body_that_never_ends_is_refused_in_time(served: Serving) -> None:
    """With 408, and the connection is closed."""
    head = b"POST /v1/links HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    assert b" 408 " in raw(served, head)
    assert served.statistics()["refused"]["408 RunError"] == 1


def test_a_thousand_connections_leave_room_for_the_administrator(tmp_path: Path) -> None:
    """What is beyond the limit is told so at once and closed; when they are gone, all is as before."""
    with serving(tmp_path, connections=20) as served:
        held = [served.raw() for _ in range(1000)]
        until(lambda: served.statistics()["refused"].get("connections", 0) == 1000 - 28)
        assert served.statistics()["connections"] == 28
        refused = [answer for answer in map(everything, held[28:]) if answer.startswith(b"HTTP/1.1 503 ")]
        assert len(refused) == 1000 - 28
        with pytest.raises(RunError, match="all 20 connections are taken"):
            connect(served.path).status()
        for connection in held:
            connection.close()
        until(lambda: served.statistics()["connections"] == 0)
        assert alive(served)


def test_too_many_requests_a_second_are_429_with_the_time_to_wait(tmp_path: Path) -> None:
    """And a second later the same client is served."""
    with serving(tmp_path, requests_per_second=20) as served, served.client() as client:
        answers = [request(served, "GET", "/v1/status")[0] for _ in range(60)]
        assert set(answers) == {200, 429}
        with pytest.raises(RunError, match="more than 20 requests a second"):
            [client.status() for _ in range(60)]
        assert served.statistics()["refused"]["429 TooMany"] == answers.count(429) + 1
        time.sleep(0.2)
        assert client.status()


def test_a_bucket_fills_at_its_rate_and_each_peer_has_his_own() -> None:
    """A second's worth at once, then one at a time; the number of buckets is bounded."""
    now = 0.0
    rate = RateLimit(10.0, clock=lambda: now)

    def passes(key: str) -> int:
        passed = 0
        with suppress(Refused):
            while True:
                rate.admit(key)
                passed += 1
        return passed

    assert passes("a") == 10
    assert passes("b") == 10
    now = 0.55
    assert passes("a") == 5
    for number in range(2 * MOST_PEERS):
        rate.admit(str(number))
    assert len(rate._buckets) == MOST_PEERS


def test_no_reader_can_take_all_slots_and_strangers_share_few() -> None:
    """Half for one reader, an eighth for all who have no role, and some beyond the limit for administrators."""
    slots = Slots("things", 16)

    def takes(peer: Peer) -> int:
        taken = 0
        try:
            while True:
                slots.take(peer)
                taken += 1
        except Refused:
            return taken

    assert takes(Peer("unix", uid=1)) + takes(Peer("unix", uid=2)) == 2
    assert takes(Peer("unix", uid=3, role="read")) == 8
    assert takes(Peer("unix", uid=4, role="read")) == 6
    assert takes(Peer("unix", uid=0, role="admin")) == 8
    slots.give("uid 3")
    assert slots.held == 23
