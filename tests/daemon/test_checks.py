"""`tracerd check`: every kind of trouble is one finding with its way out, and nothing is changed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sources.live import need_live_events
from tracerd.config.daemon import parse_config
from tracerd.daemon import check_user
from tracerd.daemon.checks import check, verdict
from tracerd.daemon.finding import Finding
from tracerd.daemon.layouts import differences
from tracerd.daemon.state import StateDir
from tracerd.elf.load import load
from tracerd.linux.reach import first_closed
from tracerd.linux.users import Account
from tracerd.sources.schema.tracefs import TracepointField, TracepointFormat

ROOT = Path(__file__).parents[2]
root = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="needs root to give files away")


def findings(folder: Path, text: str = "") -> list[Finding]:
    """Check a configuration that leaves this machine's own directories alone."""
    path = folder / "tracerd.toml"
    own = f'state_dir = "{folder}/state"\n'
    path.write_text(f'{own}{text}\n[control]\nsocket = "{folder}/run/control.sock"\n')
    return list(check(path))


def problems(folder: Path, text: str = "") -> list[Finding]:
    return [finding for finding in findings(folder, text) if finding.state == "problem"]


def test_an_empty_configuration_has_no_problem_and_nothing_is_made(tmp_path: Path) -> None:
    """What is not there yet is said to be made later, not made."""
    found = findings(tmp_path)
    assert verdict(found) == 0
    assert any("attaches nothing" in finding.said for finding in found if finding.state == "note")
    assert [path.name for path in tmp_path.iterdir()] == ["tracerd.toml"]


@pytest.mark.xdist_group("perf")
def test_a_good_probe_is_followed_from_its_file_to_its_events(tmp_path: Path) -> None:
    """File, object, maps, each proof, each attach point, and the rings."""
    need_live_events()
    found = findings(tmp_path, 'probes = ["syscalls", "host"]')
    assert verdict(found) == 0
    checks = {finding.check for finding in found if finding.state == "ok"}
    assert {"configuration", "probes", "object", "maps", "proof", "attach", "live events", "engine"} <= checks
    subjects = [finding.subject for finding in found if finding.check == "proof"]
    assert {"syscalls/on_enter", "syscalls/on_exit", "host/on_sample"} <= set(subjects)


def test_a_wrong_configuration_is_the_only_finding(tmp_path: Path) -> None:
    """There is nothing else to check then; the verdict is 2."""
    found = findings(tmp_path, "probs = []")
    assert [finding.check for finding in found] == ["configuration"]
    assert "did you mean 'probes'?" in found[0].said
    assert verdict(found) == 2


def copied_probe(folder: Path, name: str = "syscalls") -> Path:
    """A copy of a shipped probe's folder; its probe.toml."""
    shutil.copytree(ROOT / "probes" / name, folder / name)
    return folder / name / "probe.toml"


