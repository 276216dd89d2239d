"""Helpers called directly, the way every engine calls them."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.vm.machine import make_map
from tracerd.native import ffi, lib
from tracerd.platforms.linux import HELPERS
from tracerd.platforms.model import Argument, MapKind
from tracerd.vm.interpreter import ARGUMENT_CODES

EINVAL, EFAULT, EPERM, EAGAIN, E2BIG, ENOENT = 22, 14, 1, 11, 7, 2
TYPE = "uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, struct tr_run *)"


class Caller:
    """A run to call helpers with, and memory that lives as long as it."""

    def __init__(self) -> None:
        self.run: Any = ffi.new("struct tr_run *")
        self._kept: list[Any] = []

    def memory(self, content: bytes) -> Any:
        self._kept.append(ffi.new("uint8_t[]", max(len(content), 1)))
        ffi.memmove(self._kept[-1], content, len(content))
        return self._kept[-1]

    def call(self, name: str, *arguments: Any, function: int = 0) -> int:
        """Call a helper; the result is signed."""
        numbers = [each if isinstance(each, int) else int(ffi.cast("uintptr_t", each)) for each in arguments]
        native = ffi.cast(TYPE, function or lib.tr_helper_address(name.encode()))
        result = native(*(number & (1 << 64) - 1 for number in (numbers + [0] * 5)[:5]), self.run)
        return result - (1 << 64) if result >> 63 else int(result)

    def printk(self, text: bytes, *arguments: int) -> int:
        return self.call("trace_printk", self.memory(text + b"\0"), len(text) + 1, *arguments)

    def keep_prints(self, capacity: int) -> Any:
        buffer = ffi.new("char[]", capacity)
        self._kept.append(buffer)
        self.run.print_buffer, self.run.print_capacity = buffer, capacity
        return buffer


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.mark.parametrize("helper", HELPERS, ids=lambda helper: helper.name)
def test_every_helper_of_the_platform_is_native(helper: Any) -> None:
    """The core has a function for each row, and the checked interpreter knows each kind of argument."""
    assert lib.tr_helper_address(helper.name.encode()) != 0
    assert all(argument in ARGUMENT_CODES for argument in helper.arguments)


def test_unknown_helper_has_no_address() -> None:
    """Nothing else is callable."""
    assert lib.tr_helper_address(b"tail_call") == 0
    assert set(ARGUMENT_CODES) == set(Argument)


def test_event_facts_come_from_the_run(caller: Caller) -> None:
    """Time, task and CPU are the event's."""
    caller.run.now_ns, caller.run.pid_tgid, caller.run.uid_gid, caller.run.cpu = 5, 7 << 32 | 8, 9 << 32 | 10, 3
    names = ("ktime_get_ns", "get_current_pid_tgid", "get_current_uid_gid", "get_smp_processor_id")
    assert [caller.call(name) for name in names] == [5, 7 << 32 | 8, 9 << 32 | 10, 3]


@pytest.mark.parametrize(("size", "expected"), [(1, b"\0"), (4, b"bas\0"), (5, b"bash\0"), (20, b"bash" + bytes(16))])
def test_comm_is_cut_and_padded_with_zeros(caller: Caller, size: int, expected: bytes) -> None:
    """The name always ends in a zero byte and nothing of the buffer's past stays behind it."""
    caller.run.comm = b"bash"
    buffer = caller.memory(b"\xff" * 20)
    assert caller.call("get_current_comm", buffer, size) == 0
    assert bytes(ffi.buffer(buffer, 20)) == expected + b"\xff" * (20 - size)


def test_full_length_comm_fits_its_sixteen_bytes(caller: Caller) -> None:
    """A name without room for a zero in struct tr_run is cut to 15 bytes in 16, and whole in 17."""
    caller.run.comm = b"0123456789abcdef"
    buffer = caller.memory(b"\xff" * 17)
    assert caller.call("get_current_comm", buffer, 16) == 0
    assert bytes(ffi.buffer(buffer, 17)) == b"0123456789abcde\0\xff"
    assert caller.call("get_current_comm", buffer, 17) == 0
    assert bytes(ffi.buffer(buffer, 17)) == b"0123456789abcdef\0"


def test_random_numbers_repeat_with_the_seed(caller: Caller) -> None:
    """Equal states give equal numbers of 32 bits; the numbers differ from each other."""

    def draw(seed: int) -> list[int]:
        caller.run.random = seed
        return [caller.call("get_prandom_u32") for _ in range(100)]

    assert draw(1) == draw(1) != draw(2)
    assert len(set(draw(0))) == 100
    assert all(0 <= number < 1 << 32 for number in draw(3))


