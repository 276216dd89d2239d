"""From a field to an attribute: decoded, renamed, matched."""

from __future__ import annotations

import numpy as np
import pytest

from exporters.mapping.attributes import readable
from exporters.mapping.machine import Machine
from tracerd.errors import ConfigError
from tracerd.signals import AttributeSpec
from tracerd.snapshot import NO_PROCESSES, Column

MACHINE = Machine()
READ_WRITE = (("0", "read"), ("1", "write"))


def made(column: Column, spec: AttributeSpec) -> tuple[list[object], list[bool] | None]:
    """Return an attribute and which rows stay, as lists."""
    text, mask = readable(column, spec, MACHINE, NO_PROCESSES)
    return text.tolist(), mask.tolist() if mask is not None else None


@pytest.mark.parametrize(
    ("column", "dtype", "expected"),
    [
        (np.array([1, -2], "<i2"), np.int64, [1, -2]),
        (np.array([1 << 63], "<u8"), np.uint64, [1 << 63]),
        (np.array([0.5], "<f4"), np.float64, [0.5]),
        (np.array([True]), np.bool_, [True]),
        (np.array([[1, 255]], np.uint8), object, ["01ff"]),
        (np.array([[1, 2]], "<u4"), object, ["1,2"]),
        (np.array(["sh"], dtype=object), object, ["sh"]),
        (np.zeros((0, 4), np.uint8), object, []),
    ],
)
def test_what_nothing_decodes_stays_what_it_is(column: Column, dtype: type, expected: list[object]) -> None:
    """Numbers in the widest type of their kind, bytes as hex."""
    text, mask = readable(column, AttributeSpec("key", "x"), MACHINE, NO_PROCESSES)
    assert (text.dtype, text.tolist(), mask) == (dtype, expected, None)


def test_decoders_are_applied_in_turn() -> None:
    """Each takes what the one before made; those of the machine among them."""
    spec = AttributeSpec("key", "error", ("uint", "errno"))
    assert made(np.array([[2, 0, 0, 0]], np.uint8), spec) == (["ENOENT"], None)
    assert made(np.array([1], "<u4"), AttributeSpec("key", "i", ("ifname", "string"))) == (["lo"], None)
    with pytest.raises(ConfigError, match="unknown; valid"):
        made(np.array([1], "<u4"), AttributeSpec("key", "i", ("nope",)))


def test_values_have_names_and_others_are_told_as_unknown() -> None:
    """Unless they may stay as they are."""
    column = np.array([0, 1, 7], "<u4")
    assert made(column, AttributeSpec("key", "op", (), READ_WRITE))[0] == ["read", "write", "unknown:7"]
    assert made(column, AttributeSpec("key", "op", (), READ_WRITE, allow_unknown=True))[0] == ["read", "write", "7"]


def test_what_does_not_match_is_left_out() -> None:
    """The pattern may be anywhere in the final text."""
    column = np.array([0, 1, 7, 1], "<u4")
    spec = AttributeSpec("key", "op", (), READ_WRITE, match="rite|^un")
    assert made(column, spec)[1] == [False, True, True, True]
    assert made(column, AttributeSpec("key", "op", match="^1$"))[1] == [False, True, False, True]