@pytest.mark.parametrize(
    ("old", "new", "check_name", "sentence"),
    [
        ("syscall:*:enter", "syscall:*:entry", "attach", "did you mean 'syscall:*:enter'?"),
        ("tracepoint:sched:sched_process_exit", "tracepoint:sched:sched_process_exits", "attach", "no such tracepoint"),
        ("syscall:*:enter", "process:start", "attach", "is of type tracepoint"),
        ("syscall:*:enter", "etw:Microsoft-Windows-Kernel-Process:ProcessStart", "attach", "not supported here"),
        ('"on_enter"', '"on_entr"', "proof", "has no program 'on_entr'"),
        ("syscalls.bpf.o", "README.md", "object", "is no ELF object file"),
        ('"key.syscall", decode = "syscall"', '"key.syscall", decode = "sycall"', "views", "unknown; valid:"),
        ('map  = "calls"\nsort', 'map  = "cals"\nsort', "views", "no map 'cals'"),
        ('name        = "syscalls"', 'name = "syscalls"\nengine = "native"', "engine", "no ahead-of-time modules"),
    ],
)
def test_a_mistake_in_a_probe_is_one_problem_and_the_rest_is_still_checked(
    tmp_path: Path, old: str, new: str, check_name: str, sentence: str
) -> None:
    """Each is found where it is; proofs of the other programs are made all the same."""
    need_live_events()
    path = copied_probe(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = findings(tmp_path, f'probes = ["{path}"]')
    wrong = [(finding.check, sentence in finding.said) for finding in found if finding.state == "problem"]
    assert wrong == [(check_name, True)]
    assert verdict(found) == 1
    if check_name != "object":
        assert sum(finding.check == "proof" and finding.state == "ok" for finding in found) >= 2


def test_a_wrong_probe_does_not_hide_the_others(tmp_path: Path) -> None:
    """Names, twins and limits are told beside what is fine."""
    (tmp_path / "d").mkdir()
    first, second = copied_probe(tmp_path / "d", "host"), tmp_path / "d" / "host" / "again.toml"
    shutil.copy(first, second)
    found = findings(tmp_path, 'probes = ["nope", "d/host/*.toml", "none/*.toml"]\n[limits]\nprobes = 1')
    told = {finding.subject: finding.said for finding in found if finding.state == "problem"}
    assert "unknown probe 'nope'" in told["nope"]
    assert "a probe named 'host' is already in" in " ".join(told.values())
    assert "limits.probes = 1 allows no more" in " ".join(told.values())
    assert any(finding.state == "note" and finding.subject == "none/*.toml" for finding in found)
    assert verdict(found) == 2


def test_maps_that_take_too_much_together_are_a_problem(tmp_path: Path) -> None:
    """With the limit to raise."""
    (wrong,) = problems(tmp_path, 'probes = ["host"]\n[limits]\nmap_memory_mb = 2')
    assert "limits.map_memory_mb = 2 allows no more" in wrong.said


def test_a_proof_that_fails_is_a_problem(tmp_path: Path) -> None:
    """In the verifier's own words."""
    source = ROOT / "tests" / "cli" / "objects" / "broken.bpf.o"
    (tmp_path / "b").mkdir()
    shutil.copy(source, tmp_path / "b" / "b.bpf.o")
    attach = '[[attach]]\nprogram = "past_the_end"\nsource = "begin"\n'
    (tmp_path / "b" / "probe.toml").write_text(f'[probe]\nname = "b"\nobject = "b.bpf.o"\n{attach}')
    told = problems(tmp_path, 'probes = ["b/"]')
    assert [finding.check for finding in told] == ["proof"]
    assert "needs" in told[0].said


@pytest.mark.parametrize(
    ("kind", "said"),
    [("link", "symbolic link"), ("file", "not a directory"), ("open", "written by others"), ("stranger", "belongs to")],
)
def test_a_state_directory_that_the_daemon_would_refuse_is_a_problem(tmp_path: Path, kind: str, said: str) -> None:
    """With the command that mends it."""
    state = tmp_path / "state"
    if kind == "link":
        state.symlink_to(tmp_path)
    elif kind == "file":
        state.write_text("")
    else:
        state.mkdir()
    if kind == "open":
        state.chmod(0o777)
    if kind == "stranger":
        if os.geteuid() != 0:
            pytest.skip("needs root to give a directory away")
        os.chown(state, 12345, -1)
    (wrong,) = problems(tmp_path)
    assert wrong.check == "state directory"
    assert said in wrong.said
    assert wrong.fix


def test_accounts_that_do_not_exist_are_problems(tmp_path: Path) -> None:
    """In access, for the socket and for the service; a number needs no name."""
    text = """
[access]
read = { users = ["no-such-user", 4242], groups = ["no-such-group"] }
[service]
user = "no-such-service"
"""
    told = [finding.said for finding in problems(tmp_path, text)]
    assert told == ["there is no such user", "there is no user 'no-such-user' on this machine",
                    "there is no group 'no-such-group' on this machine"]  # fmt: skip


def test_the_control_socket_s_place_is_looked_at(tmp_path: Path) -> None:
    """A file there, a living daemon, a dead one's, a path too long, a group that is not there."""
    place = tmp_path / "c.sock"
    text = f'[control]\nsocket = "{place}"\ngroup = "no-such-group"'
    config = tmp_path / "tracerd.toml"
    config.write_text(f'state_dir = "{tmp_path}/state"\n{text}')

    def said() -> list[tuple[str, str]]:
        return [(each.state, each.said) for each in check(config) if each.check == "control socket"]

    group = ("problem", "control.group: there is no such group")
    assert said() == [("ok", "is free"), group]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()
        assert said() == [("note", "a daemon answers there"), group]
    assert said()[0] == ("ok", "was left by a daemon that is gone, and will be replaced")
    place.unlink()
    place.write_text("")
    assert said()[0] == ("problem", "is there and is no socket")
    config.write_text(f'state_dir = "{tmp_path}/state"\n[control]\nsocket = "/{"x" * 120}"')
    assert "107 bytes" in said()[0][1]


def test_secrets_for_tcp_must_be_secrets(tmp_path: Path) -> None:
    """A short token, a key that everybody reads, a certificate that is none."""
    for name in ("token", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("short")
        (tmp_path / name).chmod(0o644)
    text = "".join(f'{key} = "{tmp_path}/{name}"\n' for key, name in
                   (("token_file", "token"), ("certificate", "cert.pem"), ("key", "key.pem")))  # fmt: skip
    found = problems(tmp_path, f'[control.tcp]\nlisten = "[::]:1"\n{text}')
    told = {(finding.subject, finding.said) for finding in found}
    assert (str(tmp_path / "key.pem"), "every user may read it") in told
    assert (str(tmp_path / "token"), f"others may read it; run: chmod 600 {tmp_path / 'token'}") in told
    assert any(subject == str(tmp_path / "cert.pem") and "cannot be used" in said for subject, said in told)


def test_numbers_that_stand_for_everybody_unknown_are_problems(tmp_path: Path) -> None:
    """By the key's name in the file, and as what they are."""
    found = problems(tmp_path, "[access]\nread = { users = [65534], groups = [65534] }\nadmin = { groups = [65534] }")
    assert [(each.subject, each.said.partition(" the kernel")[0]) for each in found] == [
        ("access.read.users", "65534 stands for every user"),
        ("access.read.groups", "65534 stands for every group"),
        ("access.admin.groups", "65534 stands for every group"),
    ]


@pytest.mark.parametrize(
    ("place", "said"), [("/proc/x/y", "its files are the kernel's"), ("OPEN/s", "cannot be in it")]
)
def test_a_place_where_no_state_directory_can_be_is_a_problem(tmp_path: Path, place: str, said: str) -> None:
    """/proc, whatever its mode says; a folder in which everybody may exchange it."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    path = tmp_path / "tracerd.toml"
    path.write_text(f'state_dir = "{place.replace("OPEN", str(tmp_path / "open"))}"\n'
                    f'[control]\nsocket = "{tmp_path}/c.sock"\n')  # fmt: skip
    (wrong,) = [each for each in check(path) if each.state == "problem"]
    assert wrong.check == "state directory"
    assert said in wrong.said


def test_a_state_directory_that_another_daemon_uses_is_a_problem(tmp_path: Path) -> None:
    """With its process; one that answers at this configuration's socket is the one that is meant."""
    with StateDir(tmp_path / "state") as state:
        assert problems(tmp_path) == []
        state.lock()
        (wrong,) = problems(tmp_path)
        assert f"a daemon uses it (pid {os.getpid()}), and it does not answer at control.socket" in wrong.said
        (tmp_path / "run").mkdir()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "run" / "control.sock"))
            server.listen()
            told = [(each.state, each.said) for each in findings(tmp_path) if "uses it" in each.said]
    assert told == [("note", f"a daemon uses it (pid {os.getpid()})")]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("link", "is a symbolic link"), ("nowhere", "is no directory"), ("fifo", "is not a regular file"),
     ("closed", "may not write in"), ("file", "may not write")],
)  # fmt: skip
def test_a_file_that_an_exporter_cannot_write_is_a_problem(tmp_path: Path, kind: str, said: str) -> None:
    """Before the daemon says so every ten seconds. A mode that does not let the owner write holds root, too."""
    folder = tmp_path / "out"
    file = folder / "t.jsonl"
    if kind != "nowhere":
        folder.mkdir()
    if kind == "link":
        file.symlink_to(tmp_path / "other")
    if kind == "fifo":
        os.mkfifo(file)
    if kind == "closed":
        folder.chmod(0o500)
    if kind == "file":
        file.write_text("")
        file.chmod(0o400)
    (wrong,) = problems(tmp_path, f'[exporters.jsonl]\npath = "{file}"')
    assert (wrong.check, wrong.subject) == ("exporters' files", "jsonl")
    assert said in wrong.said
    assert wrong.fix


