"""The probe `etw_gc` over recordings whose truth is known, and a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.probes.etw_recordings import Recording, replay, replay_both, rows
from tests.sources.etl_support import SAMPLES, needs_samples

CLR = "Microsoft-Windows-DotNETRuntime"
RUNDOWN = "Microsoft-Windows-DotNETRuntimeRundown"
KERNEL = "Microsoft-Windows-Kernel-Process"
START, END, RESTARTED, HEAP, SUSPENDED, SUSPEND, TICK, INFORMATION = 1, 2, 3, 4, 8, 9, 10, 187
BLOCKING, BACKGROUND, FOREGROUND = 0, 1, 2
US = 10
"""Ticks of a microsecond."""


class Runtime:
    """A runtime that writes events."""

    def __init__(self, recording: Recording, pid: int, instance: int = 9) -> None:
        self._recording, self._pid, self._instance = recording, pid, instance

    def event(self, number: int, version: int, after: int = 0, **values: Any) -> None:
        if version or number == INFORMATION:
            values["ClrInstanceID"] = self._instance
        self._recording.event(CLR, number, version, values, after=after, pid=self._pid, tid=self._pid + 1)

    def collect(self, number: int, generation: int, *, pause: int, reason: int = 0, kind: int = BLOCKING) -> None:
        """Stop for `pause` ticks, of which one is stopping, and collect for all but two of them."""
        self.event(SUSPEND, 1, Reason=1, Count=number - 1)
        self.event(SUSPENDED, 1, after=1)
        self.event(START, 2, Count=number, Depth=generation, Reason=reason, Type=kind)
        self.event(END, 1, after=pause - 2, Count=number, Depth=generation)
        self.event(RESTARTED, 1, after=1)


def test_pauses_collections_and_their_reasons_are_counted(tmp_path: Path) -> None:
    """A pause is from the begin of the suspension to the end of the restart; a collection from its start to its end."""
    with Recording(tmp_path / "made.etl") as made:
        made.process(100, "\\Device\\HarddiskVolume3\\shop\\shop.exe")
        runtime = Runtime(made, 100)
        for number, generation in enumerate([0, 0, 0, 1, 2], 1):
            runtime.collect(number, generation, pause=100 * US * number, reason=1 if generation == 2 else 0)
    found = replay_both("etw_gc", made.path)
    (row,) = found.tables["pauses"]
    assert row == {
        "process": "shop.exe", "pid": 100, "gen0": 3, "gen1": 1, "gen2": 1, "p50_ns": row["p50_ns"],
        "p99_ns": row["p99_ns"], "max_ns": 500_000, "paused_ns": 1_500_000, "pauses": 5, "stopping_ns": 500,
        "background": 0, "clr": 9, "runtime": "", "unmatched": 0,
    }
    assert 262_144 <= row["p50_ns"] <= 500_000 >= row["p99_ns"]
    assert rows(found.tables["collections"], "generation", "reason", "kind", "count", "longest_ns", "total_ns") == [
        (0, "AllocSmall", "blocking", 3, 299_800, 599_400),
        (1, "AllocSmall", "blocking", 1, 399_800, 399_800),
        (2, "Induced", "blocking", 1, 499_800, 499_800),
    ]
    found.totals(collections=5)
    assert (found.via, found.refused) == ("", {})


def test_a_background_collection_may_have_others_in_it(tmp_path: Path) -> None:
    """They are told apart by their numbers: the one that began first ends last."""
    with Recording(tmp_path / "made.etl") as made:
        runtime = Runtime(made, 100)
        runtime.event(START, 2, Count=7, Depth=2, Reason=14, Type=BACKGROUND)
        runtime.collect(8, 0, pause=10 * US, kind=FOREGROUND)
        runtime.collect(9, 1, pause=20 * US, kind=FOREGROUND)
        runtime.event(END, 1, after=70 * US, Count=7, Depth=2)
    found = replay_both("etw_gc", made.path)
    assert rows(found.tables["collections"], "generation", "reason", "kind", "longest_ns") == [
        (0, "AllocSmall", "foreground", 9_800),
        (1, "AllocSmall", "foreground", 19_800),
        (2, "BgcTuningSOH", "background", 100_000),
    ]
    assert rows(found.tables["pauses"], "gen0", "gen1", "gen2", "background", "pauses") == [(1, 1, 1, 1, 2)]


def test_runtimes_of_one_process_are_told_apart(tmp_path: Path) -> None:
    """By ClrInstanceID: a pause of one is none of the other, though both are under way at once."""
    with Recording(tmp_path / "made.etl") as made:
        one, other = Runtime(made, 100, 8), Runtime(made, 100, 9)
        one.event(SUSPEND, 1, Reason=1)
        other.event(SUSPEND, 1, after=10 * US, Reason=1)
        one.event(RESTARTED, 1, after=10 * US)
        other.event(RESTARTED, 1, after=30 * US)
    found = replay("etw_gc", made.path)
    assert rows(found.tables["pauses"], "clr", "pauses", "paused_ns") == [(9, 1, 40_000), (8, 1, 20_000)]


def test_the_events_of_the_oldest_runtimes_are_read(tmp_path: Path) -> None:
    """Version 0 has neither instance nor kind, and its reasons are narrower."""
    with Recording(tmp_path / "made.etl", pointer_size=4) as made:
        runtime = Runtime(made, 100)
        runtime.event(SUSPEND, 0, Reason=1)
        runtime.event(START, 0, Count=1, Reason=4)
        runtime.event(END, 0, after=5, Count=1, Depth=2)
        runtime.event(HEAP, 0, GenerationSize0=1, GenerationSize1=2, GenerationSize2=4, GenerationSize3=8)
        runtime.event(RESTARTED, 0, after=5)
        runtime.event(TICK, 0, AllocationAmount=1000, AllocationKind=1)
    found = replay("etw_gc", made.path)
    assert rows(found.tables["pauses"], "gen2", "pauses", "paused_ns", "clr") == [(1, 1, 1000, 0)]
    assert rows(found.tables["collections"], "reason", "kind", "total_ns") == [("AllocLarge", "", 500)]
    assert rows(found.tables["heaps"], "heap", "allocated") == [(15, 1000)]
    assert rows(found.tables["allocations"], "type", "bytes", "large") == [("", 1000, 1)]


def test_heaps_are_as_the_last_collection_left_them(tmp_path: Path) -> None:
    """All generations add up, pinned objects' too where there are any; the peak stays."""
    sizes = {f"GenerationSize{i}": 10**i for i in range(5)}
    with Recording(tmp_path / "made.etl") as made:
        runtime = Runtime(made, 100)
        runtime.event(HEAP, 2, **sizes, PinnedObjectCount=3, GCHandleCount=70)
        runtime.event(HEAP, 1, GenerationSize2=500, PinnedObjectCount=4, GCHandleCount=71)
    (row,) = replay("etw_gc", made.path).tables["heaps"]
    assert row == {
        "process": "", "pid": 100, "heap": 500, "peak": 11111, "allocated": 0, "gen0": 0, "gen1": 0, "gen2": 500,
        "loh": 0, "poh": 0, "pinned": 4, "handles": 71, "clr": 9,
    }


