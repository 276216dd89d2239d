"""What our writer writes, the walker reads: contents, order, clocks, names and the ledger."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.etl_support import ALL, Recorder, Seen, drain, walk
from tracerd.errors import ConfigError, SourceError
from tracerd.native import ffi
from tracerd.platforms.linux import LINUX
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_writer import EtlWriter

KERNEL_PROCESS = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
PROCESS_CLASS = UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c")
OTHER = UUID("11111111-2222-3333-4444-555555555555")
NO_HOOK = NO_TASK = 0xFFFFFFFF
WIDE = {"manifest": 19, "classic": 20, "instance": 21, "system": 2, "compact": 4, "perfinfo": 17, "message": 15}
NARROW = {"manifest": 18, "classic": 10, "instance": 11, "system": 1, "compact": 3, "perfinfo": 16, "message": 15}
START_TICKS = 1_000_000


def write(writer: EtlWriter, kind: str, ticks: int, payload: bytes, cpu: int = 0) -> None:
    """Write one event of a kind with fixed particulars."""
    task: Any = {"pid": 7, "tid": 9}
    match kind:
        case "manifest":
            activity = UUID(int=5)
            writer.manifest_event(
                ticks, KERNEL_PROCESS, 2, payload, cpu=cpu, version=3, keyword=16, activity=activity, **task
            )
        case "classic":
            writer.classic_event(ticks, OTHER, 2, payload, cpu=cpu, version=3, **task)
        case "instance":
            writer.instance_event(ticks, OTHER, 2, payload, cpu=cpu, version=3, instance=1, **task)
        case "system":
            writer.system_event(ticks, 0x7702, payload, cpu=cpu, version=3, **task)
        case "compact":
            writer.compact_event(ticks, 0x7702, payload, cpu=cpu, version=3, **task)
        case "perfinfo":
            writer.perfinfo_event(ticks, 0x7702, payload, cpu=cpu, version=3)
        case "message":
            writer.message_event(ticks, 2, payload, cpu=cpu, provider=OTHER, task=(7, 9))


def events_of(path: Path) -> list[Seen]:
    """Return the recording's events without the trace header event."""
    header, *events = walk(path)
    assert header.hook == 0
    return events