def test_an_exporter_s_file_that_can_be_written_is_no_problem(tmp_path: Path) -> None:
    """There, not there yet, or standard output."""
    (tmp_path / "there").write_text("")
    for path in (tmp_path / "there", tmp_path / "not", "-"):
        assert problems(tmp_path, f'[exporters.jsonl]\npath = "{path}"') == []


@root
def test_a_service_user_who_cannot_run_the_interpreter_is_a_problem(tmp_path: Path) -> None:
    """The verifier has no capability that would let it in; the folder that is in the way is named."""
    tmp_path.chmod(0o700)
    (tmp_path / "python").write_text("")
    assert first_closed([tmp_path / "python"], Account(12345, 12345, ())) in (tmp_path, *tmp_path.parents)
    assert first_closed([Path("/etc/passwd")], Account(12345, 12345, ())) is None
    config = parse_config('[service]\nuser = "12345"', "w")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_user.sys, "executable", str(tmp_path / "python"))
        (wrong,) = check_user.check_user(config)
    assert wrong.state == "problem"
    assert "is closed to this user" in wrong.said
    assert "python3 -m venv /opt/tracerd" in wrong.fix


@pytest.mark.parametrize(
    ("listen", "who"),
    [("127.0.0.1:1", "programs of this machine"), ("[::1]:1", "programs of this machine"), ("[::]:1", "other machines"),
     ("localhost:1", "programs of this machine"), ("db.example:1", "other machines")],
)  # fmt: skip
def test_who_may_connect_over_tcp_is_said_as_it_is(tmp_path: Path, listen: str, who: str) -> None:
    """A loopback address is this machine's own."""
    names = "".join(f'{key} = "{tmp_path}/none"\n' for key in ("token_file", "certificate", "key"))
    found = findings(tmp_path, f'[control.tcp]\nlisten = "{listen}"\n{names}')
    assert [each.said for each in found if each.state == "note" and each.subject == listen] == [
        f"{who} may connect, with the token and TLS"
    ]


