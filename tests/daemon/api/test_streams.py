"""Streams: what is collected arrives; who does not read loses only his own view, and is counted."""

from __future__ import annotations

import json
import socket
import threading
import time
from itertools import islice
from pathlib import Path

import pytest

from tests.daemon.api.fake import COUNTS, EVENTS, PRINTED, FakeHost
from tests.daemon.api.serving import Serving, serving, until
from tracerd.daemon.client import Client
from tracerd.daemon.feed import Printed
from tracerd.errors import ConfigError, RunError

LARGE = 200_000
"""Rows of a moment that no socket buffer holds."""


def opened(served: Serving, path: str) -> socket.socket:
    """Ask for a stream and read nothing of it."""
    connection = served.raw()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def read_until(connection: socket.socket, what: bytes) -> bytes:
    """Read until something has come."""
    got = b""
    while what not in got:
        part = connection.recv(65536)
        assert part, got
        got += part
    return got


def test_moments_arrive_at_the_interval_with_their_tables(tmp_path: Path) -> None:
    """Tables, rings, programs, ledger, own metrics and how exporters do, each time newer."""
    with serving(tmp_path) as served, served.client() as client:
        began = time.monotonic()
        found = list(islice(client.moments(0.2), 4))
        assert 0.5 < time.monotonic() - began < 5
    expected = served.host.moment()
    assert [moment.taken_ns for moment in found] == sorted({moment.taken_ns for moment in found})
    probe = found[0].probes["calls"]
    assert probe.tables["calls"].rows() == expected.probes["calls"].tables["calls"].rows()
    assert probe.tables["calls"].meanings == expected.probes["calls"].tables["calls"].meanings
    assert probe.rings["events"].dropped == 1
    assert (found[0].programs, found[0].ledger, found[0].own) == (expected.programs, expected.ledger, expected.own)
    assert found[0].exporters == expected.exporters


def test_moments_are_json_events_for_who_asks_for_nothing_else(tmp_path: Path) -> None:
    """curl reads them as server-sent events."""
    with serving(tmp_path) as served, opened(served, "/v1/stream/moments?interval=0.1") as connection:
        got = read_until(connection, b"\n\n")
        assert b"Content-Type: text/event-stream" in got
        line = next(line for line in got.split(b"\n") if line.startswith(b"data: "))
        assert json.loads(line[6:])["tables"]["calls"]["calls"][0] == {"comm": "program 0", "count": 0}


def test_a_client_that_does_not_read_is_passed_by_and_then_gets_the_newest(tmp_path: Path) -> None:
    """One moment is on its way to it, none waits behind; others are served on time."""
    with serving(tmp_path, FakeHost(rows=LARGE)) as served, served.client() as client:
        moments = client.moments(0.1)
        next(moments)
        time.sleep(2.0)
        asleep_until = time.time_ns()
        served.host.rows = 3
        while len(next(moments).probes["calls"].tables["calls"]) == LARGE:
            pass
        assert served.statistics()["moments_skipped"] >= 10
        assert next(moments).taken_ns >= asleep_until
        moments.close()


def test_a_client_that_never_reads_is_closed_and_counted(tmp_path: Path) -> None:
    """After the time that a write may be stuck; its place is free again."""
    with serving(tmp_path, FakeHost(rows=LARGE), write_seconds=0.5) as served:
        with opened(served, "/v1/stream/moments?interval=0.1"):
            until(lambda: served.statistics()["streams"] == 1)
            until(lambda: served.statistics()["closed_stalled"] == 1)
            until(lambda: served.statistics()["streams"] == 0)
        with served.client() as client:
            assert client.status()


def test_dumps_that_nobody_reads_are_few_and_end(tmp_path: Path) -> None:
    """The next one is refused instead of kept in memory beside them; then they are closed, and it is served."""
    with serving(tmp_path, FakeHost(rows=LARGE), write_seconds=1.0) as served, served.client() as client:
        held = [opened(served, "/v1/tables/calls/calls") for _ in range(16)]
        until(lambda: served.statistics()["connections"] == 16)
        until(lambda: _refused(client))
        assert client.status()
        until(lambda: served.statistics()["closed_stalled"] == 16)
        assert len(client.table("calls", "calls")) == LARGE
        for connection in held:
            connection.close()


