"""What is not supported is refused by its name, with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.elf.build import OBJECTS, REFUSED
from tracerd.elf.load import load
from tracerd.errors import ObjectError

MESSAGES = {
    "LEGACY_MAPS": "section 'maps' holds map definitions of a form that is not supported",
    "CORE": "section 'xdp', instruction 0: CO-RE relocation on type 'task'",
    "KERNEL_FUNCTION": "refers to 'bpf_rcu_read_lock', which the object only declares: kernel symbols",
    "KERNEL_SYMBOL": "refers to 'bpf_prog_active', which the object only declares",
    "KCONFIG": "refers to 'LINUX_KERNEL_VERSION', which the object only declares",
    "CALLBACK": "function 'program', instruction 2: takes the address of function 'each'; callbacks are not supported",
    "MAP_IN_MAP": "map 'outer' holds maps or programs (__array(values, …)), which is not supported yet",
    "PINNED": "map 'pinned' is pinned in a way that is not known; __uint(pinning, LIBBPF_PIN_BY_NAME) is",
    "UNKNOWN_ATTRIBUTE": "map 'odd' has the attribute 'color', which is not supported; remove it",
    "RECORD_WITHOUT_SIZE": "a forward has no size",
    "SIZE_MISMATCH": "map 'odd' has a value_size of 8, its value has 4 bytes",
    "POINTER_IN_DATA": "section '.data', byte 0: holds the address of '.rodata.str1.1'",
    "OTHER_SECTION": "refers to 'variable' in section 'elsewhere'; variables are supported in .data*, .rodata*",
    "TENTATIVE": "refers to 'tentative', which is in no section; compile with -fno-common",
    "NO_PROGRAM": 'has no program: put SEC("…") before a function that is not static',
}


def test_every_refusal_is_expected() -> None:
    """No case of refused.bpf.c is left without its sentence."""
    assert set(MESSAGES) == set(REFUSED) - {"USE"}


@pytest.mark.parametrize("why", sorted(MESSAGES))
def test_unsupported_objects_are_refused_by_name(why: str) -> None:
    """One sentence names the section, function or map, and what about it."""
    path = OBJECTS / f"refused_{why.lower()}.bpf.o"
    with pytest.raises(ObjectError) as caught:
        load(path)
    assert caught.value.object == str(path)
    assert MESSAGES[why] in caught.value.cause
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("big_endian.bpf.o", "is big-endian; compile for little-endian eBPF"),
        ("no_debug_maps.bpf.o", "section '.maps' declares maps in BTF, and the object has none; compile with clang -g"),
    ],
)
def test_objects_compiled_otherwise_are_refused(name: str, message: str) -> None:
    """The other byte order, and maps without the BTF that describes them."""
    with pytest.raises(ObjectError, match=message):
        load(OBJECTS / name)


def test_files_that_are_not_there_are_an_object_error(tmp_path: Path) -> None:
    """A missing file and a folder are reported like a bad object, not as a Python traceback."""
    with pytest.raises(ObjectError, match="cannot be read: No such file"):
        load(tmp_path / "none.o")
    with pytest.raises(ObjectError, match="cannot be read"):
        load(tmp_path)
