"""Helpers of eBPF for Windows, called directly and from programs in both engines."""

from __future__ import annotations

import pytest

from tests.verifier.programs import MAPS, job
from tests.vm.engines import BOTH, Case, needs_jit, observe
from tests.vm.test_helpers import EINVAL, Caller
from tracerd.native import ffi
from tracerd.verifier import VerifiedProgram, verify
from tracerd.vm.engine import Circumstances

ERANGE, EOPNOTSUPP = 34, 95


@pytest.fixture
def caller() -> Caller:
    return Caller()


def held(memory: object, size: int) -> bytes:
    return bytes(ffi.buffer(memory, size))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["memcpy_s", "memmove_s"])
def test_a_copy_that_fits_is_made_and_nothing_else(caller: Caller, name: str) -> None:
    """Bytes of the target behind what is copied stay."""
    target = caller.memory(b"abcdefgh")
    assert caller.call(name, target, 8, caller.memory(b"XYZ"), 3) == 0
    assert held(target, 8) == b"XYZdefgh"


@pytest.mark.parametrize("name", ["memcpy_s", "memmove_s"])
def test_a_copy_that_does_not_fit_changes_nothing(caller: Caller, name: str) -> None:
    """The proof counts on it: then no byte of the target is newly written."""
    target = caller.memory(b"ab")
    assert caller.call(name, target, 2, caller.memory(b"XYZ"), 3) == -ERANGE
    assert held(target, 2) == b"ab"


@pytest.mark.parametrize("name", ["memcpy_s", "memmove_s"])
def test_memories_may_overlap(caller: Caller, name: str) -> None:
    """Nobody proves that they do not."""
    memory = caller.memory(b"abcdef")
    assert caller.call(name, memory + 1, 5, memory, 5) == 0
    assert held(memory, 6) == b"aabcde"


def test_nothing_is_copied_from_nowhere(caller: Caller) -> None:
    """A size of 0 reads and writes no byte, whatever the address."""
    assert caller.call("memcpy_s", 1, 0, 1, 0) == 0
    assert caller.call("memset", 1, 0, 7) == 0


def test_memset_writes_all(caller: Caller) -> None:
    """The low byte of the value, and 0 as the answer: no address."""
    memory = caller.memory(b"abc")
    assert caller.call("memset", memory, 3, 0x141) == 0
    assert held(memory, 3) == b"AAA"


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [(b"abc", b"abc", 0), (b"abc", b"abd", -1), (b"b", b"abc", 1), (b"ab", b"abc", -1), (b"", b"", 0), (b"a", b"", 1)],
)
def test_memcmp_orders_bytes_then_sizes(caller: Caller, one: bytes, other: bytes, order: int) -> None:
    """-1, 0 or 1."""
    assert caller.call("memcmp_s", caller.memory(one), len(one), caller.memory(other), len(other)) == order


@pytest.mark.parametrize(
    ("source", "count", "size", "result", "left"),
    [
        (b"abc\0x", 5, 8, 0, b"abc\0\0\0\0\0"),
        (b"abcdef", 3, 8, 0, b"abc\0\0\0\0\0"),
        (b"abc", 3, 4, 0, b"abc\0"),
        (b"abc", 3, 3, -ERANGE, b"ab\0"),
        (b"abc", 3, 1, -ERANGE, b"\0"),
        (b"", 0, 2, 0, b"\0\0"),
        (b"abc", 3, 0, -EINVAL, b""),
    ],
)
def test_strncpy_writes_the_whole_buffer(
    caller: Caller, source: bytes, count: int, size: int, result: int, left: bytes
) -> None:
    """The text, cut where it does not fit, a zero, and zeros to the end: the proof counts all of it as written."""
    target = caller.memory(b"?" * size)
    assert caller.call("strncpy_s", target, size, caller.memory(source), count) == result
    assert held(target, size) == left


@pytest.mark.parametrize(
    ("before", "source", "result", "left"),
    [
        (b"ab\0\0\0\0", b"cd", 0, b"abcd\0\0"),
        (b"ab\0\0", b"cd", -ERANGE, b"abc\0"),
        (b"abc\0", b"", 0, b"abc\0"),
        (b"abcd", b"e", -EINVAL, b"abcd"),
        (b"", b"e", -EINVAL, b""),
    ],
)
def test_strncat_appends_to_a_text_that_ends(
    caller: Caller, before: bytes, source: bytes, result: int, left: bytes
) -> None:
    """A buffer without a zero is no text and is left alone."""
    target = caller.memory(before)
    assert caller.call("strncat_s", target, len(before), caller.memory(source), len(source)) == result
    assert held(target, len(before)) == left


@pytest.mark.parametrize(("text", "length"), [(b"abc\0d", 3), (b"abc", 3), (b"\0", 0), (b"", 0)])
def test_strnlen_stops_at_the_size(caller: Caller, text: bytes, length: int) -> None:
    """A text without a zero is as long as its buffer."""
    assert caller.call("strnlen_s", caller.memory(text), len(text)) == length


