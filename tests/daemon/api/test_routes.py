"""Every route through the client: what is asked arrives at the host, what it answers arrives here."""

from __future__ import annotations

import http.client
import socket

import numpy as np
import pytest

from tests.daemon.api.fake import COUNTS, EVENTS, map_info
from tests.daemon.api.serving import Serving
from tracerd import errors
from tracerd.daemon.client import Client
from tracerd.daemon.exporter_info import ExporterInfo
from tracerd.elf.spec import SourceLine
from tracerd.runtime.objects import Changes, LinkInfo, PinInfo, ProbeInfo, SourceInfo
from tracerd.runtime.upload import Upload
from tracerd.verifier.job import Refutation, Rejection


def test_status_has_the_daemons_shape_and_what_the_api_counts(client: Client) -> None:
    """DESIGN §11's keys, and the API's own beside them."""
    status = client.status()
    assert {"version", "uptime_s", "programs", "maps", "links", "sources", "exporters", "ledger"} < set(status)
    assert status["api"]["requests"] == 1
    assert status["api"]["connections"] == 1


def test_a_look_has_the_status_as_rows_and_who_may_what(served: Serving, client: Client) -> None:
    """Lists are frozen rows; sources come with their rings, and a peer learns its own role and the machine's name."""
    look = client.look()
    assert (look.version, look.pid, look.host, look.role) == ("0.1.0", 7, socket.gethostname(), "admin")
    assert (look.ready, look.reasons, look.notes) == (False, ("map 'counts' is full",), ("one",))
    assert look.probes == (ProbeInfo("calls", "config", "", (1,)),)
    assert look.sources == (
        SourceInfo("system", ("process:sample",), 1, failure="it broke"),
        SourceInfo("perf", ("syscall:read:enter",), 1, 4, 8 << 20, 1_500_000),
    )
    assert look.exporters == (ExporterInfo("otlp", 10.0, failures=2, last_error="refused", counts={"otlp.sent": 3}),)
    assert (look.programs, look.maps, look.links) == ((), (), ())
    assert client.name == str(served.path)


def test_rows_arrive_as_they_were(served: Serving, client: Client) -> None:
    """Ids, numbers, texts and lists are the host's own."""
    assert client.probes() == served.host.probes()
    assert client.programs() == served.host.programs()
    assert client.program(1) == served.host.programs()[0]
    assert client.maps() == served.host.maps()
    assert client.map(EVENTS) == served.host.maps()[1]
    assert client.links() == served.host.links()
    assert client.pins() == []


def test_elements_are_read_written_and_deleted(client: Client) -> None:
    """What is written is found, what is deleted is not."""
    client.update(COUNTS, 7, 70)
    assert client.lookup(COUNTS, 7) == 70
    rows = [{"key": 1, "value": 10}, {"key": 2, "value": 20}, {"key": 7, "value": 70}]
    assert client.entries(COUNTS) == (rows, False)
    client.delete(COUNTS, 7)
    with pytest.raises(errors.NoSuchKey, match="no such key in map 'counts'"):
        client.lookup(COUNTS, 7)
    with pytest.raises(errors.NotFound):
        client.delete(COUNTS, 7)


def test_update_flags_mean_what_bpf_means(client: Client) -> None:
    """`noexist` keeps what is there, `exist` makes nothing new."""
    with pytest.raises(errors.RunError, match="has this key already"):
        client.update(COUNTS, 1, 0, "noexist")
    with pytest.raises(errors.NotFound):
        client.update(COUNTS, 99, 0, "exist")
    assert client.lookup(COUNTS, 1) == 10


def test_a_limit_cuts_and_says_so(client: Client) -> None:
    """Who asks for one element learns that there are more."""
    entries, truncated = client.entries(COUNTS, limit=1)
    assert len(entries) == 1
    assert truncated


def test_a_pin_is_read_without_its_probe(client: Client) -> None:
    """By its name, within a limit; one that is not there is told with those there are."""
    assert client.pin_entries("kept", 2) == ([{"key": 0, "value": 0}, {"key": 1, "value": 10}], True)
    assert len(client.pin_entries("kept")[0]) == 5
    with pytest.raises(errors.NotFound, match="no pin 'other'; there are: kept"):
        client.pin_entries("other")


def test_what_rests_in_its_pin_has_no_number(served: Serving, client: Client) -> None:
    """It is listed with id 0, and no map has that."""
    served.host.maps().append(map_info(0, "old", "hash"))
    assert [row.id for row in client.maps()] == [COUNTS, EVENTS, 0]
    with pytest.raises(errors.NotFound, match="no map 0; there are: 3, 4"):
        client.map(0)


