"""The socket: made safely, never another's, gone afterwards; TCP only with token and TLS."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.api.serving import audit, serving, until
from tests.self_signed import make_certificate
from tracerd.daemon.api.settings import ControlSettings
from tracerd.daemon.api.unix_socket import UnixSocket
from tracerd.daemon.client import connect, connect_tls
from tracerd.errors import ConfigError, NotPermitted, RunError

TOKEN, READ_TOKEN = "t" * 40, "r" * 40


def test_the_socket_has_its_mode_and_is_gone_after_the_stop(tmp_path: Path) -> None:
    """660 by default, whatever the umask says."""
    before = os.umask(0)
    try:
        with serving(tmp_path) as served:
            about = served.path.lstat()
            assert stat.S_ISSOCK(about.st_mode)
            assert stat.S_IMODE(about.st_mode) == 0o660
        assert not served.path.exists()
    finally:
        os.umask(before)


def test_nobody_can_connect_before_the_permissions_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the file gets its mode it is still the owner's alone, and it does not listen yet."""
    seen = []
    chmod = Path.chmod

    def look(path: Path, mode: int) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            seen.append((stat.S_IMODE(path.stat().st_mode), probe.connect_ex(str(tmp_path / "s"))))
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", look)
    before = os.umask(0)
    try:
        made = UnixSocket.bind(ControlSettings(tmp_path / "s", socket_mode=0o666))
    finally:
        os.umask(before)
    made.remove()
    assert seen == [(0o600, 111)]


def test_a_link_in_the_sockets_place_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has the folder exchanges the file between its making and its mode: what the link leads to stays as it is."""
    victim, path = tmp_path / "victim", tmp_path / "s"
    victim.touch(0o600)
    bind = socket.socket.bind

    def exchanged(made: socket.socket, address: str) -> None:
        bind(made, address)
        path.unlink()
        path.symlink_to(victim)

    monkeypatch.setattr(socket.socket, "bind", exchanged)
    with pytest.raises(RunError, match="was replaced"):
        UnixSocket.bind(ControlSettings(path, socket_mode=0o666))
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600


def test_a_dead_daemons_socket_is_replaced(tmp_path: Path) -> None:
    """After kill -9 its file is left, and nobody answers there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "control.sock"))
    with serving(tmp_path) as served, served.client() as client:
        assert client.status()


def test_a_live_daemons_socket_is_left_alone(tmp_path: Path) -> None:
    """The second one says so and ends; the first goes on."""
    with serving(tmp_path) as first, first.client() as client:
        with pytest.raises(RunError, match="another tracerd daemon answers there"), serving(tmp_path):
            pass
        assert client.status()
    assert not first.path.exists()


def test_of_many_that_start_at_once_one_serves(tmp_path: Path) -> None:
    """A dead socket lies there: whoever comes second must not take the first one's for dead."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "s"))
    settings, made, refused = ControlSettings(tmp_path / "s"), [], []

    def start() -> None:
        try:
            made.append(UnixSocket.bind(settings))
        except RunError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 7)
    made[0].remove()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A file, or a link to anything."""
    target = tmp_path / "precious"
    target.write_text("kept")
    (tmp_path / "link").symlink_to(target)
    for name in ("precious", "link"):
        with pytest.raises(RunError, match="is no socket, so it is left alone"):
            UnixSocket.bind(ControlSettings(tmp_path / name))
    assert target.read_text() == "kept"


def test_a_successors_socket_is_not_removed_at_the_end(tmp_path: Path) -> None:
    """Only the file that was made is removed."""
    made = UnixSocket.bind(ControlSettings(tmp_path / "s"))
    (tmp_path / "s").unlink()
    (tmp_path / "s").write_text("another's")
    made.remove()
    assert (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("mode", "owner", "sentence"), [(0o777, 0, "others may write in"), (0o755, 61001, "belongs to uid 61001")]
)
def test_a_folder_where_others_can_replace_the_socket_is_refused(
    tmp_path: Path, mode: int, owner: int, sentence: str
) -> None:
    """Clients of the socket would talk to whoever put his there."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "f"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, owner, -1)
    with pytest.raises(ConfigError, match=sentence):
        UnixSocket.bind(ControlSettings(folder / "s"))


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    """With the limit in the sentence."""
    with pytest.raises(ConfigError, match="longer than a socket's 107 bytes"):
        UnixSocket.bind(ControlSettings(tmp_path / ("x" * 107)))
    with pytest.raises(ConfigError, match="there is no group 'no-such-group'"):
        UnixSocket.bind(ControlSettings(tmp_path / "s", socket_group="no-such-group"))


def test_no_daemon_is_one_sentence_with_the_way_out(tmp_path: Path) -> None:
    """No file, or a file that nobody listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "dead"))
    for name in ("dead", "none"):
        with pytest.raises(RunError) as caught:
            connect(tmp_path / name).status()
        assert str(caught.value) == f"no tracerd daemon answers at {tmp_path / name}; start one with `tracerd serve`"