events = st.lists(
    st.tuples(
        st.sampled_from(sorted(WIDE)), st.integers(0, 3), st.integers(0, 50), st.binary(max_size=300)
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(written=events, pointer_size=st.sampled_from([4, 8]), buffer_size=st.sampled_from([1024, 4096]))
def test_written_events_are_read_back_in_time_order(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[str, int, int, bytes]],
    pointer_size: int,
    buffer_size: int,
) -> None:
    """Every event comes back once, merged over the CPUs by time and, at one time, by CPU and then as written."""
    path = tmp_path_factory.mktemp("etl") / "made.etl"
    ticks, expected = START_TICKS, []
    with EtlWriter(path, cpus=4, buffer_size=buffer_size, pointer_size=pointer_size) as writer:
        for kind, cpu, step, payload in written:
            ticks += step
            write(writer, kind, ticks, payload, cpu)
            number = (WIDE if pointer_size == 8 else NARROW)[kind]
            expected.append((ticks, cpu, number, payload, writer.unix_ns(ticks)))
    expected.sort(key=lambda each: each[:2])
    seen = events_of(path)
    assert [(s.cpu, s.kind, s.payload, s.time_ns) for s in seen] == [each[1:] for each in expected]
    source = EtlSource(path)
    counts = source.count()
    source.close()
    assert counts.events == len(written) + 1
    assert counts.bad_buffers == 0


@pytest.mark.parametrize("pointer_size", [4, 8])
@pytest.mark.parametrize("kind", sorted(WIDE))
def test_each_header_kind_fills_the_context(tmp_path: Path, kind: str, pointer_size: int) -> None:
    """Kind, number, task, provider or hook of every header kind arrive in context and run."""
    path = tmp_path / "made.etl"
    with EtlWriter(path, pointer_size=pointer_size) as writer:
        write(writer, kind, START_TICKS + 50, b"payload")
    (seen,) = events_of(path)
    by_hook = kind in ("system", "compact", "perfinfo")
    known = {"manifest": KERNEL_PROCESS, "classic": OTHER, "instance": OTHER, "message": OTHER}
    pid, tid = (NO_TASK, NO_TASK) if kind == "perfinfo" else (7, 9)
    assert seen.kind == (WIDE if pointer_size == 8 else NARROW)[kind]
    assert (seen.number, seen.payload, seen.pointer_size) == (2, b"payload", pointer_size)
    assert seen.version == (0 if kind == "message" else 3)
    assert seen.provider == known.get(kind, UUID(int=0))
    assert seen.hook == (0x7702 if by_hook else NO_HOOK)
    assert (seen.pid, seen.tid, seen.pid_tgid) == (pid, tid, pid << 32 | tid)
    assert (seen.uid_gid, seen.comm) == (65534 << 32 | 65534, bytes(16))
    assert seen.activity == UUID(int=5 if kind == "manifest" else 0)


def test_extended_data_is_not_part_of_the_payload(tmp_path: Path) -> None:
    """Items between header and payload are skipped, however many and of whatever size."""
    path = tmp_path / "made.etl"
    items = [(1, b"r" * 16), (0x0B, b"schema"), (5, b"")]
    with EtlWriter(path) as writer:
        for used in range(4):
            writer.manifest_event(START_TICKS + used, OTHER, used, b"payload", extended=items[:used])
    assert [seen.payload for seen in events_of(path)] == [b"payload"] * 4


def test_extended_data_may_end_an_event_without_its_padding(tmp_path: Path) -> None:
    """An item's size counts its padding, the event's size may not: there is no payload then, and no damage."""
    path = tmp_path / "made.etl"
    with EtlWriter(path) as writer:
        writer.manifest_event(START_TICKS, OTHER, 1, extended=[(0x0B, b"schema of 13.")])
        writer.manifest_event(START_TICKS, OTHER, 2, b"payload")
    data = bytearray(path.read_bytes())
    at = 65536 + 0x48
    assert data[at : at + 2] == struct.pack("<H", 80 + 24)
    data[at : at + 2] = struct.pack("<H", 80 + 8 + 13)
    path.write_bytes(data)
    assert [(seen.number, seen.payload) for seen in events_of(path)] == [(1, b""), (2, b"payload")]


@pytest.mark.parametrize(("pebs", "counters"), [(False, 0), (True, 0), (False, 7), (True, 3)])
def test_hardware_counters_are_not_part_of_the_payload(tmp_path: Path, pebs: bool, counters: int) -> None:
    """PERFINFO headers grow by 8 bytes for PEBS and for each counter; the payload starts behind them."""
    path = tmp_path / "made.etl"
    with EtlWriter(path) as writer:
        writer.perfinfo_event(START_TICKS, 0x0F33, b"address.", pebs=pebs, counters=counters)
    (seen,) = events_of(path)
    assert (seen.hook, seen.payload) == (0x0F33, b"address.")


def test_message_options_may_each_be_missing(tmp_path: Path) -> None:
    """A WPP message without a time takes that of the event before it; without a task it has none."""
    path = tmp_path / "made.etl"
    with EtlWriter(path) as writer:
        writer.message_event(START_TICKS + 10, 1, b"a", sequence=3, component=8)
        writer.message_event(None, 2, b"b")
        writer.message_event(START_TICKS + 30, 3, b"c", provider=OTHER, task=(7, 9), sequence=4)
    seen = events_of(path)
    assert [(s.number, s.payload, s.pid, s.provider) for s in seen] == [
        (1, b"a", NO_TASK, UUID(int=0)), (2, b"b", NO_TASK, UUID(int=0)), (3, b"c", 7, OTHER)
    ]
    assert seen[1].time_ns == seen[0].time_ns


@pytest.mark.parametrize(
    ("clock", "frequency", "ticks", "elapsed_ns", "now_ns"),
    [
        (1, 10_000_000, 1_000_123, 12_300, 100_012_300),
        (1, 3_579_545, 1_000_123, 34_361, 279_399_476),
        (1, 24_000_000_000, 1_000_123, 5, 41_671),
        (3, 3_000_000_000, 1_000_123, 41, 333_374),
    ],
)
def test_clocks_become_unix_time_and_time_since_boot(
    tmp_path: Path, clock: int, frequency: int, ticks: int, elapsed_ns: int, now_ns: int
) -> None:
    """Unix time counts from the recording's start; the programs' clock is the recorded machine's, since boot."""
    path = tmp_path / "made.etl"
    start = 1_700_000_000_000_000_000
    with EtlWriter(path, clock=clock, frequency=frequency, start_ns=start, start_ticks=START_TICKS) as writer:
        write(writer, "system", ticks, b"")
    (seen,) = events_of(path)
    assert seen.time_ns == start + elapsed_ns
    assert seen.now_ns == now_ns


_ODD = [1, 2, 3, 3_117_777, 10_000_000, (1 << 32) - 5, 1 << 32]
FREQUENCIES = st.one_of(st.integers(1, 1 << 33), st.sampled_from(_ODD))


@settings(max_examples=150, deadline=None)
@given(frequency=FREQUENCIES, times=st.lists(st.tuples(st.integers(0, 1 << 32), st.integers(0, 1 << 33)), min_size=2))
def test_times_are_exact_at_any_frequency(
    tmp_path_factory: pytest.TempPathFactory, frequency: int, times: list[tuple[int, int]]
) -> None:
    """Every time is the floor of the exact one, from the first tick to 130 years on."""
    path = tmp_path_factory.mktemp("etl") / "made.etl"
    start, *ticks = sorted(min(seconds * frequency + part % frequency, 1 << 62) for seconds, part in times)
    with EtlWriter(path, frequency=frequency, start_ticks=start, start_ns=10**18) as writer:
        for each in ticks:
            writer.system_event(each, 0x0301)
    expected = [(10**18 + (each - start) * 10**9 // frequency, each * 10**9 // frequency) for each in ticks]
    assert [(seen.time_ns, seen.now_ns) for seen in events_of(path)] == expected


def test_a_system_time_clock_is_unix_time_in_both(tmp_path: Path) -> None:
    """With clock 2 timestamps are FILETIMEs, so the programs' clock is unix time, too."""
    path = tmp_path / "made.etl"
    filetime = 133_444_736_000_000_000
    with EtlWriter(path, clock=2, start_ticks=filetime) as writer:
        write(writer, "system", filetime + 1, b"")
    (seen,) = events_of(path)
    assert seen.time_ns == seen.now_ns == (filetime + 1 - 116_444_736_000_000_000) * 100


def test_times_out_of_range_are_clamped(tmp_path: Path) -> None:
    """A senseless timestamp neither wraps nor ends the walk."""
    path = tmp_path / "made.etl"
    with EtlWriter(path, frequency=3, cpus=2, buffer_size=1024) as writer:
        write(writer, "system", START_TICKS, b"early")
        write(writer, "system", START_TICKS, b"late", cpu=1)
    data = bytearray(path.read_bytes())
    struct.pack_into("<q", data, 1024 + 0x48 + 16, -(1 << 62))
    struct.pack_into("<q", data, 2048 + 0x48 + 16, (1 << 63) - 1)
    path.write_bytes(data)
    times = {seen.payload: (seen.time_ns, seen.now_ns) for seen in walk(path)}
    assert times[b"early"] == (0, 0)
    assert times[b"late"] == ((1 << 63) - 1, (1 << 63) - 1)


MIXED = (
    ("etw:Microsoft-Windows-Kernel-Process", {b"start", b"stop"}),
    ("etw:Microsoft-Windows-Kernel-Process:ProcessStart", {b"start"}),
    ("etw:{22FB2CD6-0E7B-422B-A0C7-2FAD1FD0E716}:2", {b"stop"}),
    ("etw-kernel:Process", {b"hook start", b"class end"}),
    ("etw-kernel:process:start", {b"hook start"}),
    (f"etw:{PROCESS_CLASS}:End", {b"class end"}),
    ("etl:C:\\made.etl:Microsoft-Windows-Kernel-Process:ProcessStop", {b"stop"}),
    ("etl:made.ETL:Process:1", {b"hook start"}),
    (f"etw:{OTHER}:7", {b"other"}),
    (f"etw:{OTHER}:8", set()),
)


def write_mixed(path: Path) -> None:
    with EtlWriter(path, cpus=2, events_lost=11) as writer:
        writer.manifest_event(START_TICKS, KERNEL_PROCESS, 1, b"start", opcode=9)
        writer.manifest_event(START_TICKS + 1, KERNEL_PROCESS, 2, b"stop", cpu=1)
        writer.system_event(START_TICKS + 2, 0x0301, b"hook start")
        writer.classic_event(START_TICKS + 3, PROCESS_CLASS, 2, b"class end", cpu=1)
        writer.classic_event(START_TICKS + 4, OTHER, 7, b"other")


@pytest.mark.parametrize(("name", "payloads"), MIXED, ids=[name for name, _ in MIXED])
def test_a_name_means_exactly_its_events(tmp_path: Path, name: str, payloads: set[bytes]) -> None:
    """Providers by name or GUID, kernel groups by hook and by class, events by name or number."""
    write_mixed(tmp_path / "made.etl")
    assert {seen.payload for seen in walk(tmp_path / "made.etl", name)} == payloads


def test_hook_and_class_are_both_filled_in_for_known_groups(tmp_path: Path) -> None:
    """A program may tell kernel events by hook or by class GUID, whichever header they came with."""
    write_mixed(tmp_path / "made.etl")
    seen = walk(tmp_path / "made.etl", "etw-kernel:Process")
    assert [(s.hook, s.provider) for s in seen] == [(0x0301, PROCESS_CLASS), (0x0302, PROCESS_CLASS)]


def test_every_program_of_an_event_runs_in_link_order(tmp_path: Path) -> None:
    """Two names and two programs on one event: each runs once for each link."""
    write_mixed(tmp_path / "made.etl")
    name = "etw:Microsoft-Windows-Kernel-Process:ProcessStart"
    assert [seen.payload for seen in walk(tmp_path / "made.etl", name, ALL, name)].count(b"start") == 3


def test_the_ledger_accounts_for_every_event(tmp_path: Path) -> None:
    """Rows of names balance; the file's row has what nobody asked for and what the recorder lost."""
    path = tmp_path / "made.etl"
    write_mixed(path)
    recorder = Recorder(aborts=frozenset([b"class end"]))
    source = EtlSource(path)
    names = ["etw-kernel:Process", "etw:Microsoft-Windows-Kernel-Process"]
    source.open([LinkRequest(name, recorder.program, 96) for name in names])
    assert drain(source) == 6
    ledgers = source.statistics()
    assert (ledgers[names[0]].produced, ledgers[names[0]].delivered, ledgers[names[0]].failed) == (2, 1, 1)
    assert (ledgers[names[1]].produced, ledgers[names[1]].delivered) == (2, 2)
    rest = ledgers[f"etl:{path}"]
    assert (rest.filtered, rest.lost_in_session, rest.produced) == (2, 11, 13)
    assert [ledger.missing for ledger in ledgers.values()] == [0, 0, 0]
    assert sum(ledger.produced for ledger in ledgers.values()) == source.count().events + 11
    source.close()
    recorder.free()


def test_a_long_walk_is_taken_in_steps(tmp_path: Path) -> None:
    """With no time at all a pump still moves on, but returns long before the end, so that Ctrl-C is heard."""
    path = tmp_path / "made.etl"
    with EtlWriter(path) as writer:
        for i in range(3000):
            writer.system_event(START_TICKS + i, 0x0301)
    source = EtlSource(path)
    source.open([])
    steps = [source.pump(0) for _ in range(7)]
    assert all(0 < step <= 1024 for step in steps[:-1])
    assert sum(steps[:-1]) == 3001
    assert steps[-1] == -1
    source.close()


def test_a_context_larger_than_an_event_has_is_refused(tmp_path: Path) -> None:
    """A program that reads beyond the context cannot be linked."""
    write_mixed(tmp_path / "made.etl")
    recorder = Recorder()
    source = EtlSource(tmp_path / "made.etl")
    with pytest.raises(SourceError, match="reads 97 context bytes, an event has 96"):
        source.open([LinkRequest(ALL, recorder.program, 97)])
    source.close()
    source.close()
    with pytest.raises(SourceError, match="is closed"):
        source.count()
    recorder.free()


def test_names_of_other_sources_are_refused(tmp_path: Path) -> None:
    """A tracepoint is not an event of a recording."""
    write_mixed(tmp_path / "made.etl")
    source = EtlSource(tmp_path / "made.etl")
    with pytest.raises(ConfigError, match="not an event of a recording"):
        source.open([LinkRequest("tracepoint:sched:sched_switch", None, 8)])
    source.close()


def test_the_writer_refuses_what_cannot_be_a_recording(tmp_path: Path) -> None:
    """Events out of order on a CPU, or larger than a buffer, are the caller's mistake."""
    with EtlWriter(tmp_path / "made.etl", buffer_size=1024) as writer:
        writer.system_event(START_TICKS + 5, 0x0301)
        with pytest.raises(ValueError, match="comes before"):
            writer.system_event(START_TICKS + 4, 0x0301)
        with pytest.raises(ValueError, match="does not fit"):
            writer.system_event(START_TICKS + 6, 0x0301, bytes(1000))


def test_the_verifier_and_the_core_agree_on_the_context() -> None:
    """Every field of the platform table lies where the C structure has it, with the same size."""
    context = LINUX.type_by_name["etw"].context
    native = dict(ffi.typeof("struct tr_etw_context").fields)
    assert context.size == ffi.sizeof("struct tr_etw_context")
    assert {(f.name, f.offset, f.size) for f in context.fields} == {
        (name, field.offset, ffi.sizeof(field.type)) for name, field in native.items() if name != "reserved"
    }
