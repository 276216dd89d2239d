"""The callback of live sessions: what it makes of an EVENT_RECORD, and of one that makes no sense."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.etl_support import Recorder, Seen
from tests.sources.etw_records import records
from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest, ledger
from tracerd.sources.etw_matcher import EtwMatcher

PROVIDER = UUID("11111111-2222-3333-4444-555555555555")
PROCESS_CLASS = UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c")
PERF_CLASS = UUID("ce1dbfb4-137e-4da6-87b0-3f59aa102cbc")
THREAD_CLASS = UUID("3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c")
ANY, KERNEL = f"etw:{PROVIDER}", "etw-kernel:Process"
NO_TASK, NO_HOOK = 0xFFFFFFFF, 0xFFFFFFFF
CLASSIC, NARROW, MESSAGE, INDEX = 0x100, 0x20, 0x8, 0x200
CPUS = 300
MONOTONIC_NS = 5_000_000_000
FILETIME = 133_000_000_000_000_000            # when the clock had counted for a second


class Live:
    """The core's end of a session, with the callback called as Windows calls it."""

    def __init__(self, *names: str) -> None:
        self.recorder = Recorder()
        self.run: Any = ffi.new("struct tr_run *")
        self.matcher = EtwMatcher("etw", [LinkRequest(name, self.recorder.program, 96) for name in names])
        self.matchers = [self.matcher]
        clock = {
            "clock": 1, "cpus": CPUS, "frequency": 3_000_000, "ticks": 3_000_000, "filetime": FILETIME,
            "monotonic_ns": MONOTONIC_NS,
        }
        self.native = lib.tr_etw_live_new(
            ffi.new("struct tr_etw_live_options *", clock), self.matcher.native, self.run
        )
        lib.tr_etw_live_gate(self.native, 1)
        address = int(ffi.cast("uintptr_t", lib.tr_etw_live_callback()))
        self._callback = records.cast("void (*)(struct record *)", address)
        self._context = records.cast("void *", int(ffi.cast("uintptr_t", self.native)))

    def take(
        self, payload: bytes = b"", provider: UUID = PROVIDER, *, items: list[Any] | None = None, **fields: Any
    ) -> None:
        """Hand over a record; `fields` are those of it and of its descriptor."""
        record = records.new("struct record *", {"user_context": self._context})
        record.provider_id = provider.bytes_le
        data = records.from_buffer("uint8_t[]", payload)
        record.user_data, record.user_data_length = data, len(payload)
        for name, value in fields.items():
            setattr(record if hasattr(record, name) else record.descriptor, name, value)
        array = records.new("struct item[]", items or [{}])
        if items:
            record.extended, record.extended_count = array, len(items)
        self._callback(record)

    @property
    def seen(self) -> list[Seen]:
        return self.recorder.seen

    def balance(self, name: str) -> Any:
        raw: Any = ffi.new("struct tr_ledger *")
        lib.tr_etw_live_ledger(self.native, self.matcher.names[name], raw)
        return ledger(raw)

    def counts(self) -> tuple[int, int, int]:
        counts: Any = ffi.new("struct tr_etw_live_counts *")
        lib.tr_etw_live_counts(self.native, counts)
        return counts.taken, counts.failed, counts.unmatched

    def exchange(self, *names: str) -> None:
        """Have other names from now on."""
        after = EtwMatcher("etw", [LinkRequest(name, self.recorder.program, 96) for name in names])
        numbers = [self.matcher.names.get(name, -1) for name in after.names] or [-1]
        lib.tr_etw_live_exchange(self.native, after.native, ffi.new("int32_t[]", numbers))
        self.matcher = after
        self.matchers.append(after)

    def close(self) -> None:
        lib.tr_etw_live_free(self.native)
        for matcher in self.matchers:
            matcher.close()
        self.recorder.free()


@pytest.fixture
def live() -> Iterator[Live]:
    made = Live(ANY, KERNEL, "etw-kernel:PerfInfo")
    yield made
    made.close()