def test_a_socket_that_is_closed_to_this_user_says_how_to_get_in(tmp_path: Path) -> None:
    """NotPermitted, so the command exits with 3."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with serving(tmp_path) as served:
        program = (
            "import os, sys, pathlib; from tracerd.daemon.client import connect; from tracerd import errors\n"
            "os.setresuid(61001, 61001, 61001)\n"
            "try: connect(pathlib.Path(sys.argv[1])).status()\n"
            "except errors.NotPermitted as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", program, served.path], capture_output=True, text=True, check=True)
    assert "not permitted; ask as root, or have your group named" in done.stdout


def test_a_client_goes_on_after_the_daemon_was_started_anew(tmp_path: Path) -> None:
    """Reading opens a new connection by itself."""
    with serving(tmp_path) as served:
        client = served.client()
        assert client.status()
    with pytest.raises(RunError, match="no tracerd daemon answers"):
        client.status()
    with serving(tmp_path), client:
        assert client.status()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return a certificate for localhost, its key and a token file."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder)
    (folder / "token").touch(0o600)
    (folder / "token").write_text(f"admin {TOKEN}\nread {READ_TOKEN}\n")
    return {
        "tcp_listen": "127.0.0.1:0", "tcp_token_file": folder / "token", "tcp_certificate": certificate,
        "tcp_key": key,
    }


def test_tcp_gives_the_tokens_role_and_the_audit_log_the_address(tmp_path: Path, tls: dict[str, Any]) -> None:
    """A wrong token gets nothing, not even health."""
    with serving(tmp_path, **tls) as served, audit() as records:
        address, certificate = f"127.0.0.1:{served.server.tcp_port}", tls["tcp_certificate"]
        with connect_tls(address, TOKEN, certificate) as admin, connect_tls(address, READ_TOKEN, certificate) as reader:
            assert admin.programs() == reader.programs()
            assert next(reader.moments(1.0)).probes
            served.host.printed.add(["a line"])
            assert next(reader.printed()).line == "a line"
            assert (admin.look().role, reader.look().role) == ("admin", "read")
            admin.reload()
            with pytest.raises(NotPermitted, match="which this token has not"):
                reader.reload()
        with connect_tls(address, "w" * 40, certificate) as wrong:
            for ask in (wrong.ready, wrong.status, wrong.reload):
                with pytest.raises(NotPermitted, match="no token or a wrong one"):
                    ask()
        assert [(each["transport"], each["address"], each["status"]) for each in records.fields] == [
            ("tcp", "127.0.0.1", 200), ("tcp", "127.0.0.1", 403), ("tcp", "127.0.0.1", 401),
        ]


def test_tcp_speaks_no_old_tls_and_nothing_in_the_clear(tmp_path: Path, tls: dict[str, Any]) -> None:
    """TLS 1.1 is refused; a plain request gets no answer."""
    with serving(tmp_path, **tls) as served:
        port = served.server.tcp_port
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="deprecated"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises((ssl.SSLError, OSError)):
            old.wrap_socket(plain)
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.settimeout(10)
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            with suppress(ConnectionResetError):
                assert b"HTTP" not in plain.recv(1000)
        with served.client() as client:
            assert client.ready()[0]


def test_half_open_handshakes_take_places_and_lose_them(
    tmp_path: Path, tls: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever connects and says nothing holds no more than half of the places, and not for long."""
    monkeypatch.setattr("tracerd.daemon.api.tls_gate.HANDSHAKE_SECONDS", 1.0)
    with serving(tmp_path, connections=20, **tls) as served:
        held = [socket.create_connection(("127.0.0.1", served.server.tcp_port)) for _ in range(100)]
        until(lambda: served.statistics()["refused"].get("connections", 0) == 90)
        assert served.statistics()["connections"] == 10
        until(lambda: served.statistics()["connections"] == 0)
        assert served.statistics()["refused"]["handshakes"] == 10
        with connect_tls(f"127.0.0.1:{served.server.tcp_port}", TOKEN, tls["tcp_certificate"]) as client:
            assert client.status()
        for each in held:
            each.close()


@pytest.mark.parametrize("missing", ["tcp_token_file", "tcp_certificate", "tcp_key"])
def test_tcp_without_token_or_tls_is_refused(tmp_path: Path, tls: dict[str, Any], missing: str) -> None:
    """And then there is no socket either: nothing serves half."""
    refused = pytest.raises(ConfigError, match="only with token_file, certificate and key")
    with refused, serving(tmp_path, **{**tls, missing: None}):
        pass
    assert not (tmp_path / "control.sock").exists()


@pytest.mark.parametrize("listen", ["localhost", "x:y", "x:99999", ":"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, tls: dict[str, Any], listen: str) -> None:
    """With the form it should have."""
    with pytest.raises(ConfigError, match="is no HOST:PORT"), serving(tmp_path, **{**tls, "tcp_listen": listen}):
        pass
