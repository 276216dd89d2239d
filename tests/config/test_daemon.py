"""tracerd.toml: what is accepted, what is refused, and how a mistake is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracerd.config import daemon
from tracerd.config.daemon import DaemonConfig, changed_keys, exporter_kind, parse_config, read_config
from tracerd.errors import ConfigError

FULL = """
state_dir = "/srv/state"
probes = ["syscalls", "probes.d/*.toml"]
code_integrity = "enforce"
[control]
socket = "/run/t.sock"
mode = "0600"
group = "tracers"
[control.tcp]
listen = "[::1]:8443"
token_file = "/etc/t/token"
certificate = "/etc/t/cert.pem"
key = "/etc/t/key.pem"
[access]
read = { users = ["ann", 1000], groups = ["staff"] }
admin = { groups = [4] }
[limits]
request_bytes = "1MiB"
[sources.perf]
pages = 64
window = "250us"
[sources.polling]
interval = "5s"
[log]
format = "json"
[exporters.jsonl]
path = "/var/log/t.jsonl"
[exporters.second]
kind = "jsonl"
"""


def test_no_file_is_a_daemon_that_attaches_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default file need not be there; then all is by default."""
    monkeypatch.setattr(daemon, "DEFAULT_FILE", tmp_path / "none.toml")
    config = read_config(None)
    assert (config.probes, config.path, config.control.tcp.listen) == ((), None, "")


def test_a_default_file_that_leads_nowhere_is_a_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A dangling link is not the absence of a file: somebody meant something."""
    (tmp_path / "tracerd.toml").symlink_to(tmp_path / "none")
    monkeypatch.setattr(daemon, "DEFAULT_FILE", tmp_path / "tracerd.toml")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(None)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """A mistyped --config is an error, not a daemon without probes."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "none.toml")