@root
def test_a_socket_that_a_user_may_not_connect_to_is_not_said_to_be_dead() -> None:
    """Nobody knows who answers there."""
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as server:
        folder = Path(name)
        folder.chmod(0o755)
        server.bind(str(folder / "c"))
        server.listen()
        (folder / "c").chmod(0o600)
        code = f"""
import os
from pathlib import Path
from tracerd.daemon.check_control import answers
print(answers(Path({str(folder / "c")!r})))
os.seteuid(12345)
print(answers(Path({str(folder / "c")!r})))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["True", "None"]


@root
def test_a_user_who_may_not_trace_gets_the_fix(tmp_path: Path) -> None:
    """The same configuration, checked without any privilege."""
    need_live_events()
    path = tmp_path / "tracerd.toml"
    path.write_text('state_dir = "/var/lib/tracerd-of-nobody"\nprobes = ["syscalls"]\n')
    tmp_path.chmod(0o755)
    command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", sys.executable, "-m", "tracerd.cli", "check"]
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    done = subprocess.run([*command, "--config", str(path)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "not permitted" in done.stdout
    assert "fix: run as root" in done.stdout
    assert "Traceback" not in done.stderr


@root
def test_a_user_who_may_not_even_look_gets_findings_not_a_traceback() -> None:
    """The state directory, the socket's and the probes' are closed to him; each is told."""
    with tempfile.TemporaryDirectory() as name:
        told = found_by_a_stranger(Path(name))
    assert told[0] == "problem state directory belongs to user 0"
    assert told[1] == "problem control socket Permission denied"
    assert told[2].endswith("may match nothing")


def found_by_a_stranger(folder: Path) -> list[str]:
    """The problems that user 12345 sees of a configuration whose directories are root's."""
    folder.chmod(0o755)
    for name in ("state", "run", "probes.d"):
        (folder / name).mkdir(mode=0o700)
    (folder / "state" / "pins").mkdir()
    path = folder / "tracerd.toml"
    path.write_text(
        f'state_dir = "{folder}/state"\nprobes = ["probes.d/x.toml"]\n[control]\nsocket = "{folder}/run/c"\n'
    )
    code = f"""
import os
from pathlib import Path
from tracerd.config.daemon import parse_config
from tracerd.daemon import check_user
from tracerd.daemon.checks import check
os.seteuid(12345)
for finding in check(Path({str(path)!r})):
    print(finding.state, finding.check, finding.said)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return [line for line in done.stdout.splitlines() if line.startswith("problem")]


def tracepoint(*fields: tuple[str, int, int]) -> TracepointFormat:
    made = tuple(TracepointField(name, "long", at, size, False, False, False, False) for name, at, size in fields)
    return TracepointFormat("raw_syscalls", "sys_enter", 1, made)


def test_a_field_that_moved_is_a_difference_and_other_names_are_not() -> None:
    """The object's `id` is at 8 with 8 bytes, `args` at 16 with 48; what only one side names says nothing."""
    spec = load(ROOT / "probes" / "syscalls" / "syscalls.bpf.o")
    assert differences(spec, "on_enter", tracepoint(("id", 8, 8), ("args", 16, 48), ("new", 64, 4))) == []
    moved = differences(spec, "on_enter", tracepoint(("id", 16, 8), ("args", 16, 40)))
    assert moved == [
        "'id' is at byte 16 with 8 bytes, the object has it at 8 with 8",
        "'args' is at byte 16 with 40 bytes, the object has it at 16 with 48",
    ]
    assert differences(replace(spec, btf=None), "on_enter", tracepoint(("id", 16, 8))) == []