@pytest.mark.parametrize("name", [helper.name for helper in HELPERS if helper.name.startswith("probe_read")])
def test_probe_reads_fail_and_zero_the_output(caller: Caller, name: str) -> None:
    """There is no other memory off-kernel: -EFAULT, and the buffer holds no secrets."""
    buffer = caller.memory(b"\xff" * 8)
    assert caller.call(name, buffer, 6, 0xFFFF888000000000) == -EFAULT
    assert bytes(ffi.buffer(buffer, 8)) == bytes(6) + b"\xff\xff"
    assert caller.call(name, 0, 0, 0) == -EFAULT


@pytest.mark.parametrize("kind", [kind for kind in MapKind if kind.keyed])
def test_specialised_map_helpers_do_what_the_general_ones_do(caller: Caller, kind: MapKind) -> None:
    """tr_map_helper_address gives functions that agree with tr_helper_address for every kind and key size."""
    for key_size in (4,) if kind.array else (1, 4, 7, 8, 12, 16, 20):
        with make_map(kind, key_size, 8, 3, cpus=2) as one:
            caller.run.cpu = 1
            key, other = caller.memory(b"\1" + bytes(key_size - 1)), caller.memory(b"\2" + bytes(key_size - 1))
            special = {
                name: lib.tr_map_helper_address(one.handle, name.encode())
                for name in ("map_lookup_elem", "map_update_elem", "map_delete_elem")
            }
            value = caller.memory(b"8 bytes.")
            update, lookup = special["map_update_elem"], special["map_lookup_elem"]
            assert caller.call("", one.handle, key, value, 0, function=update) == 0
            general = caller.call("map_lookup_elem", one.handle, key)
            assert general == caller.call("", one.handle, key, function=lookup) != 0
            assert bytes(ffi.buffer(ffi.cast("char *", general), 8)) == b"8 bytes."
            for bad in (3, 4, 1 << 32):
                assert caller.call("", one.handle, key, value, bad, function=update) == -EINVAL
                assert caller.call("map_update_elem", one.handle, key, value, bad) == -EINVAL
            if not kind.array:
                assert caller.call("", one.handle, other, function=lookup) == 0
                assert caller.call("", one.handle, key, function=special["map_delete_elem"]) == 0
                assert caller.call("map_delete_elem", one.handle, key) == -ENOENT


@pytest.mark.parametrize("kind", [MapKind.PERCPU_ARRAY, MapKind.PERCPU_HASH])
def test_programs_see_the_value_of_their_cpu(caller: Caller, kind: MapKind) -> None:
    """An update sets one CPU's slot, a new element's other slots are zero even where a slot is reused."""
    with make_map(kind, value_size=8, max_entries=1, cpus=3) as one:
        key = caller.memory(bytes(4))
        one.update(bytes(4), b"\xff" * 24)
        if kind is MapKind.PERCPU_HASH:
            one.delete(bytes(4))
        else:
            one.update(bytes(4), bytes(24))
        caller.run.cpu = 2
        assert caller.call("map_update_elem", one.handle, key, caller.memory(b"eight..."), 0) == 0
        assert one.lookup(bytes(4)) == bytes(16) + b"eight..."
        caller.run.cpu = 1
        assert bytes(ffi.buffer(ffi.cast("char *", caller.call("map_lookup_elem", one.handle, key)), 8)) == bytes(8)


@pytest.mark.parametrize("kind", [MapKind.PERCPU_ARRAY, MapKind.PERCPU_HASH])
def test_cpu_beyond_the_slots_finds_nothing(caller: Caller, kind: MapKind) -> None:
    """A CPU that the map has no slot for reads null and cannot write."""
    with make_map(kind, cpus=2) as one:
        one.update(bytes(4), bytes(16))
        caller.run.cpu = 2
        key = caller.memory(bytes(4))
        assert caller.call("map_lookup_elem", one.handle, key) == 0
        assert caller.call("map_update_elem", one.handle, key, caller.memory(bytes(8)), 0) == -EINVAL


def test_program_cannot_write_a_read_only_map(caller: Caller) -> None:
    """Updates and deletes of .rodata fail with -EPERM."""
    with make_map(MapKind.ARRAY, max_entries=1, contents=b"constant", read_only=True) as one:
        key = caller.memory(bytes(4))
        assert caller.call("map_update_elem", one.handle, key, caller.memory(bytes(8)), 0) == -EPERM
        assert caller.call("map_delete_elem", one.handle, key) == -EPERM
        assert one.lookup(bytes(4)) == b"constant"


def test_full_hash_answers_e2big(caller: Caller) -> None:
    """A refused update gives the kernel's number and is counted."""
    with make_map(MapKind.HASH, max_entries=1) as one:
        value = caller.memory(bytes(8))
        assert caller.call("map_update_elem", one.handle, caller.memory(b"1234"), value, 0) == 0
        assert caller.call("map_update_elem", one.handle, caller.memory(b"5678"), value, 0) == -E2BIG
        assert one.statistics.refused == 1