def _refused(client: Client) -> bool:
    try:
        client.table("calls", "calls")
    except RunError as error:
        return "large answers are taken" in str(error)
    return False


@pytest.mark.parametrize(
    "path", [f"/v1/stream/rings/{EVENTS}", "/v1/stream/printed", "/v1/stream/moments?interval=0.1"]
)
@pytest.mark.parametrize("half", [True, False], ids=["half-closed", "closed"])
def test_a_client_that_hangs_up_costs_nothing_more(tmp_path: Path, path: str, half: bool) -> None:
    """Closed or half-closed: the stream ends and its follower is closed."""
    with serving(tmp_path) as served:
        connection = opened(served, path)
        until(lambda: served.statistics()["streams"] == 1)
        connection.shutdown(socket.SHUT_WR) if half else connection.close()
        until(lambda: served.statistics()["streams"] == 0)
        until(lambda: served.statistics()["connections"] == 0)
        until(lambda: all(follower.closed for follower in served.host.followers))
        until(lambda: not served.host.printed.followed)
        connection.close()


def test_records_arrive_as_they_are_made(tmp_path: Path) -> None:
    """Decoded, in order, each follower its own."""
    with serving(tmp_path) as served, served.client() as client:
        first, second = client.records(EVENTS), client.records(EVENTS)
        got = []
        for stream in (first, second):
            pending = len(served.host.followers)
            with opened(served, f"/v1/stream/rings/{EVENTS}") as bare:
                until(lambda before=pending: len(served.host.followers) > before)
                for pid in (7, 8):
                    served.host.followers[-1].put(pid.to_bytes(4, "little"))
                got.append(read_until(bare, b'"pid":8'))
            stream.close()
        assert all(each.index(b'"pid":7') < each.index(b'"pid":8') for each in got)


def test_lost_records_are_told_in_the_stream_and_counted(tmp_path: Path) -> None:
    """A follower that was behind says how many it missed."""
    with serving(tmp_path) as served, opened(served, f"/v1/stream/rings/{EVENTS}") as connection:
        until(lambda: bool(served.host.followers))
        follower = served.host.followers[0]
        with follower._more:
            for number in range(150):
                follower.put(number.to_bytes(4, "little"))
        got = read_until(connection, b"event: lost")
        assert b'{"lost":50}' in got + connection.recv(1000) * (b"}" not in got.partition(b"event: lost")[2])
        assert served.statistics()["records_lost"] == 50


def test_the_client_yields_records_with_what_it_lost(tmp_path: Path) -> None:
    """Values by type, losses beside them."""
    import threading

    with serving(tmp_path) as served, served.client() as client:
        def feed() -> None:
            until(lambda: bool(served.host.followers))
            with served.host.followers[0]._more:
                for number in range(101):
                    served.host.followers[0].put(number.to_bytes(4, "little"))
            until(lambda: served.statistics()["records_lost"] == 1)
            served.host.followers[0].put(b"\x09\0\0\0")

        feeder = threading.Thread(target=feed)
        feeder.start()
        found = list(islice(client.records(EVENTS), 101))
        feeder.join()
    assert found[0].value == {"pid": 0, "size": 4}
    assert (found[100].value, found[100].lost) == ({"pid": 9, "size": 4}, 1)


def test_printed_lines_arrive_the_last_ones_first_and_then_what_comes(tmp_path: Path) -> None:
    """Character for character, whatever a program printed: they are JSON on their way."""
    hostile = ["\x1b[31mred\x1b[0m \x07", "data: {}\n\nevent: lost", "\u2028\x85\r\ufffd\N{SNOWMAN}", '"\\', ""]
    with serving(tmp_path) as served, served.client() as client:
        served.host.printed.add([f"old {number}" for number in range(250)])
        lines = client.printed()
        assert [next(lines).line for _ in range(200)] == [f"old {number}" for number in range(50, 250)]
        for line in hostile:
            served.host.printed.add([line])
        assert list(islice(lines, len(hostile))) == [Printed(line, 0) for line in hostile]


