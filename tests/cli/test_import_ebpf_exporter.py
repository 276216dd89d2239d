"""`tracerd import-ebpf-exporter`: what it writes beside an object, what it says, and how it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tracerd.cli.import_ebpf_exporter import command
from tracerd.config import read_probe
from tracerd.elf.load import load
from tracerd.errors import ConfigError, ObjectError, RunError
from tracerd.views.signals import resolve

ROOT = Path(__file__).parents[2]
SYSCALLS = ROOT / "probes" / "syscalls" / "syscalls.bpf.o"
XDP = ROOT / "tests" / "elf" / "objects" / "linked.bpf.o"
CO_RE = ROOT / "tests" / "elf" / "objects" / "refused_core.bpf.o"

CONFIG = """
metrics:
  counters:
    - name: calls
      help: System calls
      labels:
        - { name: pid, size: 4, decoders: [{ name: uint }] }
        - { name: syscall, size: 4, decoders: [{ name: uint }, { name: syscall }, { name: regexp, regexps: [^open] }] }
kaddrs: [jiffies]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with its object beside it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SYSCALLS, tmp_path / "calls.bpf.o")
    path = tmp_path / "calls.yaml"
    path.write_text(CONFIG)
    return path


def run(*arguments: str | Path) -> Result:
    """Call the command; its errors come out."""
    return CliRunner().invoke(command, [str(each) for each in arguments], standalone_mode=False)


def test_a_probe_is_made_that_loads_with_its_object(config: Path) -> None:
    """Metrics over the object's fields, programs where their sections say."""
    done = run(config)
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "- kaddrs is left out; no kernel memory is read here", "made calls/probe.toml with 1 metric",
    ]  # fmt: skip
    probe = read_probe(Path("calls/probe.toml"))
    assert probe.object.resolve() == config.with_name("calls.bpf.o")
    assert dict(probe.attach)["on_enter"] == "tracepoint:raw_syscalls:sys_enter"
    spec = load(probe.object)
    (metric,) = resolve(probe.signals, spec.maps, (), spec.btf).signals.metrics
    assert (metric.name, metric.value) == ("ebpf_exporter_calls", "value.count")
    assert [(each.source, each.decode, each.match) for each in metric.attributes] == [
        ("key.pid", (), ""), ("key.syscall", ("syscall",), "(?:^open)"),
    ]  # fmt: skip


def test_json_has_what_was_made_and_what_was_not(config: Path) -> None:
    """One document."""
    done = run(config, "--json", "-o", "out")
    assert json.loads(done.stdout) == {
        "probe": "out/probe.toml", "metrics": 1, "left_out": ["kaddrs is left out; no kernel memory is read here"],
    }  # fmt: skip


def test_without_its_object_a_probe_is_made_of_names(config: Path) -> None:
    """And that is said first, in the file too."""
    config.with_name("calls.bpf.o").unlink()
    done = run(config)
    assert done.exit_code == 0
    assert "without an object the labels' names stand for the fields of the key" in done.output.splitlines()[0]
    text = Path("calls/probe.toml").read_text()
    assert text.splitlines()[0] == f"# {done.output.splitlines()[0][2:]}"
    assert [each.source for each in read_probe(Path("calls/probe.toml")).signals.metrics[0].attributes] == [
        "pid", "syscall",
    ]  # fmt: skip


def test_an_object_that_cannot_run_here_is_told(config: Path) -> None:
    """One that reads kernel structs; if it was asked for, that is the error."""
    shutil.copy(CO_RE, config.with_name("calls.bpf.o"))
    assert "CO-RE" in run(config).output.splitlines()[0]
    assert isinstance(run(config, "--object", CO_RE, "-o", "again").exception, ObjectError)


def test_programs_without_events_here_are_told(config: Path) -> None:
    """The others are attached."""
    config.write_text(CONFIG.replace("name: calls", "name: counts").replace("syscall, size: 4", "comm, size: 16"))
    done = run(config, "--object", XDP)
    assert "- program 'first' is not attached: there are no events for 'xdp' here" in done.output
    assert read_probe(Path("calls/probe.toml")).attach == (("third", "tracepoint:sched:sched_switch"),)


def test_nothing_to_take_over_is_a_failure(config: Path) -> None:
    """Nothing is written, and the reasons are told."""
    config.write_text("metrics: { counters: [{ name: nope }] }")
    done = run(config)
    assert done.exit_code == 1
    assert "counter 'nope' is left out: the object has no map 'nope'" in done.output
    assert json.loads(run(config, "--json").stdout)["probe"] is None
    assert not Path("calls").exists()


def test_a_probe_that_is_there_is_left_alone(config: Path) -> None:
    """It may have been changed by hand."""
    run(config)
    assert isinstance(run(config).exception, RunError)


def test_what_is_no_configuration_is_refused(config: Path) -> None:
    """Before anything is written."""
    config.write_text("programs: []")
    assert isinstance(run(config).exception, ConfigError)
    assert isinstance(run("missing.yaml").exception, ConfigError)


@pytest.mark.parametrize(("name", "expected"), [("tcp listen-drops", "tcp_listen-drops"), ("4xx", "_4xx")])
def test_the_probe_has_a_name_that_probes_may_have(config: Path, name: str, expected: str) -> None:
    """Files may be called anything."""
    other = config.rename(config.with_name(f"{name}.yaml"))
    run(other, "--object", SYSCALLS)
    assert read_probe(Path(name) / "probe.toml").name == expected


def test_it_is_a_command_of_tracerd(config: Path) -> None:
    """By its name, and with its exit code for a mistake."""
    called = [sys.executable, "-m", "tracerd.cli", "import-ebpf-exporter"]
    done = subprocess.run([*called, config.name], capture_output=True, text=True, check=False, timeout=60,
                          env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    again = subprocess.run([*called, config.name], capture_output=True, text=True, check=False, timeout=60,
                           env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert (again.returncode, again.stderr.splitlines()) == (
        1, ["tracerd: calls/probe.toml: exists already and is left alone; take another folder with -o"],
    )  # fmt: skip
