"""Map definitions of eBPF for Windows from before BTF."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tracerd.elf.file import ElfFile
from tracerd.elf.load import load_bytes
from tracerd.elf.spec import MapSpec
from tracerd.errors import ObjectError
from tracerd.isa.instruction import IMM64_MAP_INDEX

OBJECT = (Path(__file__).parents[1] / "platforms" / "objects" / "plain.bpf.o").read_bytes()


def changed(at: int, value: int) -> bytes:
    """Return the object with one number of section `maps` set."""
    data = bytearray(OBJECT)
    section = ElfFile(OBJECT, "bind").section("maps")
    assert section is not None
    struct.pack_into("<I", data, section.offset + at, value)
    return bytes(data)


def with_size(size: int) -> bytes:
    """Return the object with another size of section `maps`."""
    data = bytearray(OBJECT)
    section = ElfFile(OBJECT, "bind").section("maps")
    assert section is not None
    (table,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<Q", data, table + section.index * 64 + 32, size)
    return bytes(data)


def test_definitions_are_read_and_referred_to() -> None:
    """One map for each variable, by its name; the code's references are their indices."""
    spec = load_bytes(OBJECT, "bind")
    assert spec.windows_maps
    assert spec.maps == (MapSpec("ports", 1, 4, 16, 1024), MapSpec("total", 2, 4, 8, 1))
    code = spec.programs[0].instructions
    assert {each.imm for each in code if each.is_lddw and each.src == IMM64_MAP_INDEX} == {0, 1}


def test_a_pin_by_name_is_read() -> None:
    """LIBBPF_PIN_BY_NAME is 1, as with libbpf."""
    assert [each.pinned for each in load_bytes(changed(20, 1), "bind").maps] == [True, False]


@pytest.mark.parametrize(
    "size", [32, 33, 60], ids=["a map outside", "a byte more", "the last cut off"]
)
def test_what_is_no_definition_is_refused(size: int) -> None:
    """One sentence with the form that is known."""
    with pytest.raises(ObjectError, match="only that of eBPF for Windows is, 32 bytes for each map"):
        load_bytes(with_size(size), "bind")


def test_another_way_of_pinning_is_refused() -> None:
    """Only none and by name are known."""
    with pytest.raises(ObjectError, match=r"map 'ports' is pinned in a way that is not known \(2\); 0 and 1 are"):
        load_bytes(changed(20, 2), "bind")
