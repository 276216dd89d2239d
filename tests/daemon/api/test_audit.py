"""Every change is one record, whoever asked and whatever came of it; reading is none."""

from __future__ import annotations

import hashlib
import http.client
import threading

import pytest

from tests.daemon.api.fake import COUNTS
from tests.daemon.api.serving import Serving, audit, until
from tracerd.daemon.client import Client
from tracerd.errors import RunError, TracerdError
from tracerd.runtime.upload import Upload


def test_each_change_is_a_record_before_its_answer_and_reading_is_none(client: Client) -> None:
    """The record is there when the client has its answer."""
    with audit() as records:
        client.status()
        client.lookup(COUNTS, 1)
        assert records.kept == []
        client.attach(1, "interval:5s")
        client.update(COUNTS, 3, 4)
        client.reload()
        assert [(fields["action"], fields["target"]) for fields in records.fields] == [
            ("link.attach", {"program": 1, "source": "interval:5s"}),
            ("map.update", {"map": COUNTS, "key": 3, "value": 4}),
            ("config.reload", {}),
        ]
        assert {fields["outcome"] for fields in records.fields} == {"done"}
        assert {fields["transport"] for fields in records.fields} == {"unix"}


def test_an_upload_is_told_by_its_digest(client: Client) -> None:
    """So that what ran can be found again."""
    with audit() as records:
        client.load(Upload(None, None, b"\x7fELF", "mine.bpf.o"))
        assert records.fields[0]["target"] == {"name": "mine.bpf.o", "sha256": hashlib.sha256(b"\x7fELF").hexdigest()}


def test_a_failure_is_a_record_with_its_cause(served: Serving, client: Client) -> None:
    """What the host refused, and what it could not do."""
    with audit() as records:
        served.host.fail = RunError("probe", "is there already")
        with pytest.raises(TracerdError):
            client.load(Upload("syscalls", None))
        served.host.fail = OSError(28, "No space left on device")
        with pytest.raises(TracerdError):
            client.load(Upload("syscalls", None))
        told = [(fields["outcome"], fields["status"]) for fields in records.fields]
        assert told == [("refused", 409), ("failed", 500)]
        assert "is there already" in records.fields[0]["cause"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/probes", "{"),
        ("PUT", "/v1/maps/99999999999/entry", "{}"),
        ("DELETE", "/v1/probes/..%2f..%2fetc", None),
        ("POST", "/v1/links", '{"program": 1, "source": "x", "more": 1}'),
    ],
)
def test_a_malformed_change_is_a_record_too(served: Serving, method: str, path: str, body: str | None) -> None:
    """Somebody tried."""
    connection = http.client.HTTPConnection("localhost")
    with audit() as records, served.raw() as connection.sock:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        assert connection.getresponse().status == 400
        assert [fields["status"] for fields in records.fields] == [400]
        assert served.host.asked == []


def test_what_a_peer_writes_cannot_break_the_log(served: Serving) -> None:
    """Line ends and escape sequences are escaped, long names cut."""
    connection = http.client.HTTPConnection("localhost")
    with audit() as records, served.raw() as connection.sock:
        connection.request("DELETE", "/v1/pins/a%0a%1b%5b2Jroot%20did%20it" + "x" * 1000)
        assert connection.getresponse().status == 400
        assert records.kept[0].getMessage().isprintable()
        assert len(records.kept[0].getMessage()) < 800
        assert records.fields[0]["target"]["name"].startswith(r"a\n\x1b[2Jroot did it")


def test_a_change_is_made_and_recorded_though_the_client_has_gone(served: Serving) -> None:
    """It was asked for; nobody waits for the answer, and the log knows."""
    served.host.slow = 0.3
    with audit() as records:
        with served.raw() as connection:
            connection.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: bool(served.host.asked))
        until(lambda: bool(records.kept))
        assert records.fields[0]["outcome"] == "done"


def test_a_change_that_takes_long_delays_no_reader(served: Serving, client: Client) -> None:
    """Proofs have threads of their own."""
    served.host.slow = 3.0
    with served.client() as other:
        loading = threading.Thread(target=lambda: other.load(Upload("syscalls", None)))
        loading.start()
        until(lambda: bool(served.host.asked))
        assert client.programs()
        assert client.ready()[0]
        assert loading.is_alive()
        loading.join()