@pytest.mark.parametrize("pointer_size", [4, 8])
def test_allocations_are_told_by_type(tmp_path: Path, pointer_size: int) -> None:
    """In all versions of the event that have one; long names are cut, and more than 4 GB at once are counted."""
    with Recording(tmp_path / "made.etl", pointer_size=pointer_size) as made:
        runtime = Runtime(made, 100)
        for version in (2, 3, 4):
            runtime.event(TICK, version, AllocationAmount=7, AllocationAmount64=5 << 30, TypeName="System.String")
        runtime.event(TICK, 4, AllocationAmount64=100_000, AllocationKind=2, TypeName="Ü" * 100)
    found = replay_both("etw_gc", made.path)
    assert rows(found.tables["allocations"], "type", "bytes", "samples", "large") == [
        ("System.String", 15 << 30, 3, 0), ("Ü" * 47, 100_000, 1, 1),
    ]
    found.totals(allocation_ticks=4)


def test_a_recording_that_begins_in_a_pause_makes_none_up(tmp_path: Path) -> None:
    """A restart without its suspension, a suspension without a restart, a collection's end without its start."""
    with Recording(tmp_path / "made.etl") as made:
        runtime = Runtime(made, 100)
        runtime.event(END, 1, Count=41, Depth=1)
        runtime.event(RESTARTED, 1)
        runtime.event(SUSPEND, 1, after=US, Reason=1)
        runtime.event(SUSPEND, 1, after=US, Reason=6)
        runtime.event(RESTARTED, 1, after=US)
    found = replay("etw_gc", made.path)
    assert rows(found.tables["pauses"], "gen1", "pauses", "paused_ns", "unmatched") == [(1, 1, 1000, 2)]
    assert rows(found.tables["collections"], "generation", "reason", "kind", "total_ns") == [(1, "", "", 0)]
    found.totals(collections=1, unmatched=2)


