"""Who may ask for what: as the kernel says who it is, as the lists say what he may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.api.serving import Serving, audit, serving
from tracerd.daemon.api.access import AccessList, Credentials, Tokens
from tracerd.daemon.api.settings import ControlSettings
from tracerd.daemon.api.tokens import read_tokens
from tracerd.errors import ConfigError

STRANGER, READER, ADMIN, GROUP = 61001, 61002, 61003, 61004
"""Numbers that no user of this machine has."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")

_CHILD = """
import json, os, sys
uid, groups, method, path, body, socket = json.loads(sys.argv[1])
import http.client, socket as sockets
connection = http.client.HTTPConnection("localhost")
os.setgroups(groups); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
connection.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
try:
    connection.sock.connect(socket)
except OSError as error:
    print(json.dumps([type(error).__name__, None])); sys.exit()
connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
answer = connection.getresponse()
print(json.dumps([answer.status, json.loads(answer.read())]))
"""


def ask(
    served: Serving, uid: int, method: str, path: str, body: str | None = None, groups: tuple[int, ...] = ()
) -> Any:
    """Ask as another user, in a process of his own; return status and answer."""
    what = json.dumps([uid, groups, method, path, body, str(served.path)])
    done = subprocess.run([sys.executable, "-c", _CHILD, what], capture_output=True, text=True, check=True, timeout=30)
    return json.loads(done.stdout)


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """Return a folder that every user can reach."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    return tmp_path


ROLES = {"socket_mode": 0o666, "read_users": (READER,), "admin_users": (ADMIN,), "admin_groups": (GROUP,)}


@needs_root
def test_the_kernels_word_decides_the_role(open_folder: Path) -> None:
    """Strangers learn that the daemon lives, readers read, administrators and members of their group do everything."""
    load = '{"name": "syscalls"}'
    with serving(open_folder, **ROLES) as served:
        assert ask(served, STRANGER, "GET", "/healthz")[0] == 200
        assert ask(served, STRANGER, "GET", "/v1/status")[0] == 403
        assert ask(served, STRANGER, "GET", "/v1/openapi.json")[0] == 403
        assert ask(served, READER, "GET", "/v1/status")[0] == 200
        assert ask(served, READER, "POST", "/v1/probes", load)[0] == 403
        assert ask(served, READER, "POST", "/v1/reload")[0] == 403
        assert served.host.asked == []
        assert ask(served, ADMIN, "POST", "/v1/probes", load)[0] == 201
        assert ask(served, STRANGER, "POST", "/v1/probes", load, groups=(5, GROUP))[0] == 201


@needs_root
def test_a_stranger_is_not_told_why_the_daemon_is_not_ready(open_folder: Path) -> None:
    """Reasons name files and probes: they are for readers."""
    with serving(open_folder, **ROLES) as served:
        served.health = (True, False, ["/etc/tracerd/secret.toml is wrong"])
        assert ask(served, STRANGER, "GET", "/readyz") == [503, {"ok": False, "reasons": []}]
        assert ask(served, READER, "GET", "/readyz")[1]["reasons"]


@needs_root
def test_the_sockets_permissions_come_first(open_folder: Path) -> None:
    """With the default mode a user who is not of its group cannot even connect."""
    with serving(open_folder) as served:
        assert ask(served, STRANGER, "GET", "/healthz")[0] == "PermissionError"
    with serving(open_folder, socket_group="root") as served:
        assert ask(served, STRANGER, "GET", "/healthz", groups=(0,))[0] == 200


@needs_root
def test_a_refused_change_is_an_audit_record_that_says_who(open_folder: Path) -> None:
    """The kernel's numbers, not the peer's word."""
    with serving(open_folder, **ROLES) as served, audit() as records:
        assert ask(served, READER, "DELETE", "/v1/pins/kept")[0] == 403
        (fields,) = records.fields
        assert (fields["action"], fields["outcome"], fields["status"]) == ("map.unpin", "refused", 403)
        assert (fields["uid"], fields["gid"], fields["role"]) == (READER, READER, "read")
        assert fields["target"] == {"name": "kept"}
        assert fields["pid"] > 0


def credentials(uid: int, *groups: int) -> Credentials:
    """Return a peer's credentials."""
    return Credentials(1, uid, uid, frozenset((uid, *groups)))


@pytest.mark.parametrize(
    ("who", "role"),
    [
        (credentials(0), "admin"),
        (credentials(os.geteuid()), "admin"),
        (credentials(STRANGER), None),
        (credentials(STRANGER, 70), "read"),
        (credentials(READER), "read"),
        (credentials(READER, GROUP), "admin"),
        (credentials(ADMIN), "admin"),
    ],
)
def test_the_best_role_of_user_and_groups_counts(who: Credentials, role: str | None) -> None:
    """Root and the daemon's own user always are administrators."""
    lists: dict[str, Any] = {
        "read_users": (READER,), "read_groups": (70,), "admin_users": (ADMIN,), "admin_groups": (GROUP,),
    }
    assert AccessList(ControlSettings(Path("x"), **lists)).peer(who).role == role


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        ({"read_users": ("nobody-of-this-name",)}, "there is no user 'nobody-of-this-name'"),
        ({"admin_groups": ("no-such-group",)}, "there is no group 'no-such-group'"),
        ({"admin_users": (65534,)}, "stands for every user the kernel has no number for"),
    ],
)
def test_a_list_with_a_wrong_name_is_refused_at_the_start(lists: dict[str, Any], sentence: str) -> None:
    """Not when somebody asks: then it would be an open or a closed door that nobody wanted."""
    with pytest.raises(ConfigError, match=sentence):
        AccessList(ControlSettings(Path("x"), **lists))


SECRET, OTHER = "a" * 40, "b" * 40


def test_tokens_give_the_role_of_their_line(tmp_path: Path) -> None:
    """"read TOKEN" reads, a bare token is the administrator's; nothing else is let in."""
    path = tmp_path / "tokens"
    path.touch(mode=0o600)
    path.write_text(f"# for the dashboard\nread {SECRET}\n\n{OTHER}\n")
    tokens = read_tokens(path)
    assert tokens.role(f"Bearer {SECRET}") == "read"
    assert tokens.role(f"bearer {OTHER}") == "admin"
    for wrong in ("", "Bearer", "Bearer ", f"Basic {SECRET}", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", "Bearer é"):
        assert tokens.role(wrong) is None
    assert Tokens(()).role("Bearer ") is None


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        (SECRET, 0o644, "others may read it"),
        ("short", 0o600, "fewer than 32 characters"),
        ("", 0o600, "has no token"),
        (f"write {SECRET}", 0o600, "a line is"),
        ("\udcff", 0o600, "is not text"),
    ],
)
def test_a_token_file_that_is_no_secret_is_refused(tmp_path: Path, text: str, mode: int, sentence: str) -> None:
    """Readable by others, too short, empty, not understood."""
    path = tmp_path / "tokens"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(mode)
    with pytest.raises(ConfigError, match=sentence):
        read_tokens(path)


def test_a_token_file_is_no_link_and_no_pipe(tmp_path: Path) -> None:
    """A link could name any file that the daemon can read; a pipe would hang it."""
    (tmp_path / "real").touch(mode=0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(tmp_path / "link")
    with pytest.raises(ConfigError, match="is no plain file"):
        read_tokens(tmp_path / "pipe")
