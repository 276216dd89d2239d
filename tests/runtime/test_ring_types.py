"""What a ring buffer's records are: of the type it declares, else of the types that its exports name."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.elf.build import OBJECTS
from tracerd.btf.types import Btf
from tracerd.elf.load import load
from tracerd.elf.spec import MapSpec
from tracerd.runtime.ring_types import TypedFollower, record_types
from tracerd.runtime.rings import RingFollower
from tracerd.signals import LogSpec, RecordSpec, Signals, SpanSpec

KINDS = load(Path(__file__).parents[1] / "daemon" / "objects" / "kinds.bpf.o")
RINGS = load(OBJECTS / "rings.bpf.o")
NOTE = struct.pack("<IIQ", 0, 4, 7)
CALL = struct.pack("<IIQ8s", 1, 5, 9, b"read")
HEAD = struct.pack("<II", 2, 6)
NOTE_VALUE = {"head": {"kind": 0, "count": 4}, "value": 7}
CALL_VALUE = {"head": {"kind": 1, "count": 5}, "began_ns": 9, "name": "read"}


def log(type_: str, *where: tuple[str, int], ring: str = "kinds") -> LogSpec:
    return LogSpec(RecordSpec(ring, type_, where), "e")


def span(type_: str, *where: tuple[str, int]) -> SpanSpec:
    return SpanSpec(RecordSpec("kinds", type_, where), "s", "began_ns", "began_ns")


def ring_of(spec: tuple[MapSpec, ...], name: str) -> MapSpec:
    return next(each for each in spec if each.name == name)


def decoded(record: bytes, signals: Signals, ring: str = "kinds", btf: Btf | None = KINDS.btf) -> object:
    """What a follower makes of a record."""
    types = record_types(ring_of(KINDS.maps, ring), btf, signals)
    return TypedFollower(RingFollower(1 << 20, lambda _: None), types).decode(record)


BY_KIND = Signals((), (log("note", ("head.kind", 0)),), (span("call", ("head.kind", 1)),))


def test_records_are_of_the_type_that_the_ring_declares() -> None:
    """Whatever exports name; what follows the type in a longer record is not shown."""
    assert decoded(NOTE, Signals(), "typed") == NOTE_VALUE
    assert decoded(NOTE + b"more", Signals((), (log("call", ring="typed"),), ()), "typed") == NOTE_VALUE


def test_a_record_that_is_shorter_than_its_type_is_hex() -> None:
    """Of a declared type, and of one that an export names."""
    assert decoded(HEAD, Signals(), "typed") == HEAD.hex()
    assert decoded(CALL[:-1], BY_KIND) == CALL[:-1].hex()
    assert decoded(b"", BY_KIND) == ""


def test_kinds_of_records_are_told_apart_by_what_their_exports_want() -> None:
    """A log's type and a span's, by a field inside a struct."""
    assert decoded(NOTE, BY_KIND) == NOTE_VALUE
    assert decoded(CALL, BY_KIND) == CALL_VALUE


def test_all_conditions_must_hold() -> None:
    """One field alone does not make a record a type's."""
    signals = Signals((), (log("note", ("head.kind", 0), ("head.count", 4)),), ())
    assert decoded(NOTE, signals) == NOTE_VALUE
    other = struct.pack("<IIQ", 0, 5, 7)
    assert decoded(other, signals) == other.hex()


@pytest.mark.parametrize(
    "signals",
    [
        Signals(),
        BY_KIND,
        Signals((), (log("note", ring="typed"),), ()),
        Signals((), (log(""),), ()),
        Signals((), (log("nothing"),), ()),
        Signals((), (log("note", ("head.nothing", 2), ("head", 2), ("value.kind", 2)),), ()),
    ],
    ids=["no exports", "other kinds", "another ring's", "no type", "unknown type", "unknown fields"],
)
def test_a_record_that_is_of_no_type_is_hex(signals: Signals) -> None:
    """It is shown all the same."""
    record = struct.pack("<IIQ8s", 2, 6, 0, b"")
    assert decoded(record, signals) == record.hex()


def test_without_btf_records_are_hex() -> None:
    """An object that was stripped of it."""
    assert decoded(NOTE, BY_KIND, btf=None) == NOTE.hex()


def test_a_type_without_a_condition_takes_what_the_others_leave() -> None:
    """Although it stands first: it would take every record that is long enough."""
    signals = Signals((), (log("note"),), (span("call", ("head.kind", 1)),))
    assert decoded(CALL, signals) == CALL_VALUE
    assert decoded(NOTE, signals) == NOTE_VALUE


def test_records_may_be_plain_numbers() -> None:
    """Their only field is called "value", as in the exports of a map."""
    number = (9).to_bytes(8, "little")
    assert decoded(number, Signals((), (log("u64", ("value", 9)),), ())) == 9
    assert decoded(number, Signals((), (log("u64", ("value", 8)),), ())) == number.hex()
    types = record_types(ring_of(RINGS.maps, "keyed"), RINGS.btf, Signals())
    assert TypedFollower(RingFollower(1 << 20, lambda _: None), types).decode(number) == 9
