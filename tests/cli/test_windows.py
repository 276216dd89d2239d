"""Objects of eBPF for Windows on the command line and in scripts."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_commands import answer, tracerd
from tests.platforms.recordings import OBJECTS, payload, provider, versions
from tests.platforms.test_hooks import KERNEL, PROCESS
from tracerd.platforms.model import MapKind
from tracerd.runtime.api import Object, Session
from tracerd.runtime.session import Settings
from tracerd.sources.etl_writer import EtlWriter

PROCESS_OBJECT, PLAIN = OBJECTS / "process.bpf.o", OBJECTS / "plain.bpf.o"


def recording(path: Path) -> Path:
    """Write one process's begin and end."""
    with EtlWriter(path) as writer:
        for ticks, name in enumerate(("ProcessStart", "ProcessStop"), 2_000_000):
            event = versions(KERNEL, name)[-1]
            body = payload(event, PROCESS)
            writer.manifest_event(ticks, provider(KERNEL).guid, event.number, body, version=event.version)
    return path


def test_verify_tells_the_platform_by_itself() -> None:
    """A row a program, with its type; `--platform` has the last word."""
    assert [(row["verdict"], row["type"]) for row in answer("verify", PROCESS_OBJECT)] == [("accept", "process")]
    assert answer("verify", PLAIN, "--platform", "windows")[0]["verdict"] == "accept"
    wrong = tracerd("verify", PROCESS_OBJECT, "--platform", "linux")
    assert wrong.returncode == 1
    assert "is of type 13, not supported" in wrong.stderr


def test_replay_attaches_a_bare_object_to_what_feeds_it(tmp_path: Path) -> None:
    """Kernel-Process' begin and end; the rings and tables are the object's."""
    document = answer("replay", recording(tmp_path / "a.etl"), PROCESS_OBJECT)
    assert [(row["source"].rpartition(":")[2], row["verdict"], row["runs"]) for row in document["verdicts"]] == [
        ("ProcessStart", 0, 1), ("ProcessStop", 0, 1)
    ]  # fmt: skip
    assert [row["process_id"] for row in document["tables"]["processes"]] == [4712]
    assert document["rings"]["events"]["records"] == 2


def test_a_trec_of_such_a_recording_feeds_hooks_too(tmp_path: Path) -> None:
    """A hook is linked like any program, so every source of ETW events feeds it."""
    made = tmp_path / "a.trec"
    assert tracerd("record", "--from", recording(tmp_path / "a.etl"), "-o", made).returncode == 0
    document = answer("replay", made, PROCESS_OBJECT)
    assert [row["runs"] for row in document["verdicts"]] == [1, 1]
    assert document["rings"]["events"]["records"] == 2


def test_a_probe_toml_may_say_the_platform(tmp_path: Path) -> None:
    """Said wrongly it is refused for what the object holds; a platform that is none is refused with those there are."""
    probe, path = tmp_path / "probe.toml", recording(tmp_path / "a.etl")
    text = (
        f'[probe]\nname = "p"\nobject = "{PROCESS_OBJECT}"\nplatform = "PLATFORM"\n[[attach]]\n'
        f'program = "ProcessMonitor"\nsource = "etw:{KERNEL}:ProcessStop"\n'
    )
    probe.write_text(text.replace("PLATFORM", "windows"))
    assert answer("replay", path, probe)["verdicts"][0]["meaning"] == "permit"
    probe.write_text(text.replace("PLATFORM", "linux"))
    assert "is of type 13, not supported" in tracerd("replay", path, probe).stderr
    probe.write_text(text.replace("PLATFORM", "solaris"))
    assert "'linux'" in tracerd("replay", path, probe).stderr


def test_prog_run_gives_a_context_of_ones_own() -> None:
    """144 bytes as the header declares them, and a command as data: operation 1, process id 3."""
    context = bytes(16) + (3).to_bytes(8, "little") + bytes(44) + b"\x01" + bytes(75)
    document = answer("prog", "run", PROCESS_OBJECT, "--context", context.hex(), "--data", "41004200")
    assert document["result"] == 0
    assert document["tables"]["processes"][0]["command_bytes"] == 4


def test_helpers_are_listed_with_the_types_that_have_them() -> None:
    """A type's own ids among them; what is only a name has no type."""
    rows = {(row["platform"], row["id"]): row for row in answer("list", "helpers")}
    assert rows["windows", 0x10000]["types"] == ["process"]
    assert rows["windows", 22]["types"] == ["process", "bind", "xdp", "netevent_monitor"]
    assert rows["windows", 5]["types"] == []
    assert (rows["windows", 14]["helper"], rows["linux", 14]["helper"]) == ("trace_printk4", "get_current_pid_tgid")


def test_a_script_reads_maps_of_such_an_object(tmp_path: Path) -> None:
    """Kinds of maps go by the object's own numbers: its per-CPU array is 5 there, which on Linux is a hash."""
    path = recording(tmp_path / "a.etl")
    with Session(Settings(recording=path, wait_for_code=True)) as session:
        monitor = Object.open(PROCESS_OBJECT)
        monitor.attach("ProcessMonitor", f"etw:{KERNEL}:ProcessStart")
        session.load(monitor)
        session.start()
        assert session.wait(30)
        session.stop()
        assert [key for key, _ in monitor.maps["processes"].items()] == [4712]
    assert monitor.maps["scratch"].kind is MapKind.PERCPU_ARRAY
