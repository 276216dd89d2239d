"""`tracerd_etw_process.h`: who the processes of other events are, as the kernel tells it. Seen through `etw_gc`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.probes.etw_recordings import START_NS, Recording, provider, replay, rows
from tests.probes.test_etw_gc import KERNEL, Runtime
from tracerd.runtime.locate import shipped_probes

START, STOP, RUNDOWN = 1, 2, 15
CLASS_START, CLASS_END, RUNNING, RUNNING_AT_END = 1, 2, 3, 4
SECOND = 10_000_000
BEGIN = 116_444_736_000_000_000 + START_NS // 100
"""The time of the recordings' first event as a FILETIME: ticks since 1601."""

ATTACHED = {
    ("on_process_start", f"etw:{KERNEL}:ProcessStart"), ("on_process_start", f"etw:{KERNEL}:ProcessRundown"),
    ("on_process_stop", f"etw:{KERNEL}:ProcessStop"), ("on_process_class", "etw-kernel:Process"),
}


def names(made: Recording) -> list[tuple[object, ...]]:
    """Return process ids with their names, a row each."""
    return sorted(rows(replay("etw_gc", made.path).tables["pauses"], "pid", "process"))


@pytest.mark.parametrize("probe", ["dns", "files", "gc", "network", "powershell", "syscalls"])
def test_every_probe_that_names_processes_is_attached_to_what_tells_of_them(probe: str) -> None:
    """As the header's comment says."""
    manifest = tomllib.loads(shipped_probes()[f"etw_{probe}"].read_text())
    assert {(each["program"], each["source"]) for each in manifest["attach"]} >= ATTACHED


@pytest.mark.parametrize("pointer_size", [4, 8])
def test_every_version_of_the_kernels_events_tells_a_name(tmp_path: Path, pointer_size: int) -> None:
    """Without its folder, cut at 39 bytes; of the class and of Kernel-Process."""
    wanted = []
    with Recording(tmp_path / "made.etl", pointer_size=pointer_size) as made:
        for version in provider("Process").versions(CLASS_START):
            pid = 100 + version
            made.kernel("Process", CLASS_START, version, {"ProcessId": pid, "ImageFileName": f"v{version}.exe"})
            wanted.append((pid, f"v{version}.exe"))
        for event in (START, RUNDOWN):
            for version in provider(KERNEL).versions(event):
                pid = 200 + 10 * event + version
                image = "\\Device\\HarddiskVolume3\\é" + "x" * 50
                made.event(KERNEL, event, version, {"ProcessID": pid, "ImageName": image})
                wanted.append((pid, "é" + "x" * 37))
        for pid, _ in wanted:
            Runtime(made, pid).collect(1, 0, pause=10)
    assert len(wanted) == 5 + 5 + 3
    assert names(made) == wanted


def test_one_start_that_is_told_twice_is_one_process(tmp_path: Path) -> None:
    """By the class and by Kernel-Process, in a list at the recording's end, and once more in a list at its begin."""
    with Recording(tmp_path / "made.etl") as made:
        made.process(100, "shop.exe", opcode=RUNNING)
        made.event(KERNEL, RUNDOWN, 1, {"ProcessID": 100, "ImageName": "\\shop.exe"})
        Runtime(made, 100).collect(1, 0, pause=10)
        made.process(100, "other.exe", opcode=RUNNING_AT_END)
        made.process(200, "late.exe", opcode=RUNNING_AT_END)
        Runtime(made, 100).collect(2, 0, pause=10)
        Runtime(made, 200).collect(1, 0, pause=10)
    assert names(made) == [(100, "shop.exe"), (200, "late.exe")]