def test_every_section_is_read_into_plain_numbers(tmp_path: Path) -> None:
    """Lengths of time are seconds, sizes bytes, modes bits; the exporters' sections stay as they are."""
    path = tmp_path / "tracerd.toml"
    path.write_text(FULL)
    config = read_config(path)
    assert (config.control.mode, config.limits.request_bytes) == (0o600, 1 << 20)
    assert (config.sources.perf.window, config.sources.polling.interval) == (250e-6, 5.0)
    assert config.access.read.users == ("ann", 1000)
    assert config.access.admin.groups == (4,)
    assert config.exporters["jsonl"] == {"path": "/var/log/t.jsonl"}
    assert (config.folder, config.where) == (tmp_path, str(path))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('state_dri = "/x"', "unknown key 'state_dri'; did you mean 'state_dir'?"),
        ("[controll]", "did you mean 'control'?"),
        ("[control.tpc]", "unknown key 'tpc'; did you mean 'tcp'?"),
        ('[access.read]\nuser = ["ann"]', "did you mean 'users'?"),
        ("[sources.polling]\nintervall = '5s'", "did you mean 'interval'?"),
        ("[sources.polling]\ninterval = 5", "5 is not a length of time, such as '10s'"),
        ("[sources.polling]\ninterval = '1ms'", "'1ms' is not from 10ms to 1h"),
        ("[sources.polling]\nshare = nan", "share"),
        ("[limits]\nrequest_bytes = '1TB'", "'1TB' is not a size, such as '64MiB'"),
        ("[limits]\nrequest_bytes = '0.5B'", "is not a size"),
        ("[limits]\nrequest_bytes = 12", "12 is not from 64KiB to 256MiB"),
        ("[limits]\nprobes = true", "probes"),
        ("[sources.perf]\npages = 1000", "1000 is not a power of two"),
        ("[control]\nmode = 660", "660 is no file mode in quotes, such as '0660'"),
        ("[control]\nmode = '0999'", "is no file mode"),
        ("[control]\nsocket = 'run/t.sock'", "must be an absolute path"),
        ("[control.tcp]\nlisten = '0.0.0.0:443'", "only with a token and TLS; not given: token_file, certificate, key"),
        ("[control.tcp]\nlisten = '0.0.0.0:0'", "is not HOST:PORT"),
        ("[access.read]\nusers = [-1]", "-1 is neither a name nor a number"),
        ("[access.read]\nusers = [true]", "True is neither a name nor a number"),
        ("[exporters.'../evil']", "exporters"),
        ("[log]\nformat = 'xml'", "'auto', 'console' or 'json'"),
        ("probes = 'syscalls'", "probes: must be a list: probes = ['syscalls']"),
        ("probes = [1]", "probes.0: must be text in quotes, not 1"),
        ("[log]\nlevel = 'loud'", "log.level: must be 'debug', 'info', 'warning' or 'error', not 'loud'"),
        ("log = 5", "log: must be a table, [log], not 5"),
        ("[limits]\nprobes = 1001", "must be at most 1000, not 1001"),
        ("[limits]\nverify_seconds = 0", "must be at least 0.1, not 0"),
        ("[sources.perf]\ninclude_self = 'yes'", "must be true or false, not 'yes'"),
        ("state_dir = 5", "must be a path in quotes, not 5"),
        ("[control]\ngroup = [1]", "must be text in quotes, not a list"),
        ("[control]\ngroup = 1979-05-27", "must be text in quotes, not a date or time"),
        ("[exporters.'../evil']\na = 1", "exporters: '../evil' is no name: a letter or _"),
        ("state_dir = \"/x\n\"", "a text's closing quote is missing on its line (at line 1, column 16)"),
        ("state_dir = '/x", "a text's closing quote is missing (at end of document)"),
        ("probes = syscalls", "a value is missing, or is text without quotes (at line 1, column 10)"),
        ("probes = []\nprobes = []", "a key is given twice"),
        ("[log]\n[log]", "a table is given twice (at line 2"),
        ("[probes", "is not TOML"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "1" * 5000, "is not TOML"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_key_and_the_way_out(text: str, sentence: str) -> None:
    """Nothing is guessed and nothing ignored."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "tracerd.toml")
    told = str(caught.value)
    assert told.startswith("tracerd.toml")
    assert sentence in told
    assert "\n" not in told.replace("(at", "")


def test_two_exporters_of_a_kind_have_names_of_their_own() -> None:
    """`kind` says what a section configures; without it, its name does."""
    config = parse_config(FULL, "tracerd.toml")
    assert exporter_kind("jsonl", config.exporters["jsonl"], "w") == ("jsonl", {"path": "/var/log/t.jsonl"})
    assert exporter_kind("second", config.exporters["second"], "w") == ("jsonl", {})
    with pytest.raises(ConfigError, match=r"exporters\.x\.kind"):
        exporter_kind("x", {"kind": 3}, "w")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no user ids here")
@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_a_file_that_everybody_may_write_is_not_used(tmp_path: Path, mode: int) -> None:
    """What tells a privileged process what to do belongs to root or to whoever runs it."""
    path = tmp_path / "tracerd.toml"
    path.write_text("")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"every user may write it \(mode 0.*chmod go-w"):
        read_config(path)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="needs root to give a file away")
def test_a_file_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """Nor a file whose owner could change it at any time."""
    path = tmp_path / "tracerd.toml"
    path.write_text("")
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="it belongs to user 12345"):
        read_config(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.timeout(20)
def test_a_fifo_does_not_hold_the_daemon(tmp_path: Path) -> None:
    """What is not a regular file is refused at once."""
    path = tmp_path / "tracerd.toml"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_config(path)


def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    """No more than a configuration's worth is read."""
    path = tmp_path / "tracerd.toml"
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_config(path)


def test_defaults_are_valid_values() -> None:
    """What a model assumes would also be accepted if somebody wrote it."""
    assert parse_config("", "w").model_dump() == DaemonConfig().model_dump()


def test_what_differs_is_named_as_one_writes_it() -> None:
    """The key itself, not only its section."""
    before, after = DaemonConfig(), parse_config(FULL, "t.toml")
    found = [key for name in ("state_dir", "code_integrity", "sources") for key in changed_keys(before, after, name)]
    assert found == [
        "state_dir", "code_integrity", "sources.perf.pages", "sources.perf.window", "sources.polling.interval",
    ]
    assert changed_keys(after, after, "sources") == []
