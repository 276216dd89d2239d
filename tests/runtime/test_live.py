"""A daemon's sources: links come and go while events flow, and those that stay lose nothing."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.live import need_live_events, start
from tests.sources.programs import COUNT, PRINT, PRINTS, Native
from tracerd.errors import ConfigError, RunError, SourceError
from tracerd.linux.cpus import online
from tracerd.runtime.live import LiveSources
from tracerd.runtime.objects import SourceInfo
from tracerd.sources.base import LinkRequest, Pause
from tracerd.sources.choose import LiveOptions
from tracerd.sources.perf import PerfOptions
from tracerd.sources.perf_events import PerfEvents
from tracerd.sources.system.source import SystemRelink
from tracerd.sources.ticks import TicksRelink

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]


@pytest.fixture
def live() -> Iterator[LiveSources]:
    need_live_events()
    sources = LiveSources(LiveOptions(), lambda: None)
    yield sources
    sources.close()


KEPT: list[Native] = []
"""Programs outlive the sources that run them."""


def link(event: str, native: Native | None = None, need: int = 8) -> LinkRequest:
    KEPT.append(native or Native(COUNT))
    return LinkRequest(event, KEPT[-1].program, need)


def test_a_link_that_stays_counts_every_call_while_others_come_and_go(live: LiveSources) -> None:
    """A million calls of a child are counted to the last, over twenty changes of the links beside it."""
    stays, guest = Native(COUNT), Native(COUNT)
    first = link("syscall:getppid:enter", stays)
    live.relink([first])
    child = start("hammer(1_000_000, 0)")
    changes = 0
    while child.poll() is None:
        live.relink([first, link("syscall:*:exit", guest), link("tracepoint:sched:sched_switch", guest)])
        live.relink([first, link("syscall:getppid:enter", guest)])
        live.relink([first])
        changes += 3
    time.sleep(0.2)
    assert live.stop() == []
    assert stays.thread(child.pid)[0] == 1_000_000
    assert changes >= 6
    ledger = live.ledger()
    assert {name: balance.missing for name, balance in ledger.items()} == dict.fromkeys(ledger, 0)
    assert ledger["syscall:getppid:enter"].lost == 0
    delivered, failed = live.counts(first)
    assert (delivered, failed) == (ledger["syscall:getppid:enter"].delivered, 0)


def test_nothing_stays_open_when_nothing_is_linked(live: LiveSources) -> None:
    """Rings, tracepoints and threads are gone with the last link; the ledger stays."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        live.relink([link("syscall:getppid:enter"), link("process:sample")])
        live.relink([])
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert live.ledger()["syscall:getppid:enter"].missing == 0