def test_a_checksum_changes_by_what_went_and_what_came(caller: Caller) -> None:
    """The sum of 16-bit words that come and of complements of those that go; sizes are multiples of 4."""
    old, new = caller.memory(bytes((1, 0, 2, 0))), caller.memory(bytes((3, 0, 0, 1)))
    assert caller.call("csum_diff", 0, 0, new, 4, 5) == 3 + 0x100 + 5
    assert caller.call("csum_diff", old, 4, 0, 0, 0) == 0xFFFE + 0xFFFD
    assert caller.call("csum_diff", old, 4, new, 4, 0) == 0xFFFE + 0xFFFD + 0x103
    assert caller.call("csum_diff", old, 3, new, 4, 0) == -EINVAL
    assert caller.call("csum_diff", 0, 0, 0, 0, -1) == -1


def test_a_path_that_is_not_known_is_an_error(caller: Caller) -> None:
    """And the buffer is written all the same."""
    for name in ("process_get_image_path", "process_get_account_name", "process_get_account_domain"):
        memory = caller.memory(b"????")
        assert caller.call(name, 0, memory, 4) == -EINVAL
        assert held(memory, 4) == bytes(4)


def test_who_is_logged_on_is_not_known(caller: Caller) -> None:
    """The documented errors: no logon id, and no answer whether somebody is an administrator."""
    assert caller.call("get_current_logon_id", 0) == 0
    assert caller.call("is_current_admin", 0) == -EOPNOTSUPP


def test_times_are_the_event_s(caller: Caller) -> None:
    """Whole milliseconds of the event's time."""
    caller.run.now_ns = 1_999_999
    assert caller.call("ktime_get_boot_ns") == 1_999_999
    assert caller.call("ktime_get_ms") == caller.call("ktime_get_boot_ms") == 1


def test_each_printk_has_its_own_number_of_arguments(caller: Caller) -> None:
    """What a prototype does not have prints as 0, whatever the registers hold."""
    buffer = caller.keep_prints(100)
    text = caller.memory(b"%d %d %d\0")
    for number in range(2, 6):
        caller.call(f"trace_printk{number}", text, 9, 1, 2, 3)
    assert held(buffer, caller.run.printed) == b"0 0 0\n1 0 0\n1 2 0\n1 2 3\n"


PROGRAMS = {
    "copies": """
        r6 = *(u64 *)(r1 + 0)
        r7 = *(u64 *)(r1 + 8)
        r7 -= r6
        r1 = r10
        r1 += -64
        r2 = 64
        r3 = 90
        call memset
        r1 = r10
        r1 += -64
        r2 = 32
        r3 = r6
        r4 = r7
        call memcpy_s
        r8 = r0
        r1 = r10
        r1 += -60
        r2 = 60
        r3 = r10
        r3 += -64
        r4 = 40
        call memmove_s
        r8 += r0
        r1 = 0
        r2 = 0
        r3 = r10
        r3 += -64
        r4 = 64
        r5 = r8
        call csum_diff
        exit
    """,
    "texts": """
        r6 = *(u64 *)(r1 + 0)
        r7 = *(u64 *)(r1 + 8)
        r7 -= r6
        r1 = r10
        r1 += -32
        r2 = 32
        r3 = r6
        r4 = r7
        call strncpy_s
        r8 = r0
        r1 = r10
        r1 += -32
        r2 = 32
        r3 = r6
        r4 = r7
        call strncat_s
        r8 += r0
        r1 = r10
        r1 += -32
        r2 = 32
        r3 = r6
        r4 = r7
        call memcmp_s
        r8 += r0
        r1 = r10
        r1 += -32
        r2 = 32
        call strnlen_s
        r8 *= 1000
        r0 += r8
        exit
    """,
    "own": """
        r6 = r1
        r2 = r10
        r2 += -32
        r3 = 32
        call process_get_image_path
        r7 = r0
        r1 = r6
        call is_current_admin
        r7 += r0
        call ktime_get_ms
        r0 += r7
        r1 = *(u64 *)(r10 - 32)
        r0 += r1
        exit
    """,
}


@needs_jit
@pytest.mark.parametrize("name", PROGRAMS)
def test_both_engines_give_a_program_the_same(name: str) -> None:
    """Commands of many lengths, with and without zeros in them; results that are not all one."""
    proved = verify(job(PROGRAMS[name], "process", MAPS, platform="windows"))
    assert isinstance(proved, VerifiedProgram), str(proved)
    cases = [
        Case(bytes(144), bytes(1 + (at * 7) % 255 for at in range(length)) + bytes(zeros), Circumstances(now, 0))
        for length in (0, 1, 15, 16, 31, 32, 33, 300)
        for zeros, now in ((0, 5_000_000), (3, 7_999_999))
    ]
    interpreter, jit = (observe(proved, choice, cases) for choice in BOTH)
    assert interpreter == jit
    assert len({outcome.result for outcome in interpreter.outcomes}) > 1