def test_ring_output_arrives_and_a_full_ring_answers_eagain(caller: Caller) -> None:
    """Records arrive in order with their exact lengths; what found no room is counted."""
    with make_map(MapKind.RINGBUF, max_entries=64) as ring:
        assert caller.call("ringbuf_output", ring.handle, caller.memory(b"first"), 5, 0) == 0
        assert caller.call("ringbuf_output", ring.handle, caller.memory(b"second record"), 13, 2) == 0
        assert caller.call("ringbuf_output", ring.handle, caller.memory(b"x" * 24), 24, 0) == -EAGAIN
        assert caller.call("ringbuf_output", ring.handle, 0, 0, 0) == 0
        assert caller.call("ringbuf_output", ring.handle, caller.memory(b"x"), 1, 4) == -EINVAL
        assert ring.read() == [b"first", b"second record", b""]
        assert ring.statistics.refused == 1


def test_reservations_are_remembered_until_released(caller: Caller) -> None:
    """The run knows what it holds; flags must be zero, and no more than TR_MAX_RESERVED are given out."""
    with make_map(MapKind.RINGBUF, max_entries=4096) as ring:
        assert caller.call("ringbuf_reserve", ring.handle, 8, 1) == 0
        records = [caller.call("ringbuf_reserve", ring.handle, 8, 0) for _ in range(lib.TR_MAX_RESERVED)]
        assert all(records)
        assert caller.call("ringbuf_reserve", ring.handle, 8, 0) == 0
        for number, record in enumerate(records):
            ffi.memmove(ffi.cast("char *", record), struct.pack("<Q", number), 8)
            caller.call("ringbuf_discard" if number % 2 else "ringbuf_submit", record, 0)
        assert caller.run.reserved_count == 0
        assert ring.read() == [struct.pack("<Q", number) for number in range(0, lib.TR_MAX_RESERVED, 2)]


@pytest.mark.parametrize(
    ("text", "arguments", "line"),
    [
        (b"plain", (), b"plain"),
        (b"ends in a newline\n", (), b"ends in a newline"),
        (b"%d %u %x", (-1, -1, -1), b"-1 4294967295 ffffffff"),
        (b"%ld %lu %llx", (-1, -1, -1), b"-1 18446744073709551615 ffffffffffffffff"),
        (b"%lld %i %%", (-(1 << 63), 7), b"-9223372036854775808 7 %"),
        (b"[%5d|%-5d|%05u]", (42, 42, 42), b"[   42|42   |00042]"),
        (b"%c%c %X", (72, 105, 0xAB), b"Hi AB"),
        (b"%p", (0x1234,), b"0000000000001234"),
        (b"%s!", (0xDEAD,), b"(?)!"),
        (b"%d", (1 << 32 | 5,), b"5"),
    ],
)
def test_printk_formats_the_kernels_subset(
    caller: Caller, text: bytes, arguments: tuple[int, ...], line: bytes
) -> None:
    """Numbers are 32 bits unless `l` says otherwise; strings would need another address space."""
    buffer = caller.keep_prints(100)
    length = caller.printk(text, *arguments)
    assert bytes(ffi.buffer(buffer, caller.run.printed)) == line + b"\n"
    assert length == len(line) + text.endswith(b"\n")


@pytest.mark.parametrize(
    "text", [b"%d %d %d %d", b"%", b"%l", b"%q", b"%hd", b"%lc", b"%.3d", b"%99999d", b"\x01", b"\xe4"]
)
def test_printk_refuses_other_formats(caller: Caller, text: bytes) -> None:
    """What the kernel's formatter does not know is -EINVAL and prints nothing."""
    caller.keep_prints(100)
    assert caller.printk(text) == -EINVAL
    assert caller.run.printed == caller.run.print_dropped == 0


def test_printk_wants_a_terminated_format(caller: Caller) -> None:
    """The last byte of the format must be zero, so that nothing is read beyond it."""
    assert caller.call("trace_printk", caller.memory(b"abc"), 3) == -EINVAL
    assert caller.call("trace_printk", caller.memory(b""), 0) == -EINVAL


def test_printed_lines_that_find_no_room_are_counted(caller: Caller) -> None:
    """Only whole lines are kept."""
    assert caller.printk(b"no buffer at all") == 16
    buffer = caller.keep_prints(8)
    caller.printk(b"123")
    caller.printk(b"4567")
    caller.printk(b"890")
    caller.printk(b"")
    assert bytes(ffi.buffer(buffer, caller.run.printed)) == b"123\n890\n"
    assert caller.run.print_dropped == 3
