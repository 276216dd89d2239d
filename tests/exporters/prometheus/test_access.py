"""Who may scrape: tokens, TLS, and what the port may be called."""

from __future__ import annotations

import os
import ssl
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from exporters.prometheus import connections
from exporters.prometheus.server import Prometheus
from exporters.prometheus.settings import Section
from tests.daemon.moments import moment
from tests.exporters.prometheus.serving import ask, collect, plain, read, serving, wait_for
from tests.self_signed import make_certificate
from tracerd.errors import ExportError

TOKEN = "0123456789abcdef" * 2


def test_a_token_is_wanted_where_there_is_one(tmp_path: Path) -> None:
    """Whoever has none of them learns nothing, not even what paths there are."""
    file = tmp_path / "tokens"
    file.touch(0o600)
    file.write_text(f"# of Prometheus\n{'f' * 32}\n{TOKEN}\n")
    with serving(token_file=file) as exporter:
        assert ask(exporter, Authorization=f"Bearer {TOKEN}")[0].status == 200
        assert ask(exporter, Authorization=f"bearer {'f' * 32}")[0].status == 200
        for wrong in ("", "Bearer", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer \xff", TOKEN):
            response, body = ask(exporter, "/other", Authorization=wrong)
            assert (response.status, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="tracerd"')
            assert TOKEN.encode() not in body


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        (TOKEN, 0o604, "every user may read it"),
        (TOKEN, 0o602, "every user may write it"),
        ("short", 0o600, "a token of fewer than 32 characters"),
        ("# none\n\n", 0o600, "has no token"),
        (None, 0o600, "cannot be read: No such file"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_bad_token_file_keeps_the_port_closed(tmp_path: Path, text: str | None, mode: int, sentence: str) -> None:
    """It can be served once the file is right."""
    file = tmp_path / "tokens"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    exporter = Prometheus(Section(token_file=file).model_copy(update={"listen": "127.0.0.1:0"}), collect)
    with pytest.raises(ExportError, match=sentence):
        exporter.serve(moment)
    assert exporter.port == 0
    file.write_text(TOKEN)
    file.chmod(0o600)
    exporter.serve(moment)
    assert ask(exporter)[0].status == 401
    exporter.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a certificate for localhost and its key."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    return {"certificate": certificate, "key": key}


def test_with_a_certificate_there_is_only_tls(tls: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain request and a handshake that is never begun are closed, and counted."""
    with serving(**tls) as exporter:
        trusted = ssl.create_default_context(cafile=tls["certificate"])
        client = HTTPSConnection("127.0.0.1", exporter.port, timeout=10, context=trusted)
        client.request("GET", "/metrics")
        assert b"calls_total" in client.getresponse().read()
        client.close()
        monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.4)
        with plain(exporter, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") as clear, plain(exporter) as silent:
            assert b"HTTP" not in read(clear) + read(silent)
        wait_for(lambda: sum(exporter.statistics()[name] for name in ("failed_handshakes", "timed_out")) == 2)


@pytest.mark.parametrize("which", ["certificate", "key"])
def test_a_bad_certificate_keeps_the_port_closed(tmp_path: Path, tls: dict[str, Path], which: str) -> None:
    wrong = tmp_path / "wrong.pem"
    for text in (None, "no PEM"):
        if text:
            wrong.write_text(text)
        exporter = Prometheus(Section(**tls | {which: wrong}), collect)
        with pytest.raises(ExportError, match="certificate or key cannot be used"):
            exporter.serve(moment)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9464", 200), ("localhost", 200), ("[::1]:9464", 200), ("LOCALHOST:1", 200),
        ("evil.example", 403), ("evil.example:9464", 403), ("127.0.0.1.evil.example", 403), ("", 403),
    ],
)  # fmt: skip
def test_a_port_for_this_machine_answers_to_its_names_only(host: str, status: int) -> None:
    """A page in a browser here may have its own name lead to this port; it gets nothing."""
    with serving() as exporter:
        response, body = ask(exporter, Host=host)
    assert response.status == status
    assert (b"local names only" in body) == (status == 403)


def test_with_a_token_any_name_will_do(tmp_path: Path) -> None:
    """Who has it may ask."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with serving(token_file=file) as exporter:
        assert ask(exporter, Host="evil.example", Authorization=f"Bearer {TOKEN}")[0].status == 200