def test_an_end_that_is_told_twice_is_one_end(tmp_path: Path) -> None:
    """The next process of that id is the second, and its own events are not those of a third."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(KERNEL, START, 3, {"ProcessID": 100, "ImageName": "\\first.exe"})
        Runtime(made, 100).collect(1, 0, pause=10)
        made.event(KERNEL, STOP, 2, {"ProcessID": 100})
        made.process(100, "first.exe", opcode=CLASS_END)
        made.event(KERNEL, START, 3, {"ProcessID": 100, "ImageName": "\\second.exe"})
        Runtime(made, 100).collect(1, 0, pause=10)
        made.process(100, "second.exe", opcode=CLASS_START)
        Runtime(made, 100).collect(2, 0, pause=10)
    assert names(made) == [(100, "first.exe"), (100, "second.exe")]


def test_a_process_that_was_only_seen_to_end_is_not_the_next_one(tmp_path: Path) -> None:
    """It began before the recording, which has no list: its events have no name."""
    with Recording(tmp_path / "made.etl") as made:
        Runtime(made, 100).collect(1, 0, pause=10)
        made.event(KERNEL, STOP, 2, {"ProcessID": 100})
        made.process(100, "second.exe", opcode=CLASS_START)
        Runtime(made, 100).collect(1, 0, pause=10)
    assert names(made) == [(100, ""), (100, "second.exe")]


def test_events_that_are_cut_or_of_no_known_version_name_nobody(tmp_path: Path) -> None:
    """A process keeps the name it had."""
    with Recording(tmp_path / "made.etl") as made:
        made.process(100, "shop.exe")
        made.event(KERNEL, START, 3, {"ProcessID": 100, "ImageName": "\\x.exe"}, cut=3)
        made.event(KERNEL, START, 3, {"ProcessID": 100, "ImageName": "\\x.exe"}, labelled=9)
        made.event(KERNEL, STOP, 2, {"ProcessID": 100}, cut=3)
        made.kernel("Process", CLASS_START, 4, {"ProcessId": 100, "ImageFileName": "x.exe"}, cut=10)
        made.kernel("Process", CLASS_START, 4, {"ProcessId": 100, "ImageFileName": "x.exe"}, cut=20)
        Runtime(made, 100).collect(1, 0, pause=10)
    assert names(made) == [(100, "shop.exe")]


@pytest.mark.parametrize(("apart", "wanted"), [
    (SECOND - 1, [(100, "second.exe")]), (SECOND, [(100, "first.exe"), (100, "second.exe")]),
])
@pytest.mark.parametrize("earlier", [False, True])
def test_starts_a_second_apart_are_of_two_processes(
    tmp_path: Path, apart: int, wanted: list[tuple[object, ...]], earlier: bool
) -> None:
    """Where the end between was not seen; also if what is told later began earlier, and whatever tells it."""
    with Recording(tmp_path / "made.etl") as made:
        told = {"ProcessID": 100, "CreateTime": BEGIN, "ImageName": "\\first.exe"}
        made.event(KERNEL, START, 3, told)
        Runtime(made, 100).collect(1, 0, pause=10)
        told |= {"CreateTime": BEGIN - apart if earlier else BEGIN + apart, "ImageName": "\\second.exe"}
        made.event(KERNEL, RUNDOWN, 1, told, after=SECOND)
        Runtime(made, 100).collect(2, 0, pause=10)
    assert names(made) == wanted


def test_a_start_of_what_ran_already_is_another_process(tmp_path: Path) -> None:
    """A list of what runs may not say since when; both providers tell of the start."""
    with Recording(tmp_path / "made.etl") as made:
        made.process(100, "first.exe", opcode=RUNNING)
        Runtime(made, 100).collect(1, 0, pause=10)
        made.process(100, "second.exe", opcode=CLASS_START, after=2)
        made.event(KERNEL, START, 3, {"ProcessID": 100, "CreateTime": BEGIN + 2, "ImageName": "\\second.exe"})
        made.process(100, "second.exe", opcode=RUNNING)
        Runtime(made, 100).collect(1, 0, pause=10)
    assert names(made) == [(100, "first.exe"), (100, "second.exe")]


def test_a_start_is_known_from_a_list_that_says_since_when(tmp_path: Path) -> None:
    """A process that was listed without its start, and then with it, is not one that starts later."""
    with Recording(tmp_path / "made.etl") as made:
        made.process(100, "first.exe", opcode=RUNNING)
        made.event(KERNEL, RUNDOWN, 1, {"ProcessID": 100, "CreateTime": BEGIN - SECOND, "ImageName": "\\first.exe"})
        Runtime(made, 100).collect(1, 0, pause=10)
        made.event(KERNEL, RUNDOWN, 1, {"ProcessID": 100, "CreateTime": BEGIN, "ImageName": "\\second.exe"})
        Runtime(made, 100).collect(1, 0, pause=10)
    assert names(made) == [(100, "first.exe"), (100, "second.exe")]


def test_process_4_is_the_system_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    """An event that tells of it may have no name."""
    with Recording(tmp_path / "made.etl") as made:
        Runtime(made, 4).collect(1, 0, pause=10)
        made.process(4, "", opcode=RUNNING)
        Runtime(made, 4).collect(2, 0, pause=10)
        Runtime(made, 8).collect(1, 0, pause=10)
    assert names(made) == [(4, "System"), (8, "")]
