"""Live maps against the obvious model: a Python dictionary, a list of records."""

from __future__ import annotations

import struct
import threading
from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.vm.machine import make_map
from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind

KEYED = [kind for kind in MapKind if kind.keyed]


class DictModel(RuleBasedStateMachine):
    """A hash map and a dictionary live through the same operations."""

    kind = MapKind.HASH
    cpus = 1

    @initialize(key_size=st.sampled_from((1, 3, 4, 8, 11, 16, 40)), value_size=st.sampled_from((1, 4, 8, 13, 24)),
                max_entries=st.integers(1, 8))
    def create(self, key_size: int, value_size: int, max_entries: int) -> None:
        self.map = make_map(self.kind, key_size, value_size, max_entries, cpus=self.cpus)
        self.model: dict[bytes, bytes] = {}
        self.refused = 0

    def key(self, number: int) -> bytes:
        return (number.to_bytes(1, "little") + b"k" * self.map.key_size)[: self.map.key_size]

    def value(self, number: int) -> bytes:
        return b"".join(
            bytes([number ^ cpu]) * self.map.value_size + b"\0" * self.padding for cpu in range(self.map.cpus)
        )

    @property
    def padding(self) -> int:
        return -self.map.value_size % 8 if self.kind.per_cpu else 0

    @rule(key=st.integers(0, 12), value=st.integers(0, 255), flags=st.integers(0, 2))
    def update(self, key: int, value: int, flags: int) -> None:
        name = self.key(key)
        there = name in self.model
        full = not there and len(self.model) == self.map.max_entries
        if (flags == 1 and there) or (flags == 2 and not there) or full:
            self.refused += full and flags != 2
            with pytest.raises(RunError):
                self.map.update(name, self.value(value), flags)
        else:
            self.map.update(name, self.value(value), flags)
            self.model[name] = self.value(value)

    @rule(key=st.integers(0, 12))
    def delete(self, key: int) -> None:
        assert self.map.delete(self.key(key)) is (self.model.pop(self.key(key), None) is not None)

    @rule(key=st.integers(0, 12))
    def lookup(self, key: int) -> None:
        assert self.map.lookup(self.key(key)) == self.model.get(self.key(key))

    @invariant()
    def same_contents(self) -> None:
        if not hasattr(self, "map"):
            return
        copy = self.map.snapshot()
        padded = np.pad(copy.values, ((0, 0), (0, 0), (0, self.padding)))
        rows = {key.tobytes(): value.tobytes() for key, value in zip(copy.keys, padded, strict=True)}
        assert rows == self.model
        assert len(copy.keys) == len(self.model) == self.map.statistics.count
        assert copy.refused == self.refused

    def teardown(self) -> None:
        if hasattr(self, "map"):
            self.map.close()


class PerCpuDictModel(DictModel):
    """The same with three CPUs."""

    kind = MapKind.PERCPU_HASH
    cpus = 3


TestHashIsADict = DictModel.TestCase
TestPerCpuHashIsADict = PerCpuDictModel.TestCase
TestHashIsADict.settings = TestPerCpuHashIsADict.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)