def test_columns_and_tables_arrive_in_binary(served: Serving, client: Client) -> None:
    """Types and values are those of the host's numpy columns."""
    columns = client.columns(COUNTS)
    assert columns["key"].dtype == np.uint32
    assert columns["value"].tolist() == [10, 20]
    table, (_, expected) = client.table("calls", "calls"), served.host.table("calls", "calls")
    assert table.name == "calls"
    assert table.rows() == expected.rows()
    assert table.meanings == expected.meanings


def test_a_program_is_shown_as_text(client: Client) -> None:
    """Instructions, and the source lines where they were asked for."""
    listing = client.disasm(1, source=True)
    assert listing["program"] == "on_enter"
    assert [line["text"] for line in listing["lines"]] == ["r0 = 0x0", "exit"]
    assert listing["lines"][0]["source"] == "calls.bpf.c:7: return 0;"
    assert client.disasm(1)["lines"][0]["source"] is None


def test_changes_reach_the_host_as_they_were_asked(served: Serving, client: Client) -> None:
    """Load, attach, detach, pin, unpin, reload: with the client's own words."""
    upload = Upload(None, "[probe]\nname = 'mine'\n", b"\x7fELF\0\xff", "mine.bpf.o")
    assert client.load(upload).name == "mine"
    assert client.load(Upload("syscalls", None)).name == "syscalls"
    assert client.attach(1, "interval:5s") == LinkInfo(6, 1, "on_enter", "calls", "interval:5s", 0, 0)
    client.detach(5)
    assert client.pin(COUNTS, "kept") == PinInfo("kept", COUNTS, "calls", "counts", "hash", 65536)
    client.unpin("kept")
    assert client.reload() == Changes(loaded=("new",), unchanged=("calls",))
    assert served.host.asked == [
        ("load", upload), ("load", Upload("syscalls", None)), ("attach", 1, "interval:5s"), ("detach", 5),
        ("pin", COUNTS, "kept"), ("unpin", "kept"), ("reload",),
    ]


@pytest.mark.parametrize(
    "error",
    [
        errors.NotFound("probe 'x'", ("a", "b")),
        errors.NoSuchKey("such key in map 'counts'"),
        errors.Conflict("probe 'x'", "is loaded already"),
        errors.UnfitValue("key of map 'counts'", "cannot be -1"),
        errors.ConfigError("here", "is wrong"),
        errors.ObjectError("x.o", "is truncated"),
        errors.NotPermitted("that", "be root"),
        errors.NotSupported("that", "no kernel"),
        errors.PolicyRefusal("jit", "MDWE"),
        errors.VerifierUnavailable("p", "it hung"),
        errors.SourceError("s", "gone"),
        errors.RunError("r", "failed"),
        Rejection("p", 7, SourceLine("a.c", 3, "x = 1;"), "r1", "r1 + 8 <= 4", "r1 in 0..9", Refutation(7, "", "")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_raised_again_as_what_it_was(served: Serving, client: Client, error: errors.TracerdError) -> None:
    """Class and sentence survive the wire, so exit codes do."""
    served.host.fail = error
    with pytest.raises(type(error)) as caught:
        client.reload()
    assert str(caught.value) == str(error)


def test_a_bug_is_a_500_that_tells_nothing_of_it(served: Serving, client: Client) -> None:
    """The traceback is in the log; the client learns that it is there, and the daemon goes on."""
    served.host.fail = ZeroDivisionError("secret of the host")
    with pytest.raises(errors.RunError, match="a fault of the daemon") as caught:
        client.programs()
    assert "secret" not in str(caught.value)
    served.host.fail = None
    assert client.programs()


def test_health_says_no_with_503_and_why(served: Serving, client: Client) -> None:
    """Supervisors look at the number, people at the reasons."""
    served.health = (True, False, ["probe 'x' is not loaded"])
    assert client.ready() == (False, ["probe 'x' is not loaded"])
    connection = http.client.HTTPConnection("localhost")
    with served.raw() as connection.sock:
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 503


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/vnd.tracerd.columns", "application/vnd.tracerd.columns"),
        ("application/json;q=0.5, application/vnd.tracerd.columns", "application/vnd.tracerd.columns"),
        ("application/*;q=0.1, application/vnd.tracerd.columns;q=0", "application/json"),
        ("text/html", None),
    ],
)
def test_a_table_comes_in_the_form_that_is_accepted(served: Serving, accept: str, media: str | None) -> None:
    """RFC 9110's weights; where nothing fits, 406."""
    connection = http.client.HTTPConnection("localhost")
    with served.raw() as connection.sock:
        connection.request("GET", "/v1/tables/calls/calls", headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (
            (200, media) if media else (406, "application/json")
        )
