"""Maps that several probes have: freed with the last of them, whatever was pinned and unpinned meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.map_files import output
from tests.vm.pinned import needs_map_files
from tracerd.elf.spec import MapSpec, ObjectSpec
from tracerd.errors import RunError
from tracerd.platforms.model import MapKind
from tracerd.runtime.pinned_maps import PinnedMaps
from tracerd.runtime.pins import Pins
from tracerd.runtime.rings import RingReader
from tracerd.vm.maps import Map

pytestmark = needs_map_files

TOTAL = MapSpec("total", MapKind.ARRAY.value, 4, 8, 1, pinned=True)
RING = MapSpec("ring", MapKind.RINGBUF.value, 0, 0, 4096, pinned=True)
OBJECT = ObjectSpec("x.bpf.o", "", (), (TOTAL, RING), None)
ZERO = bytes(4)
MOST = 1 << 20


@pytest.fixture
def maps(tmp_path: Path) -> Iterator[PinnedMaps]:
    pins = Pins(tmp_path / "pins")
    yield PinnedMaps(pins, lambda _probe, _name: "", MOST)
    pins.close()


def load(maps: PinnedMaps, probe: str, spec: MapSpec = TOTAL) -> Map:
    return maps.make(probe, spec, OBJECT, MapKind(spec.type), 1)


def pin(maps: PinnedMaps, made: Map) -> None:
    maps.prepare("total", made, TOTAL, OBJECT)
    maps.commit("total", made, TOTAL)


def test_a_map_that_is_pinned_again_lives_as_long_as_its_last_probe(maps: PinnedMaps) -> None:
    """Unpinned and pinned under its probes, it is counted once: unloading some does not free it for the rest."""
    first, second = load(maps, "first"), load(maps, "second")
    maps.unpin("total")
    pin(maps, first)
    third = load(maps, "third")
    assert first is second is third
    maps.release(third)
    maps.release(second)
    first.update(ZERO, b"8 bytes.")
    assert first.lookup(ZERO) == b"8 bytes."
    maps.release(first)
    assert not first.handle


def test_a_pin_that_was_made_anew_is_found_by_the_next_load(maps: PinnedMaps) -> None:
    """Unpinned, pinned, unloaded, loaded: the map in the file, not one that is closed."""
    made = load(maps, "first")
    maps.settle()
    maps.unpin("total")
    pin(maps, made)
    made.update(ZERO, b"8 bytes.")
    maps.release(made)
    maps.sync()
    again = load(maps, "first")
    assert again.lookup(ZERO) == b"8 bytes."
    maps.release(again)


def test_two_readers_of_one_ring_take_every_record_once(maps: PinnedMaps) -> None:
    """Probes that pin a ring by one name have it together; whoever reads a record, nobody reads it again."""
    ring = load(maps, "first", RING)
    assert load(maps, "second", RING) is ring
    readers = [RingReader(ring), RingReader(ring)]
    done = threading.Event()

    def empty(reader: RingReader) -> None:
        while not done.is_set():
            reader.empty()

    threads = [threading.Thread(target=empty, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    written = sum(output(ring, number.to_bytes(8, "little")) for number in range(20_000))
    done.set()
    for thread in threads:
        thread.join()
    readers[0].empty()
    assert sum(reader.snapshot().records for reader in readers) == written
    maps.release(ring)
    maps.release(ring)


def test_too_much_is_refused_before_memory_or_disk_is_taken(maps: PinnedMaps, tmp_path: Path) -> None:
    """All maps of one change are counted together; those of earlier ones are their owner's to count."""
    half = replace(TOTAL, name="half", max_entries=MOST // 16 - 40, pinned=False)
    big = replace(TOTAL, name="big", max_entries=400 << 20)
    with pytest.raises(RunError, match="more than the limit of 1 MiB"):
        load(maps, "first", big)
    assert list((tmp_path / "pins").iterdir()) == []
    made = [load(maps, "first", half), load(maps, "first", half)]
    with pytest.raises(RunError, match="more than the limit"):
        load(maps, "first", half)
    maps.settle()
    made.append(load(maps, "second", half))
    for each in made:
        maps.release(each)


def test_a_load_that_fails_leaves_no_pin(maps: PinnedMaps, tmp_path: Path) -> None:
    """A pin that was there before stays; so does one of a load that came to its end."""
    maps.release(load(maps, "refused"))
    assert list((tmp_path / "pins").iterdir()) == []
    made = load(maps, "good")
    maps.settle()
    made.update(ZERO, b"8 bytes.")
    maps.release(made)
    maps.release(load(maps, "refused"))
    again = load(maps, "good")
    assert again.lookup(ZERO) == b"8 bytes."
    maps.release(again)


def test_a_pinned_map_counts_since_it_was_made_whoever_opens_it(maps: PinnedMaps, tmp_path: Path) -> None:
    """Loaded again, or by the next daemon: its totals have the start they had, also if it was pinned while it lived."""
    made = load(maps, "first")
    maps.settle()
    since = made.since_ns
    assert made.snapshot().since_ns == since > 0
    maps.release(made)
    later = Pins(tmp_path / "pins")
    again = PinnedMaps(later, lambda _probe, _name: "", MOST)
    opened = load(again, "first")
    assert opened.since_ns == since
    again.settle()
    again.unpin("total")
    pin(again, opened)
    again.release(opened)
    third = load(again, "first")
    assert third.since_ns == since
    again.release(third)
    later.close()