class RingModel(RuleBasedStateMachine):
    """A ring buffer and a queue of records live through the same reservations."""

    def __init__(self) -> None:
        super().__init__()
        self.map = make_map(MapKind.RINGBUF, max_entries=256)
        self.address = int(ffi.cast("uintptr_t", self.map.handle))
        self.run: Any = ffi.new("struct tr_run *")
        self.queue: deque[list[Any]] = deque()     # [state, length, content, address]
        self.serial = 0
        self.refused = 0

    def call(self, name: str, *arguments: int) -> int:
        function = ffi.cast(
            "uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, struct tr_run *)",
            lib.tr_helper_address(name.encode()),
        )
        return int(function(*(arguments + (0,) * 5)[:5], self.run))

    @property
    def room(self) -> int:
        return 256 - sum((int(length) + 15) // 8 * 8 for _, length, _, _ in self.queue)

    @rule(length=st.integers(1, 260))
    def reserve(self, length: int) -> None:
        if self.run.reserved_count == lib.TR_MAX_RESERVED:
            return
        record = self.call("ringbuf_reserve", self.address, length)
        assert (record != 0) is ((length + 15) // 8 * 8 <= self.room)
        if record:
            self.serial += 1
            assert bytes(ffi.buffer(ffi.cast("char *", record), length)) == b"\0" * length
            ffi.memmove(ffi.cast("char *", record), bytes([self.serial % 256]) * length, length)
            self.queue.append(["busy", length, bytes([self.serial % 256]) * length, record])
        else:
            self.refused += 1

    @rule(pick=st.integers(0, 7), submit=st.booleans())
    def finish(self, pick: int, submit: bool) -> None:
        busy = [each for each in self.queue if each[0] == "busy"]
        if not busy:
            return
        record = busy[pick % len(busy)]
        self.call("ringbuf_submit" if submit else "ringbuf_discard", record[3])
        record[0] = "done" if submit else "discarded"
        assert self.run.reserved_count == len(busy) - 1

    @rule()
    def read(self) -> None:
        expected = []
        while self.queue and self.queue[0][0] != "busy":
            state, _, content, _ = self.queue.popleft()
            if state == "done":
                expected.append(content)
        assert self.map.read() == expected

    @invariant()
    def counts_refusals(self) -> None:
        assert self.map.statistics.refused == self.refused

    def teardown(self) -> None:
        self.map.close()


TestRingIsAQueue = RingModel.TestCase
TestRingIsAQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("kind", [MapKind.ARRAY, MapKind.PERCPU_ARRAY])
def test_array_elements_are_always_there(kind: MapKind) -> None:
    """Every index below max_entries has a value from the start and cannot be deleted or made new."""
    with make_map(kind, value_size=12, max_entries=3, cpus=2) as array:
        whole = 32 if kind.per_cpu else 12
        assert array.lookup(struct.pack("<I", 2)) == bytes(whole)
        assert array.lookup(struct.pack("<I", 3)) is None
        array.update(struct.pack("<I", 1), b"x" * whole)
        for key, flags in ((3, 0), (1, 1), (1, 8)):
            with pytest.raises(RunError):
                array.update(struct.pack("<I", key), b"y" * whole, flags)
        with pytest.raises(RunError, match="cannot do that"):
            array.delete(struct.pack("<I", 1))
        copy = array.snapshot()
        assert copy.keys.view("<u4").ravel().tolist() == [0, 1, 2]
        assert copy.values.shape == (3, array.cpus, 12)
        assert copy.values[1].tobytes() == b"x" * 12 * array.cpus
        assert not copy.values[0].any()


def test_initial_contents_fill_a_data_section() -> None:
    """The contents of .rodata are the value of element 0, and the address of the value is the layout's."""
    contents = bytes(range(100, 121))
    with make_map(MapKind.ARRAY, value_size=21, max_entries=1, contents=contents, read_only=True) as data:
        assert data.lookup(bytes(4)) == contents
        assert bytes(ffi.buffer(ffi.cast("char *", data.layout.values), 21)) == contents


@pytest.mark.parametrize("kind", KEYED)
def test_layout_tells_where_every_value_is(kind: MapKind) -> None:
    """Reading at values + i * stride + c * cpu_stride finds what update wrote for element i and CPU c."""
    with make_map(kind, value_size=12, max_entries=3, cpus=4) as one:
        for i in range(3):
            value = b"".join(struct.pack("<III4x" if kind.per_cpu else "<III", i, c, 7) for c in range(one.cpus))
            one.update(struct.pack("<I", i), value)
        layout = one.layout
        for i in range(3):
            for c in range(one.cpus):
                at = layout.values + i * layout.stride + c * layout.cpu_stride
                assert struct.unpack("<III", ffi.buffer(ffi.cast("char *", at), 12)) == (i, c, 7)
        assert layout.values % 8 == layout.stride % 8 == layout.cpu_stride % 8 == 0


def test_snapshot_order_is_the_order_of_first_insertion() -> None:
    """Two maps with different hash seeds list equal histories equally: replays are byte-identical."""

    def history() -> list[bytes]:
        with make_map(MapKind.HASH, max_entries=64) as one:
            for number in range(40):
                one.update(struct.pack("<I", number * 7919), bytes(8))
            for number in (3, 17, 4):
                one.delete(struct.pack("<I", number * 7919))
            for number in range(100, 105):
                one.update(struct.pack("<I", number), bytes(8))
            return [key for key, _ in one.items()]

    first = history()
    assert first == history() == history()
    assert first[4] == struct.pack("<I", 100)     # the slot freed last is taken first


@pytest.mark.parametrize(
    ("shape", "cause"),
    [
        ({"kind": MapKind.HASH, "key_size": 0}, "key"),
        ({"kind": MapKind.HASH, "key_size": 513}, "key"),
        ({"kind": MapKind.HASH, "value_size": 0}, "value"),
        ({"kind": MapKind.HASH, "max_entries": 0}, "max_entries"),
        ({"kind": MapKind.HASH, "value_size": 0xFFFFFFFF, "max_entries": 1 << 30}, "4 GiB"),
        ({"kind": MapKind.PERCPU_ARRAY, "value_size": 0xFFFFFFFF, "max_entries": 1, "cpus": 65536}, "4 GiB"),
        ({"kind": MapKind.PERCPU_HASH, "cpus": 0}, "CPUs"),
        ({"kind": MapKind.ARRAY, "key_size": 8}, "4 bytes"),
        ({"kind": MapKind.RINGBUF, "max_entries": 1000}, "power of two"),
        ({"kind": MapKind.HASH, "flags": 0x1002}, "0x1002"),
    ],
)
def test_impossible_shapes_are_refused_with_a_cause(shape: dict[str, Any], cause: str) -> None:
    """A map that cannot be is refused before any memory is taken."""
    with pytest.raises(RunError, match=cause):
        make_map(**shape)


def test_closed_map_refuses_and_closes_twice() -> None:
    """A closed map is an error, not a crash."""
    one = make_map(MapKind.HASH)
    one.close()
    one.close()
    with pytest.raises(RunError, match="closed"):
        one.lookup(bytes(4))


def test_wrong_sizes_never_reach_the_core() -> None:
    """Keys and values of another size are refused: the core would read past them."""
    with make_map(MapKind.HASH) as one:
        for wrong in (lambda: one.lookup(b""), lambda: one.update(bytes(4), b"1"), lambda: one.delete(bytes(5))):
            with pytest.raises(RunError, match="bytes, not"):
                wrong()


def test_reading_a_hash_as_a_ring_is_refused() -> None:
    """Only ring buffers have records, and ring buffers have nothing else."""
    with make_map(MapKind.HASH) as one, pytest.raises(RunError):
        one.read()
    with make_map(MapKind.RINGBUF, max_entries=4096) as ring:
        assert len(ring.snapshot().keys) == 0
        for wrong in (lambda: ring.lookup(b""), lambda: ring.update(b"", b""), lambda: ring.delete(b"")):
            with pytest.raises(RunError):
                wrong()


def test_two_threads_and_a_reader_agree_at_the_end() -> None:
    """Updates and deletes from two threads beside snapshots: keys are never torn, counts are right at the end."""
    keys, rounds = 64, 150
    one = make_map(MapKind.HASH, key_size=16, value_size=16, max_entries=keys)
    alive = threading.Event()
    alive.set()
    torn: list[bytes] = []

    def hammer(own: int) -> None:
        for round_ in range(rounds):
            for number in range(own, keys, 2):
                key = struct.pack("<QQ", number, ~number & 0xFFFFFFFFFFFFFFFF)
                one.update(key, struct.pack("<QQ", round_, number))
                if (number + round_) % 3 == 0 and round_ != rounds - 1:
                    one.delete(key)

    def watch() -> None:
        while alive.is_set():
            for key, _ in one.items():
                low, high = struct.unpack("<QQ", key)
                if low ^ high != 0xFFFFFFFFFFFFFFFF:
                    torn.append(key)

    writers = [threading.Thread(target=hammer, args=(own,)) for own in (0, 1)]
    reader = threading.Thread(target=watch)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    alive.clear()
    reader.join()
    with one:
        assert not torn
        assert one.statistics.count == keys
        assert one.statistics.refused == 0
        values = {struct.unpack("<QQ", key)[0]: struct.unpack("<QQ", value) for key, value in one.items()}
        assert values == {number: (rounds - 1, number) for number in range(keys)}


def test_maps_are_bounded_by_max_entries() -> None:
    """A full map refuses, counts it, and takes new keys again after a delete."""
    with make_map(MapKind.HASH, max_entries=2) as one:
        for number in (1, 2):
            one.update(struct.pack("<I", number), bytes(8))
        with pytest.raises(RunError, match="full"):
            one.update(struct.pack("<I", 3), bytes(8))
        assert one.statistics.refused == 1
        one.update(struct.pack("<I", 2), b"replaced")
        one.delete(struct.pack("<I", 1))
        one.update(struct.pack("<I", 3), bytes(8))
        assert one.statistics.count == 2