def test_who_is_too_slow_for_printed_lines_is_told_and_counted(tmp_path: Path) -> None:
    """Before the lines that came after those he missed; what found no room before it came here is told him too."""
    with serving(tmp_path) as served, served.client() as client, opened(served, "/v1/stream/printed") as bare:
        lines = client.printed()
        served.host.printed.add(["first"])
        assert next(lines) == Printed("first", 0)
        read_until(bare, b'{"line":"first"}')
        served.host.printed.add([f"line {number}" for number in range(3 * PRINTED)])
        assert next(lines) == Printed(f"line {2 * PRINTED}", 2 * PRINTED)
        told = b'event: lost\ndata: {"lost":%d}\n\nevent: printed\ndata: {"line":"line %d"}' % ((2 * PRINTED,) * 2)
        assert told in read_until(bare, f'"line {3 * PRINTED - 1}"'.encode())
        assert served.statistics()["lines_lost"] == 4 * PRINTED
        served.host.printed.add(["last"], dropped=7)
        assert list(islice(lines, PRINTED))[-1] == Printed("last", 2 * PRINTED + 7)


def test_a_stream_of_printed_lines_ends_where_no_more_will_come(tmp_path: Path) -> None:
    """What waits is still sent."""
    with serving(tmp_path) as served, served.client() as client:
        served.host.printed.add(["the last"])
        lines = client.printed()
        assert next(lines).line == "the last"
        served.host.printed.add(["after all"])
        served.host.printed.end()
        assert [each.line for each in lines] == ["after all"]
        until(lambda: served.statistics()["streams"] == 0)


def test_streams_are_limited_and_what_is_no_ring_is_refused(tmp_path: Path) -> None:
    """The next stream is told that there are too many; a hash has no records."""
    with serving(tmp_path, streams=2) as served, served.client() as client:
        with pytest.raises(ConfigError, match="is no ring buffer"):
            next(client.records(COUNTS))
        held = [opened(served, f"/v1/stream/rings/{EVENTS}") for _ in range(10)]
        until(lambda: served.statistics()["streams"] == 10)
        with pytest.raises(RunError, match="all 2 streams are taken"):
            next(client.records(EVENTS))
        for connection in held:
            connection.close()


def test_a_stop_ends_the_streams_at_once(tmp_path: Path) -> None:
    """Nobody who listens holds the daemon up; the client's stream ends between two moments."""
    with serving(tmp_path) as served, served.client() as client:
        moments = client.moments(3600.0)
        next(moments)
        others = [opened(served, f"/v1/stream/{what}") for what in (f"rings/{EVENTS}", "printed")]
        until(lambda: served.statistics()["streams"] == 3)
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    assert list(moments) == []
    assert not served.host.printed.followed
    for connection in others:
        connection.close()


def test_a_client_that_leaves_gives_its_place_back_however_long_its_interval_is(tmp_path: Path) -> None:
    """There are few streams: nobody may hold one for an hour because he asked for a moment an hour."""
    with serving(tmp_path) as served, served.client() as client:
        next(client.moments(3600.0))
        until(lambda: served.statistics()["streams"] == 0)


def test_a_client_that_is_closed_ends_its_streams_in_other_threads_too(tmp_path: Path) -> None:
    """Whoever waits there for the next moment gets the end of the stream, and no error."""
    with serving(tmp_path) as served:
        client, came = served.client(), threading.Event()
        found: list[object] = []

        def read() -> None:
            try:
                for _ in client.moments(3600.0):
                    came.set()
                found.append("the end")
            except Exception as error:  # noqa: BLE001  it is looked at below
                found.append(error)

        reading = threading.Thread(target=read)
        reading.start()
        assert came.wait(10.0)
        client.close()
        reading.join(10.0)
        assert found == ["the end"]