def test_a_change_that_cannot_be_made_changes_nothing(live: LiveSources) -> None:
    """One impossible event among good ones: the error names it, the links there are go on, nothing is left open."""
    stays = Native(COUNT)
    first = link("syscall:getppid:enter", stays)
    live.relink([first])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for event, error in (("syscall:getppidd:enter", ConfigError), ("process:sample", SourceError)):
        with pytest.raises(error, match=event):
            live.relink([first, link("tracepoint:sched:sched_switch"), link(event, need=9999)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    child = start("hammer(1000, 0)")
    child.wait()
    live.stop()
    assert stays.thread(child.pid)[0] == 1000


def test_process_events_come_and_go_and_their_ledgers_add_up(live: LiveSources) -> None:
    """Each time they are linked anew every process is seen to start, and the balance is even over all times."""
    for _ in range(3):
        starts = Native(COUNT)
        live.relink([link("process:start", starts)])
        for _ in range(20):
            start("pass").wait()
        live.relink([link("syscall:getppid:enter", starts)])
    live.stop()
    ledger = live.ledger()["process:start"]
    assert ledger.delivered >= 60
    assert ledger.missing == 0


def test_timed_programs_begin_and_end_with_their_links(live: LiveSources) -> None:
    """A begin program runs when it is linked, an end program when its link goes; an interval beside them ticks on."""
    ticks, begin, end = Native(COUNT), Native(COUNT), Native(COUNT)
    always = link("interval:20ms", ticks)
    live.relink([always])
    live.relink([always, link("begin", begin), link("end", end)])
    assert live.counts(link("begin", begin)) == (1, 0)
    assert live.counts(link("end", end)) == (0, 0)
    time.sleep(0.1)
    live.relink([always])
    ledger = live.ledger()
    assert (ledger["begin"].delivered, ledger["end"].delivered) == (1, 1)
    assert live.counts(always)[0] >= 4


def test_pumps_are_parked_and_go_on(live: LiveSources) -> None:
    """While parked no program runs; the events that came meanwhile are delivered after."""
    native = Native(COUNT)
    one = link("syscall:getppid:enter", native)
    live.relink([one, link("interval:10ms")])
    with live.parked():
        child = start("hammer(5000, 0)")
        child.wait()
        assert live.counts(one)[0] == 0 or native.thread(child.pid)[0] == 0
    live.stop()
    assert native.thread(child.pid)[0] == 5000


@pytest.mark.parametrize("step", ["install", "enable", "link"])
def test_a_change_that_fails_half_way_leaves_no_new_program_linked(
    live: LiveSources, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whoever asked frees the refused programs: none may still be run, the old links go on, nothing stays open."""
    stays, refused = Native(COUNT), Native(COUNT)
    first = link("syscall:getppid:enter", stays)
    live.relink([first, link("interval:1s")])
    before = len(list(Path("/proc/self/fd").iterdir()))
    honest = getattr(PerfEvents, step)

    def fails(events: PerfEvents, *arguments: object) -> object:
        if any(getattr(row, "event", getattr(row, "name", "")).endswith("getuid:enter") for row in arguments[0]):  # type: ignore[attr-defined]
            raise RunError("perf", "injected")
        return honest(events, *arguments)

    monkeypatch.setattr(PerfEvents, step, fails)
    with pytest.raises(RunError, match="injected"):
        live.relink([first, link("interval:1s"), link("interval:2s", refused), link("syscall:getuid:enter", refused)])
    monkeypatch.undo()
    assert live.counts(LinkRequest("interval:2s", refused.program, 8)) == (0, 0)
    child = start("import os; hammer(1000, 0); [os.getuid() for _ in range(1000)]")
    child.wait()
    live.relink([first])
    live.stop()
    assert stays.thread(child.pid)[0] == 1000
    assert refused.words(child.pid << 32 | child.pid) is None
    assert live.failed() == {}
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_change_that_fails_halfway_runs_none_of_its_programs(
    live: LiveSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer has its new links when another source refuses: they are taken back, and those before go on."""
    stays, refused = Native(COUNT), Native(COUNT)
    before = [link("interval:10ms", stays), link("process:sample", stays)]
    live.relink(before)

    make, failures = SystemRelink.make, [SourceError("system", "fails")]

    def fail_once(self: SystemRelink, pause: Pause) -> None:
        if failures:
            raise failures.pop()
        make(self, pause)

    monkeypatch.setattr(SystemRelink, "make", fail_once)
    with pytest.raises(SourceError, match="system: fails"):
        live.relink([*before, link("interval:5ms", refused), link("process:start", refused)])
    ran, went_on = refused.program.runs, stays.program.runs
    time.sleep(0.3)
    assert refused.program.runs == ran
    assert stays.program.runs > went_on
    assert live.failed() == {}


@pytest.mark.parametrize("step", ["make", "finish"])
def test_a_defect_in_a_change_closes_the_source_rather_than_leave_a_freed_program_in_it(
    live: LiveSources, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Not only foreseen errors: whatever a source raises, its refused programs run no more, and it is told."""
    stays, refused = Native(COUNT), Native(COUNT)
    live.relink([link("interval:10ms", stays)])

    def defect(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr(TicksRelink, step, defect)
        wanted = [link("interval:10ms", stays), link("interval:5ms", refused)]
        if step == "make":
            with pytest.raises(ZeroDivisionError):
                live.relink(wanted)
        else:
            live.relink(wanted)
        assert live.failed() == {"timer": "a defect"}
    ran = refused.program.runs
    time.sleep(0.1)
    assert refused.program.runs == ran
    assert live.revive() == ["timer"]
    assert live.failed() == {}


def test_more_names_of_intervals_than_there_is_room_for_are_refused_whole(live: LiveSources) -> None:
    """Every name keeps its ledger: with too many over time a change is refused before any of it is made."""
    stays, refused = Native(COUNT), Native(COUNT)
    first = link("interval:1h", stays)
    for at in range(0, 255, 51):
        live.relink([first, *(link(f"interval:{number + 10}ms", stays) for number in range(at, at + 51))])
    with pytest.raises(SourceError, match="more than 256 different"):
        live.relink([first, link("interval:10ms", refused), link("interval:5ms", refused)])
    time.sleep(0.1)
    assert refused.program.runs == 0
    live.relink([])
    live.relink([link("interval:5ms", refused)])
    time.sleep(0.1)
    assert refused.program.runs > 0


def test_a_source_that_cannot_be_opened_again_is_told_and_tried_again(
    live: LiveSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not forgotten because it does not run: `failed` names it until `revive` has brought it back."""
    stays = Native(COUNT)
    live.relink([link("interval:10ms", stays)])

    def fail(*_: object) -> None:
        raise SourceError("interval", "fails")

    with monkeypatch.context() as broken:
        broken.setattr(TicksRelink, "make", fail)
        with pytest.raises(SourceError):
            live.relink([link("interval:10ms", stays), link("interval:5ms", stays)])
        assert list(live.failed()) == ["timer"]
        with pytest.raises(SourceError):
            live.revive()
        assert list(live.failed()) == ["timer"]
    assert live.revive() == ["timer"]
    assert live.failed() == {}
    ran = stays.program.runs
    time.sleep(0.1)
    assert stays.program.runs > ran


def by_name(live: LiveSources) -> dict[str, SourceInfo]:
    """Return the sources there are by their names."""
    return {info.name: info for info in live.infos()}


def test_sources_tell_their_rings_and_what_links_to_them() -> None:
    """One a CPU, as large as was asked for; who polls or ticks has none, and who has no links is not there."""
    need_live_events()
    live = LiveSources(LiveOptions(perf=PerfOptions(pages=64)), lambda: None)
    try:
        assert live.infos() == []
        two = [link("syscall:getppid:enter"), link("syscall:getppid:enter")]
        live.relink([*two, link("interval:10ms"), link("process:sample")])
        infos = by_name(live)
        assert list(infos) == ["timer", "system", "perf"]
        perf = infos["perf"]
        assert (perf.events, perf.links, perf.failure) == (("syscall:getppid:enter",), 2, "")
        assert (perf.buffers, perf.buffer_bytes) == (len(online()), 64 * mmap.PAGESIZE)
        for name, event in (("timer", "interval:10ms"), ("system", "process:sample")):
            told = infos[name]
            assert (told.events, told.links, told.buffers, told.buffer_bytes) == ((event,), 1, 0, 0)
        start("hammer(50_000, 0)").wait()
        assert by_name(live)["perf"].cpu_ns > 0
        live.relink(two)
        assert list(by_name(live)) == ["perf"]
    finally:
        live.close()


def test_every_event_of_the_ledger_has_its_source(live: LiveSources) -> None:
    """Tracepoints that only help to make process events too: what they lose is lost in the same rings."""
    live.relink([link("process:start"), link("interval:1s")])
    events = [event for info in live.infos() for event in info.events]
    assert sorted(events) == sorted(live.ledger())


def test_a_source_that_does_not_run_is_told_with_its_links_and_why(
    live: LiveSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no rings and takes no time."""
    live.relink([link("interval:10ms")])

    def defect(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr(TicksRelink, "make", defect)
        with pytest.raises(ZeroDivisionError):
            live.relink([*live._placed, link("interval:5ms")])
    assert live.infos() == [SourceInfo("timer", ("interval:10ms",), 1, failure="a defect")]
    live.revive()
    assert by_name(live)["timer"].failure == ""


@pytest.mark.parametrize("event", ["begin", "process:sample", "syscall:getppid:enter"])
def test_printed_lines_that_find_no_room_are_counted_to_the_last(live: LiveSources, event: str) -> None:
    """Whether in the program's buffer or on the way: taken and lost are all; who follows is told the same."""
    follower = live.printed.follow()
    live.relink([link("interval:20ms"), link(event, Native(PRINTS))])
    if event.startswith("syscall"):
        start("hammer(1, 0)").wait()
    taken: list[str] = []
    lost = 0
    end = time.monotonic() + 30
    while not taken or len(taken) + lost < PRINT:
        assert time.monotonic() < end, (len(taken), lost)
        lines, more = live.take_printed()
        taken += lines
        lost += more
        time.sleep(0.02)
    assert set(taken) == {"\x1b[31m!"}
    assert lost > 0
    followed, missed = follower.take(0)
    assert followed[0] == taken[0]
    assert len(followed) + missed == len(taken) + lost