def test_other_reasons_to_stop_are_no_pauses_of_a_collection(tmp_path: Path) -> None:
    """A debugger's or a shutdown's are counted apart."""
    with Recording(tmp_path / "made.etl") as made:
        runtime = Runtime(made, 100)
        for reason in (0, 2, 3, 4, 5, 7):
            runtime.event(SUSPEND, 1, Reason=reason)
            runtime.event(RESTARTED, 1, after=US)
    found = replay("etw_gc", made.path)
    assert rows(found.tables["pauses"], "pauses", "paused_ns") == [(0, 0)]
    found.totals(other_stops=6)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('"C:\\Program Files\\shop\\shop.exe" --port 80', "shop.exe"),
        ("C:\\dotnet\\dotnet.exe C:\\shop\\shop.dll", "dotnet.exe"),
        ("shop.exe", "shop.exe"),
        ("", ""),
        ("C:\\" + "d" * 300 + "\\shop.exe", ""),
        ("C:\\" + "n" * 60 + ".exe", "n" * 39),
    ],
)
def test_without_the_kernels_word_a_process_is_named_by_its_command_line(tmp_path: Path, line: str, name: str) -> None:
    """By the file name in its first word; what is cut off before that is not guessed."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(RUNDOWN, INFORMATION, 0, {"ClrInstanceID": 9, "CommandLine": line}, pid=100)
        Runtime(made, 100).collect(1, 0, pause=US)
    found = replay("etw_gc", made.path)
    assert rows(found.tables["pauses"], "process", "pauses") == [(name, 1)]


def test_a_process_id_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    """Told by the kernel, or by a runtime that starts where one ran."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(KERNEL, 1, 3, {"ProcessID": 100, "ImageName": "\\a\\old.exe"})
        Runtime(made, 100).collect(1, 0, pause=US)
        made.event(KERNEL, 2, 2, {"ProcessID": 100})
        made.event(KERNEL, 1, 0, {"ProcessID": 100, "ImageName": "\\a\\new.exe"})
        Runtime(made, 100).collect(1, 0, pause=2 * US)
        for pause in (3, 4):
            Runtime(made, 200).event(INFORMATION, 0, CommandLine="x.exe", RuntimeDllPath="C:\\w\\clr.dll")
            Runtime(made, 200).collect(1, 0, pause=pause * US)
    found = replay("etw_gc", made.path)
    assert rows(found.tables["pauses"], "process", "pid", "max_ns", "runtime") == [
        ("x.exe", 200, 4000, "clr.dll"), ("x.exe", 200, 3000, "clr.dll"),
        ("new.exe", 100, 2000, ""), ("old.exe", 100, 1000, ""),
    ]


def test_events_that_are_too_short_are_counted_as_such(tmp_path: Path) -> None:
    """Cut anywhere before what they are counted by; the source says so as well."""
    with Recording(tmp_path / "made.etl") as made:
        for number, version, size in ((SUSPEND, 1, 3), (START, 2, 3), (END, 1, 7), (HEAP, 1, 80), (TICK, 3, 3)):
            for cut in (0, size):
                made.event(CLR, number, version, cut=cut, pid=100)
    found = replay_both("etw_gc", made.path)
    found.totals(unreadable=10)
    assert found.tables["pauses"] == []
    assert found.via == "fields not read of events: 10 shorter than their schema"


def test_a_version_that_nobody_knows_is_not_read(tmp_path: Path) -> None:
    """Nothing is made up for a layout that is not published."""
    with Recording(tmp_path / "made.etl") as made:
        for number, version in ((SUSPEND, 1), (START, 2), (END, 1), (HEAP, 2), (TICK, 4)):
            made.event(CLR, number, version, labelled=77, pid=100)
    found = replay("etw_gc", made.path)
    found.totals(unreadable=5)
    assert found.via == "fields not read of events: 5 without a schema"


def test_types_that_find_no_room_are_counted(tmp_path: Path) -> None:
    """Each of their events is one refused; the runtime's own sum has them."""
    with Recording(tmp_path / "made.etl") as made:
        runtime = Runtime(made, 100)
        for number in range(16_400):
            runtime.event(TICK, 2, AllocationAmount64=1, TypeName=f"T{number}")
    found = replay("etw_gc", made.path)
    assert len(found.tables["allocations"]) == 16_384
    assert found.refused == {"types": 16}
    assert rows(found.tables["heaps"], "allocated") == [(16_400,)]


@needs_samples
def test_a_real_recording_has_its_two_induced_collections() -> None:
    """Two collections that a program asked for, 787 and 542 us long, and twelve allocation ticks."""
    found = replay_both("etw_gc", SAMPLES / "perfview_gcevents.etl")
    assert rows(found.tables["pauses"], "pid", "gen0", "gen1", "gen2", "max_ns", "paused_ns", "clr", "runtime") == [
        (179596, 0, 1, 1, 786_700, 1_328_800, 8, "coreclr.dll")
    ]
    assert rows(found.tables["collections"], "generation", "reason", "total_ns") == [
        (1, "Induced", 702_700), (2, "Induced", 512_200),
    ]
    assert rows(found.tables["heaps"], "heap", "peak", "allocated") == [(436_504, 657_192, 1_449_944)]
    assert rows(found.tables["allocations"], "type", "samples")[:2] == [("System.Char[]", 5), ("System.String", 3)]
    found.totals(collections=2, allocation_ticks=12)
