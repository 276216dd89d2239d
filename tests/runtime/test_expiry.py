"""Maps that are keyed by process: ended ones make room when it is needed, never before, and never living ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tracerd.config import Probe
from tracerd.elf.load import load
from tracerd.errors import ConfigError
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import MapKind
from tracerd.runtime.expiry import Expiring, expiring_maps
from tracerd.runtime.locate import locate
from tracerd.views.columns import MapColumns
from tracerd.vm.maps import Map

ENTRIES = 16


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Map, Expiring, Path]]:
    """The map of the syscalls probe, small, and a /proc of our own."""
    monkeypatch.setattr("tracerd.runtime.expiry.initial_pid_namespace", lambda: True)
    obj = load(locate("syscalls").object)
    spec = replace(next(each for each in obj.maps if each.name == "calls"), max_entries=ENTRIES)
    with Map(spec, MapKind.PERCPU_HASH, 2) as made:
        yield made, Expiring("calls", "key.pid", MapColumns(spec, obj.btf), tmp_path), tmp_path


def put(made: Map, pids: range) -> None:
    value = bytes(made.layout.cpu_stride * made.cpus)
    for pid in pids:
        made.update(struct.pack("<II", pid, 0), value)


def pids_in(made: Map) -> set[int]:
    return {struct.unpack("<II", key)[0] for key, _ in made.items()}


def test_as_long_as_there_is_room_the_dead_stay(calls: tuple[Map, Expiring, Path]) -> None:
    """A session of minutes shows ended processes too."""
    made, expiring, _ = calls
    put(made, range(1, 12))
    assert [expiring.sweep(made) for _ in range(3)] == [0, 0, 0]


def test_the_dead_make_room_at_the_second_look_and_are_counted(calls: tuple[Map, Expiring, Path]) -> None:
    """Living ones stay; one that dies between the looks waits for the next."""
    made, expiring, proc = calls
    put(made, range(1, 13))
    for pid in (1, 2, 3):
        (proc / str(pid)).mkdir()
    assert expiring.sweep(made) == 0
    (proc / "3").rmdir()
    assert expiring.sweep(made) == 9
    assert (pids_in(made), expiring.expired) == ({1, 2, 3}, 9)
    put(made, range(20, 33))
    assert made.statistics.refused == 0


def test_a_process_that_comes_back_between_two_looks_is_not_dead(calls: tuple[Map, Expiring, Path]) -> None:
    """Its number was given to another, or the look was too early."""
    made, expiring, proc = calls
    put(made, range(1, 13))
    expiring.sweep(made)
    (proc / "7").mkdir()
    expiring.sweep(made)
    assert pids_in(made) == {7}


def test_in_a_container_nothing_expires(calls: tuple[Map, Expiring, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's numbers are not those of its /proc: everybody would look dead."""
    made, expiring, _ = calls
    monkeypatch.setattr("tracerd.runtime.expiry.initial_pid_namespace", lambda: False)
    put(made, range(1, 17))
    assert [expiring.sweep(made) for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(("expire", "says"), [
    (("called", "key.pid"), "none of that name; it has: in_flight, calls"),
    (("calls", "key.tid"), "no field 'key.tid'; it has: key.pid, key.syscall"),
    (("calls", "value.count"), "its key has no field"),
    ((".rodata", "key"), "it is no hash map"),
])  # fmt: skip
def test_what_cannot_expire_is_refused(expire: tuple[str, str], says: str) -> None:
    """With what there is."""
    probe: Probe = replace(locate("syscalls"), expire=(expire,))
    with pytest.raises(ConfigError, match=says):
        expiring_maps(probe, load(probe.object), LINUX)
