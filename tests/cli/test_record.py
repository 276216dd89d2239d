"""`record`, `replay`, `events` on recordings, as a user calls them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_commands import DEMO, answer, tracerd
from tests.sources.live import need_live_events
from tests.sources.trec_support import LETTER, PLAIN, Given, record
from tracerd.cli.params import When, moment, seconds, size, speed
from tracerd.snapshot import Ledger

LOCAL = "2026-01-31T12:00:05.25"


def in_one_line(*arguments: str | Path) -> str:
    """Return what a command prints, as if the terminal were wide."""
    return " ".join(tracerd(*arguments).stdout.split())


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The shipped recording, recorded again."""
    path = tmp_path / "demo.trec"
    assert answer("record", f"etl:{DEMO}", "-o", path)["events"] == 353
    return path


def test_a_recorded_etl_is_replayed_like_the_etl(demo: Path) -> None:
    """Same tables, and the same shape of JSON as `run`."""
    ours, theirs = (answer("replay", path, "etw_processes") for path in (demo, DEMO))
    assert ours["tables"] == theirs["tables"]
    assert ours.keys() == theirs.keys()


def test_events_counts_what_is_in_a_recording(tmp_path: Path) -> None:
    """By event, with the blocks and what was lost; as lines too."""
    path = record(tmp_path / "a.trec", [[Given(), Given()], [Given(1)]], lost=5)
    counted = answer("events", path, "--count")
    assert (counted["events"], counted["blocks"], counted["bad_blocks"], counted["lost"]) == (3, 2, 0, 5)
    assert counted["by_event"] == {PLAIN.name: 2, LETTER.name: 1}
    told = in_one_line("events", path)
    assert "linux 6.1 x86_64, events of CPUs 0-3, 0.0 s, tracerd" in told
    assert "3 events in 2 blocks, 0 bad, 5 events lost while recording events event 2 " in told


def test_events_tells_what_was_dropped_and_what_was_wrong(tmp_path: Path) -> None:
    """Lost and dropped apart, what the recorded file said of itself, and how events came: as lines and as JSON."""
    rows = {
        "etl:half.etl": Ledger(3, 0, dropped_in_ring=3, via="missing buffers: 29 that its header counts"),
        LETTER.name: Ledger(1, 1, via="polled every 500 ms"),
    }
    path = record(tmp_path / "a.trec", [[Given(), Given(1)]], lost=5, told=rows)
    said = "recorded from etl:half.etl: missing buffers: 29 that its header counts"
    told = in_one_line("events", path)
    assert f", 5 events lost while recording, 3 dropped {said} via process:start: polled every 500 ms events" in told
    counted = answer("events", path)
    assert (counted["complete"], counted["lost"], counted["dropped"]) == (False, 5, 3)
    assert counted["ledger"][f"trec:{path}"]["via"] == said
    assert {name: (row["dropped"], row.get("via")) for name, row in counted["recorded"].items()} == {
        PLAIN.name: (0, None),
        "etl:half.etl": (3, "missing buffers: 29 that its header counts"),
        LETTER.name: (0, "polled every 500 ms"),
    }


def test_a_recording_that_nothing_is_wrong_with_is_complete(tmp_path: Path) -> None:
    """Whatever was lost and however it came; without its end it is not, and nobody knows what became of its events."""
    rows = {LETTER.name: Ledger(0, 0, via="polled")}
    counted = answer("events", record(tmp_path / "a.trec", [[Given()]], lost=5, told=rows))
    assert (counted["complete"], counted["dropped"], counted["recorded"][PLAIN.name]["lost"]) == (True, 0, 5)
    counted = answer("events", record(tmp_path / "a.trec", [[Given()]], end=False))
    assert (counted["complete"], counted["lost"], counted["dropped"], counted["recorded"]) == (False, None, None, None)


def test_a_recording_of_windows_says_its_system_and_cpus(demo: Path, tmp_path: Path) -> None:
    """It knows no architecture, and of CPUs only which its events are of."""
    assert ", windows 10.0.19045, events of CPUs 0-3, 20.0 s, tracerd" in in_one_line("events", demo)
    assert ", events of CPU 0, 0.0 s" in in_one_line("events", record(tmp_path / "a.trec", [[Given()]], cpus=1))


