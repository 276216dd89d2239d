"""The route that proves an object: what is asked arrives, what is answered arrives, and nobody else waits for it."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.api.fake import PROVED, REFUSED
from tests.daemon.api.serving import Serving, audit, serving, until
from tests.daemon.api.test_access import READER, ROLES, ask, needs_root, open_folder
from tracerd import errors
from tracerd.daemon.client import Client
from tracerd.daemon.client_verify import verifications
from tracerd.runtime.upload import Upload

__all__ = ["open_folder"]        # a fixture

def posted(served: Serving, body: object) -> tuple[int, Any]:
    """Send one request on a connection of its own; return status and answer."""
    connection = http.client.HTTPConnection("localhost")
    with served.raw() as connection.sock:
        connection.request("POST", "/v1/verify", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


UPLOAD = Upload(None, None, b"\x7fELF\0\xff", "mine.bpf.o")


def test_what_is_proved_arrives_as_it_was_said(served: Serving, client: Client) -> None:
    """Rows with their listings, slices and states by instruction."""
    assert client.verify(UPLOAD) == [PROVED, REFUSED]
    assert client.verify(Upload("syscalls")) == [PROVED, REFUSED]
    assert client.verify(Upload(None, "[probe]", b"x", "other.o")) == [PROVED, REFUSED]
    assert served.host.proved == [
        (UPLOAD, "linux", None), (Upload("syscalls"), "linux", None),
        (Upload(None, None, b"x", "other.o"), "linux", None),
    ]  # fmt: skip


def test_platform_and_type_may_be_said(served: Serving) -> None:
    """For an object of another system, or whose sections do not tell."""
    body = {"object": "AAAA", "platform": "windows", "type": "etw"}
    assert posted(served, body)[0] == 200
    assert served.host.proved == [(Upload(None, None, b"\0\0\0", "upload.bpf.o"), "windows", "etw")]


@pytest.mark.parametrize("body", [{}, {"object": ""}, {"name": "syscalls", "object": "AAAA"}])
def test_it_is_one_probe_or_one_object(served: Serving, body: dict[str, str]) -> None:
    """Neither and both are refused, and nothing is proved."""
    status, answer = posted(served, body)
    assert status == 400
    assert "either the name of a shipped probe or an object" in answer["error"]["message"]
    assert served.host.proved == []


def test_a_damaged_object_is_the_usual_error(served: Serving, client: Client) -> None:
    """Of the class that it has in the daemon."""
    served.host.fail = errors.ObjectError("mine.bpf.o", "is no ELF object file")
    with pytest.raises(errors.ObjectError, match=r"mine\.bpf\.o: is no ELF object file"):
        client.verify(UPLOAD)


def test_nothing_changes_so_nothing_is_recorded(client: Client) -> None:
    """The audit log is of changes."""
    with audit() as records:
        client.verify(UPLOAD)
        assert records.kept == []


@needs_root
def test_readers_may_not_have_proofs_made(open_folder: Path) -> None:
    """They cost the daemon time and memory; who may only look is refused before his object is read."""
    with serving(open_folder, **ROLES) as served:
        status, answer = ask(served, READER, "POST", "/v1/verify", '{"name": "syscalls"}')
        assert status == 403
        assert "takes the role 'admin'" in answer["error"]["message"]
        assert served.host.proved == []


def test_a_proof_that_takes_long_delays_no_reader_and_no_change(served: Serving, client: Client) -> None:
    """Not even several: the others wait for the first, and everybody else goes on."""
    served.host.slow = 1.5
    others = [served.client() for _ in range(6)]
    proving = [threading.Thread(target=other.verify, args=(UPLOAD,)) for other in others]
    for thread in proving:
        thread.start()
    until(lambda: bool(served.host.proved))
    served.host.slow = 0.0
    assert client.programs()
    assert client.load(Upload(None, None, b"x" * 1000, "big.o")).name == "mine"
    assert client.ready()[0]
    assert len(served.host.proved) == 1, "one after the other"
    for thread, other in zip(proving, others, strict=True):
        thread.join()
        other.close()
    assert len(served.host.proved) == 6


def test_an_object_as_large_as_a_request_arrives_and_a_larger_one_does_not(served: Serving) -> None:
    """The limit is the request's, base64 included."""
    fits = (4 << 20) - 64
    assert posted(served, {"object": "AAAA" * fits, "object_name": "big.o"})[0] == 200
    assert len(served.host.proved[0][0].object) == 3 * fits
    assert posted(served, {"object": "AAAA" * (4 << 20), "object_name": "big.o"})[0] == 413
    assert len(served.host.proved) == 1


@pytest.mark.parametrize(
    "answer", [7, [1], [{}], [{"program": "x", "states": 5}], [{"states": {"a": []}}], [{"lines": [7]}]]
)
def test_what_another_version_answers_is_one_sentence(answer: object) -> None:
    """Whatever it is."""
    with pytest.raises(errors.RunError, match="of another version"):
        verifications(json.loads(json.dumps(answer)))
