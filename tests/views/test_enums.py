"""Enumerations in a record read as the names that its C has."""

from __future__ import annotations

from tests.elf.build import OBJECTS
from tracerd.elf.load import load
from tracerd.views.enums import Enums
from tracerd.views.values import named_type

BTF = load(OBJECTS / "types.bpf.o").btf


def test_members_that_are_enumerations_are_named() -> None:
    """Those with a sign and those of 64 bits too; a number without a name stays one, and other members as they are."""
    assert BTF is not None
    everything = named_type(BTF, "everything")
    assert everything is not None
    value: object = {"small": -1, "plain": 0x80000000, "large": 0x123456789, "tiny": 9, "byte": 7}
    assert Enums(BTF, everything).name(value) == {
        "small": "SMALL_MINUS", "plain": "PLAIN_BIG", "large": "LARGE_B", "tiny": 9, "byte": 7,
    }


def test_an_enumeration_alone_is_named() -> None:
    """A record may be one number."""
    assert BTF is not None
    plain = named_type(BTF, "plain")
    assert plain is not None
    named = Enums(BTF, plain)
    assert [named.name(number) for number in (7, 8)] == ["PLAIN_B", 8]
