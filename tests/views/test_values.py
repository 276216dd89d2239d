"""Keys, values and records as Python has them: every kind of member, both ways, and the peer is `struct`."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tracerd.btf import types as t
from tracerd.elf.load import load
from tracerd.elf.spec import MapSpec
from tracerd.errors import UnfitValue
from tracerd.platforms.model import MapKind
from tracerd.snapshot import MapSnapshot
from tracerd.views.columns import MapColumns
from tracerd.views.values import Codec, merge, named_type

U8, U32, S64, CHAR, BOOL, F64, TEXT, NUMBERS, POINT, POINTS, U32T, ROW = range(1, 13)
BTF = t.Btf(
    (
        t.Void(),
        t.Int("unsigned char", 1, False, False, False),
        t.Int("unsigned int", 4, False, False, False),
        t.Int("long long", 8, True, False, False),
        t.Int("char", 1, True, False, True),
        t.Int("_Bool", 1, False, True, False),
        t.Float("double", 8),
        t.Array(CHAR, U32, 8),
        t.Array(U32, U32, 3),
        t.Composite("point", 8, (t.Member("x", U32, 0, 0), t.Member("y", U32, 32, 0)), False),
        t.Array(POINT, U32, 2),
        t.Alias("typedef", "u32", U32),
        t.Composite(
            "row",
            64,
            (
                t.Member("name", TEXT, 0, 0),
                t.Member("total", S64, 64, 0),
                t.Member("numbers", NUMBERS, 128, 0),
                t.Member("seen", BOOL, 224, 0),
                t.Member("low", U32, 232, 3),
                t.Member("high", U32, 235, 5),
                t.Member("points", POINTS, 256, 0),
                t.Member("ratio", F64, 384, 0),
                t.Member("", POINT, 448, 0),
            ),
            False,
        ),
    )
)
PLAIN = {
    "name": "sh", "total": -5, "numbers": [1, 2, 3], "seen": True, "points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
    "ratio": 0.5,
}  # fmt: skip
DATA = struct.pack("<8sq3I?B2x4Id2I", b"sh\0junk", -5, 1, 2, 3, True, 0b10110_101, 1, 2, 3, 4, 0.5, 7, 9)


def test_a_struct_is_a_dictionary_of_its_members() -> None:
    """Text ends at its NUL, bit fields are numbers, members of an unnamed struct are the outer one's."""
    assert Codec.of(BTF, ROW).decode(DATA) == {**PLAIN, "low": 0b101, "high": 0b10110, "x": 7, "y": 9}


def test_a_dictionary_is_written_as_its_struct() -> None:
    """Members left out are zero."""
    codec = Codec.of(BTF, ROW)
    assert codec.decode(codec.encode(PLAIN, "row")) == {**PLAIN, "low": 0, "high": 0, "x": 0, "y": 0}
    assert codec.encode({"total": -1}, "row") == bytes(8) + b"\xff" * 8 + bytes(48)


def test_without_a_type_there_are_only_bytes() -> None:
    """Bytes of the right length are always taken as they are."""
    assert Codec(None, None, 4).decode(b"abcd") == b"abcd"
    assert Codec(None, None, 4).encode(b"abcd", "key") == b"abcd"
    assert Codec.of(BTF, U32T).encode(b"\1\0\0\0", "key") == b"\1\0\0\0"