def test_a_manifest_event_is_what_its_header_says(live: Live) -> None:
    activity = UUID(int=5)
    live.take(
        b"payload", id=7, version=3, keyword=16, level=4, opcode=9, process_id=11, thread_id=12, time_stamp=6_000_000,
        activity_id=activity.bytes_le, processor=2,
    )
    (seen,) = live.seen
    assert (seen.kind, seen.number, seen.version, seen.keyword, seen.payload) == (19, 7, 3, 16, b"payload")
    assert (seen.pid, seen.tid, seen.pid_tgid) == (11, 12, 11 << 32 | 12)
    assert (seen.cpu, seen.run_cpu, seen.activity, seen.hook, seen.pointer_size) == (2, 2, activity, NO_HOOK, 8)
    assert seen.uid_gid == 65534 << 32 | 65534


def test_times_are_qpc_ticks(live: Live) -> None:
    """The run's clock is the machine's monotonic one, the context's is unix time."""
    live.take(time_stamp=6_000_000)
    (seen,) = live.seen
    assert seen.now_ns == MONOTONIC_NS + 1_000_000_000
    assert seen.time_ns == (FILETIME - 116_444_736_000_000_000) * 100 + 1_000_000_000


def test_a_classic_event_of_a_kernel_class_is_a_kernel_event(live: Live) -> None:
    """By its opcode, with the hook that it has in a log; and a 32-bit one is."""
    live.take(b"x", PROCESS_CLASS, flags=CLASSIC | NARROW, opcode=1, version=2, id=99)
    (seen,) = live.seen
    assert (seen.kind, seen.hook, seen.version, seen.pointer_size) == (1, 0x301, 2, 4)
    assert seen.provider == PROCESS_CLASS


def test_a_classic_event_of_another_class_goes_by_opcode(live: Live) -> None:
    live.take(flags=CLASSIC, opcode=5)
    live.exchange(f"{ANY}:5")
    live.take(flags=CLASSIC, opcode=5)
    live.take(flags=CLASSIC, opcode=6)
    assert [(each.kind, each.number, each.hook) for each in live.seen] == [(20, 5, NO_HOOK)] * 2


def test_a_message_goes_by_its_number(live: Live) -> None:
    live.take(flags=MESSAGE, id=42)
    assert [(each.kind, each.number) for each in live.seen] == [(15, 42)]


def test_the_thread_of_an_event_without_one_is_that_which_runs(live: Live) -> None:
    """Of its CPU, by the switches between threads; their process by events that name both."""
    switch = (77).to_bytes(4, "little") + bytes(8)
    live.take(process_id=70, thread_id=77)
    live.take(switch, THREAD_CLASS, flags=CLASSIC, opcode=36, processor=1, thread_id=NO_TASK, process_id=NO_TASK)
    for cpu in (1, 2):
        live.take(
            bytes(8), PERF_CLASS, flags=CLASSIC, opcode=51, processor=cpu, thread_id=NO_TASK, process_id=NO_TASK
        )
    assert [(each.pid, each.tid) for each in live.seen[1:]] == [(70, 77), (NO_TASK, NO_TASK)]
    assert [each.kind for each in live.seen[1:]] == [17, 17]


def test_the_processor_is_a_number_or_an_index_as_the_flags_say(live: Live) -> None:
    """A number has eight bits, beside it lies an alignment."""
    live.take(processor=0x0803)
    live.take(processor=0x0101, flags=INDEX)
    assert [each.cpu for each in live.seen] == [3, 0x101]


@pytest.mark.parametrize(
    "record",
    [
        {"user_data": records.NULL, "user_data_length": 4},
        {"extended": records.NULL, "extended_count": 1},
        {"items": [{"type": 0xB, "data_size": 8}]},
        {"processor": CPUS, "flags": INDEX},
    ],
    ids=["payload", "items", "item", "cpu"],
)
def test_a_record_without_sense_is_failed(live: Live, record: dict[str, Any]) -> None:
    live.take(**record)
    live.take(b"sound")
    assert live.counts() == (2, 1, 0)
    assert [each.payload for each in live.seen] == [b"sound"]