@pytest.mark.parametrize("arguments", [("--provider", "x"), ("--pid", "1"), ("-o", "x.csv"), ("--profile", "dns")])
def test_a_trec_by_any_name_is_told_to_be_one(demo: Path, arguments: tuple[str, ...]) -> None:
    """And what can be done with it. What is not one, but is called so, is told that."""
    path = demo.rename(demo.with_name("X.etl"))
    done = tracerd("events", path, *arguments)
    assert done.returncode == 4
    told = f"it is a .trec, only events of a .etl can be decoded: tracerd replay {path} PROBE, or tracerd events {path}"
    assert done.stderr == f"tracerd: decoding '{path}': not supported here: {told}\n"
    demo.write_bytes(b"MZ" * 100)
    assert "is not a recording of tracerd" in tracerd("events", demo, *arguments).stderr


def test_a_replay_tells_what_its_recording_was_told(tmp_path: Path) -> None:
    """Bytes written over and the end cut off a .etl: in the ledger of every replay, as `record` told it."""
    data = bytearray(DEMO.read_bytes())
    data[3 * 8192 : 4 * 8192] = b"\xff" * 8192
    (tmp_path / "a.etl").write_bytes(data[: 8 * 8192])
    via = "damaged buffers: 1 skipped, the header makes no sense; missing buffers: 4 that its header counts"
    done = subprocess.run(
        [sys.executable, "-m", "tracerd.cli", "record", "--from", "a.etl", "-o", "a.trec"], cwd=tmp_path, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert f"via etl:a.etl: {via}" in " ".join(done.stdout.split())
    row = answer("replay", tmp_path / "a.trec", "etw_processes")["ledger"][f"trec:{tmp_path / 'a.trec'}"]
    assert (row["lost"], row["dropped"], row["via"]) == (0, 1, f"recorded from etl:a.etl: {via}")


def test_a_start_that_is_nobodys_time_makes_a_recording_that_can_be_read(tmp_path: Path) -> None:
    """The same events and tables; no time between a start that is not known and the end."""
    data = bytearray(DEMO.read_bytes())
    data[368:376] = bytes(8)
    etl, path = tmp_path / "a.etl", tmp_path / "a.trec"
    etl.write_bytes(data)
    assert answer("record", "--from", etl, "-o", path)["events"] == answer("events", path)["events"] == 353
    assert answer("replay", path, "etw_processes")["tables"] == answer("replay", etl, "etw_processes")["tables"]
    assert "Windows 10.0.19045, 4 CPUs, 0.0 s, clock qpc" in in_one_line("events", etl)


def test_events_shows_the_layouts_as_c(demo: Path) -> None:
    """The recording says how its events are laid out: a header a program could include."""
    done = tracerd("events", demo, "--fields")
    assert done.returncode == 0
    assert "struct etw_context {" in done.stdout
    (row,) = answer("events", demo, "--fields")
    assert {"name": "provider", "offset": 24, "size": 16} in row["fields"]


def test_a_cut_by_time_process_and_event(tmp_path: Path) -> None:
    """Offsets count from the first event; what is left out is in the ledger as filtered."""
    ms = 10**6
    source = record(tmp_path / "a.trec", [[Given(now_ns=(1000 + n) * ms, pid=n % 2) for n in range(100)]])
    cut = answer("record", "--from", source, "--since", "10ms", "--until", "19ms", "--pid", "1", "-o", tmp_path / "b")
    assert cut["events"] == 5
    assert cut["ledger"][PLAIN.name]["filtered"] == 95
    assert answer("events", tmp_path / "b")["by_event"] == {PLAIN.name: 5, LETTER.name: 0}
    answer("record", "--from", source, "--event", LETTER.name, "-o", tmp_path / "c")
    assert answer("events", tmp_path / "c")["by_event"] == {LETTER.name: 0}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("record", "process:start"), 2, "Missing option '-o'"),
        (("record", "-o", "{new}"), 2, "nothing to record"),
        (("record", "process:stat", "-o", "{new}"), 2, "did you mean 'process:start'?"),
        (("record", "etl:/missing.etl", "-o", "{new}"), 1, "cannot be read"),
        (("record", "process:start", "--since", "3s", "-o", "{new}"), 2, "name it with --from"),
        (("record", "process:start", "--from", str(DEMO), "-o", "{new}"), 2, "takes no other sources"),
        (("record", "--from", str(DEMO), "-o", "{old}"), 2, "exists; --force"),
        (("record", "--from", str(DEMO), "-o", "/missing/x"), 2, "cannot be written"),
        (("record", "--from", str(DEMO), "--force", "-o", "/dev/full"), 1, "No space left on device"),
        (("record", "--from", str(DEMO), "--size", "much", "-o", "{new}"), 2, "is not a size"),
        (("record", "--from", str(DEMO), "--for", "long", "-o", "{new}"), 2, "is not a length of time"),
        (("record", "--from", str(DEMO), "--since", "noon", "-o", "{new}"), 2, "neither an offset"),
        (("replay", str(DEMO), "etw_processes", "--speed", "1"), 4, "only a .trec is paced"),
        (("replay", str(DEMO), "etw_processes", "--speed", "fast"), 2, "neither max nor a number"),
        (("record", "syscalls", "--profile", "dns", "-o", "{new}"), 4, "it chooses live events of Windows"),
        (("record", str(DEMO), "-o", "{new}"), 2, f"is a recording: tracerd record --from {DEMO}"),
        (("run", str(DEMO)), 2, f"is a recording, not a probe: tracerd replay {DEMO} PROBE"),
        (("replay", "etw_processes", "a.PCAP"), 2, "'a.PCAP' is a recording, not a probe"),
        (("run", "etw:Kernel-Process"), 2, "'etw:Kernel-Process' is an event, not a probe; a probe says which program"),
        (("record", "etw", "-o", "{new}"), 2, "which providers? say --profile"),
        (("record", "etw", "--profile", "dns", "-o", "{new}"), 4, "live ETW sessions need Windows; replay a recording"),
        (("etw", "schema", "My-Provider", "-o", "{new}"), 4, "live ETW sessions need Windows"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    """Exit code, the cause and the way out; no traceback, no file left behind."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("precious")
    done = tracerd(*(each.format(new=new, old=old) for each in arguments))
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert old.read_text() == "precious"
    assert not new.exists()


def test_what_is_read_is_not_written_over(demo: Path, tmp_path: Path) -> None:
    """One sentence and the exit code of a wrong option; the file is as it was."""
    etl = tmp_path / "a.etl"
    etl.write_bytes(DEMO.read_bytes())
    for path, reading in ((demo, ("--from", demo)), (etl, ("--from", etl)), (etl, (f"etl:{etl}",))):
        before = path.read_bytes()
        done = tracerd("record", *reading, "-o", path, "--force")
        assert (done.returncode, done.stderr) == (2, f"tracerd: -o: {path} is what is read: write to another file\n")
        assert path.read_bytes() == before


def test_a_recording_without_events_of_the_probe_says_what_it_has(demo: Path) -> None:
    """Below the tables, which are empty; of a .trec the command that counts. Nothing in JSON: its ledger says it."""
    said = "advice  no event came for etw:Microsoft-Windows-DNS-Client:QueryCalled and 4 other names; "
    told = f"{said}it has Microsoft-Windows-Kernel-Process: tracerd events {DEMO}\n"
    assert tracerd("replay", DEMO, "etw_dns").stdout.endswith(told)
    assert tracerd("replay", demo, "etw_dns").stdout.endswith(f"{said}see what it has: tracerd events {demo}\n")
    assert "advice" not in tracerd("replay", DEMO, "etw_processes").stdout
    assert not answer("replay", DEMO, "etw_dns")["tables"]["queries"]
    demo.write_bytes(demo.read_bytes()[:900])
    assert "advice" not in tracerd("replay", demo, "etw_dns").stdout


def test_a_probe_that_wants_what_was_not_recorded_is_told_what_was(demo: Path) -> None:
    """One sentence with the names that the recording has."""
    done = tracerd("replay", demo, "syscalls")
    assert done.returncode == 1
    assert done.stderr == f"tracerd: syscall:*:enter: is not in {demo}, which has: etl\n"


@pytest.mark.xdist_group("perf")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_recording_in_order(tmp_path: Path, number: int) -> None:
    """Ctrl-C and SIGTERM: the last block is written, and the ledger is printed."""
    need_live_events()
    path = tmp_path / "a.trec"
    command = [sys.executable, "-m", "tracerd.cli", "record", "syscalls", "-o", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        summary = json.loads(process.communicate(timeout=30)[0])
    assert process.returncode == 0
    counted = answer("events", path)
    assert counted["complete"]
    assert counted["events"] == summary["events"] > 0


@pytest.mark.xdist_group("perf")
def test_a_killed_recording_loses_little(tmp_path: Path) -> None:
    """`kill -9`: what was on its way to disk a second ago is a recording; the replay says that its end is missing."""
    need_live_events()
    path = tmp_path / "a.trec"
    command = [sys.executable, "-m", "tracerd.cli", "record", "syscalls", "-o", str(path)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 30
        while not path.exists() or path.stat().st_size < 4000:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(1.3)
        process.kill()
    counted = answer("events", path)
    assert counted["events"] > 0
    assert not counted["complete"]


def test_lengths_sizes_and_speeds_are_read_as_people_write_them() -> None:
    """With and without a unit."""
    assert [seconds(text) for text in ("30s", "500ms", "2m", "1h", "7")] == [30, 0.5, 120, 3600, 7]
    assert [size(text) for text in ("524288", "500K", "1G", "1.5MiB")] == [1 << 19, 500 << 10, 1 << 30, 3 << 19]
    assert [speed(text) for text in ("max", "1", "0.5", "100")] == [None, 1, 0.5, 100]


def test_moments_are_offsets_or_local_times() -> None:
    """An offset counts from the first event; a time is this machine's local time, on the recording's clock."""
    assert moment("90s").on_clock(first_ns=5, clock_offset_ns=77) == 90 * 10**9 + 5
    unix_ns = int(time.mktime((2026, 1, 31, 12, 0, 5, 0, 0, -1))) * 10**9 + 250_000_000
    assert moment(LOCAL) == When(unix_ns)
    assert moment(LOCAL).on_clock(first_ns=5, clock_offset_ns=10**18) == unix_ns - 10**18
    assert moment(LOCAL).on_clock(first_ns=5, clock_offset_ns=1 << 62) == 0
    assert moment("1s").on_clock(first_ns=2**64 - 1, clock_offset_ns=0) == 2**64 - 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("record", "syscall:*:enter", "--size", "1"), 2, "too small for a recording: at least 256K"),
        (("record", "begin"), 2, "is no event but a time: a replay makes it anew"),
        (("record", "interval:1s"), 2, "is no event but a time"),
        (("record", "--from", str(DEMO), "--since", "2s", "--until", "1s"), 2, "is before --since"),
        (("record", "process:start", "--every", "nan"), 2, "not a finite number"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    arguments: tuple[str, ...], code: int, sentence: str, tmp_path: Path
) -> None:
    """One sentence, and no file."""
    done = tracerd(*arguments, "-o", tmp_path / "x.trec")
    assert done.returncode == code
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "x.trec").exists()


@pytest.mark.parametrize("what", ["missing", "folder", "empty", "noise"])
def test_a_file_that_is_no_recording_is_told_before_its_events_are(what: str, tmp_path: Path) -> None:
    """Whatever the probe wants, the cause is the file."""
    file = tmp_path / "x.trec"
    if what == "folder":
        file.mkdir()
    elif what != "missing":
        file.write_bytes(b"" if what == "empty" else bytes(range(256)) * 4)
    told = {"missing": "No such file", "folder": "is not a regular file"}.get(what, "is not a recording of tracerd")
    for done in (tracerd("replay", file, "syscalls"), tracerd("events", file)):
        assert done.returncode == 1
        assert told in done.stderr