@pytest.mark.parametrize(
    ("kind", "value", "cause"),
    [
        (U32, -1, "cannot be -1: must be a whole number from 0 to 4294967295"),
        (U32, 1 << 32, "must be a whole number from 0 to 4294967295"),
        (U32, 1.5, "must be a whole number"),
        (U32, {"x": 1}, "must be a whole number"),
        (U32, "one", "cannot be 'one'"),
        (U32, "x" * 1_000_000, "cannot be 'x{78}…: must be"),
        (POINT, {"x": 1 << 40}, "x: must be a whole number from"),
        (U32, b"ab", "has 4 bytes, not 2"),
        (TEXT, "much too long", "room for 8 bytes"),
        (NUMBERS, [1, 2], "a list of 3"),
        (POINT, [1, 2], "point is a struct: give JSON with its members: x, y"),
        (POINT, {"z": 1}, "point has no plain member 'z'; it has: x, y"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_sentence(kind: int, value: object, cause: str) -> None:
    """The sentence names what was to be written."""
    with pytest.raises(UnfitValue, match=cause) as caught:
        Codec.of(BTF, kind).encode(value, "key of map 'm'")
    assert str(caught.value).startswith("key of map 'm': ")


def test_values_of_all_cpus_become_one() -> None:
    """Numbers are added wherever they are, of texts the first that is not empty is taken."""
    assert merge([{"n": 1, "h": [1, 2], "comm": ""}, {"n": 5, "h": [0, 7], "comm": "sh"}]) == {
        "n": 6, "h": [1, 9], "comm": "sh",
    }  # fmt: skip
    assert merge([3]) == 3
    assert merge([b"", b"x"]) == b"x"


def test_a_type_is_found_by_its_name() -> None:
    """Structs, typedefs, numbers; nothing else."""
    assert [named_type(BTF, name) for name in ("row", "u32", "double", "nope")] == [ROW, U32T, None, None]
    assert named_type(None, "row") is None


def test_global_variables_are_read_by_name() -> None:
    """A data section is a dictionary of its variables."""
    probe = load(Path(__file__).parents[2] / "probes" / "syscalls" / "syscalls.bpf.o")
    rodata = next(each for each in probe.maps if each.name == ".rodata")
    decoded = Codec(probe.btf, rodata.value_type, rodata.value_size).decode(rodata.contents)
    assert isinstance(decoded, dict)
    assert set(decoded["empty"]) == {"count", "errors", "total_ns", "comm", "latency"}


def test_what_takes_no_bytes_takes_no_time() -> None:
    """Arrays of empty structs, arrays without elements inside one another, padding without a name: all cost nothing.

    Each would otherwise take as much time and memory as an object says, which is a stranger's.
    """
    nested: list[t.Type] = [t.Void(), t.Int("u32", 4, False, False, False), t.Composite("empty", 0, (), False)]
    endless = len(nested)
    nested.append(t.Array(2, 1, 2**32 - 1))
    for _ in range(30):
        array = len(nested)
        nested.append(t.Array(array - 1, 1, 0))
        twice = (t.Member("a", array, 0, 0), t.Member("b", array, 0, 0))
        nested.append(t.Composite("s", 4, twice, False))
    padding = t.Array(1, 1, 2**28)
    members = (t.Member("x", 1, 0, 0), t.Member("none", endless, 32, 0), t.Member("", len(nested), 0, 0),
               t.Member("deep", len(nested) - 1, 32, 0))    # fmt: skip
    btf = t.Btf((*nested, padding, t.Composite("value", 8, members, False)))
    value = Codec(btf, len(btf.types) - 1, 8).decode(b"\x07" + bytes(7))
    assert value == {"x": 7, "none": [], "deep": {"a": [], "b": []}}


def test_a_column_takes_no_more_than_its_bytes() -> None:
    """32 MiB of global variables as a column: some copies of them, not a list of where each byte is."""
    size = 32 << 20
    btf = t.Btf((t.Void(), t.Int("u8", 1, False, False, False), t.Array(1, 1, size)))
    columns = MapColumns(MapSpec(".bss", MapKind.ARRAY.value, 4, size, 1, value_type=2), btf)
    snapshot = MapSnapshot(".bss", 0, np.zeros((1, 4), np.uint8), np.zeros((1, 1, size), np.uint8), 1, 0)
    tracemalloc.start()
    try:
        assert columns.all(snapshot)["value"].shape == (1, size)
        assert tracemalloc.get_traced_memory()[1] < 3 * size
    finally:
        tracemalloc.stop()