def test_an_event_that_nobody_wants_is_counted(live: Live) -> None:
    live.take(provider=UUID(int=9))
    assert live.counts() == (1, 0, 1)


def test_events_of_our_own_process_are_filtered(live: Live) -> None:
    """For each name that wants them; until the process is forgotten."""
    assert lib.tr_etw_live_ignore(live.native, os.getpid(), 1) == 0
    live.take(process_id=os.getpid())
    live.take(provider=UUID(int=9), process_id=os.getpid())
    lib.tr_etw_live_ignore(live.native, os.getpid(), 0)
    live.take(process_id=os.getpid())
    balance = live.balance(ANY)
    assert (balance.produced, balance.delivered, balance.filtered) == (2, 1, 1)
    assert live.counts() == (3, 0, 1)


def test_so_many_processes_can_be_ignored_and_no_more(live: Live) -> None:
    """A forgotten one makes room."""
    taken = [lib.tr_etw_live_ignore(live.native, pid, 1) for pid in range(1, 18)]
    assert taken == [0] * 16 + [-1]
    lib.tr_etw_live_ignore(live.native, 3, 0)
    assert lib.tr_etw_live_ignore(live.native, 99, 1) == 0


def test_names_that_stay_go_on_counting_over_an_exchange(live: Live) -> None:
    live.take()
    live.exchange(KERNEL, ANY)
    live.take()
    live.exchange(f"{ANY}:0", KERNEL)
    live.take(id=1)
    live.take(id=0)
    assert live.balance(f"{ANY}:0").delivered == 1
    live.exchange(ANY)
    assert live.balance(ANY).delivered == 0
    assert live.counts() == (4, 0, 1)


def test_nothing_runs_while_the_gate_is_closed(live: Live) -> None:
    """Windows' thread waits; what it has is delivered when the gate opens."""
    lib.tr_etw_live_gate(live.native, 0)
    thread = threading.Thread(target=live.take)
    thread.start()
    thread.join(0.05)
    assert (live.counts()[0], thread.is_alive()) == (0, True)
    lib.tr_etw_live_gate(live.native, 1)
    thread.join()
    assert len(live.seen) == 1


def test_links_are_exchanged_while_events_pour_in(live: Live) -> None:
    """Whoever asks for the lock gets it between two events; none is lost and none is counted twice."""
    done = threading.Event()
    poured = 0

    def pour() -> None:
        nonlocal poured
        while not done.is_set():
            live.take()
            poured += 1

    thread = threading.Thread(target=pour)
    thread.start()
    for _ in range(50):
        live.exchange(ANY, KERNEL)
        live.exchange(ANY)
    done.set()
    thread.join()
    assert live.balance(ANY).delivered == poured == len(live.seen)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "payload": st.binary(max_size=64),
                "provider": st.sampled_from([PROVIDER, PROCESS_CLASS, PERF_CLASS, THREAD_CLASS, UUID(int=9)]),
                "flags": st.integers(0, 0xFFFF),
                "processor": st.integers(0, 0xFFFF),
                "opcode": st.sampled_from([1, 36, 46, 51]),
                "thread_id": st.sampled_from([0, 7, NO_TASK]),
                "process_id": st.sampled_from([0, 7, NO_TASK]),
                "time_stamp": st.integers(-(1 << 63), (1 << 63) - 1),
            }
        ),
        max_size=20,
    )
)
def test_every_record_is_accounted_for(taken: list[dict[str, Any]]) -> None:
    """Whatever is in it: delivered to a name, wanted by none, or failed; and programs see only what is there."""
    names = (ANY, KERNEL, "etw-kernel:PerfInfo")
    live = Live(*names)
    try:
        for each in taken:
            live.take(**each)
        delivered = sum(live.balance(name).delivered for name in names)
        count, failed, unmatched = live.counts()
        assert count == len(taken) == delivered + failed + unmatched
        assert delivered == len(live.seen)
        assert all(seen.cpu < CPUS for seen in live.seen)
    finally:
        live.close()
