"""Platform windows: its tables, its native structs and what clang makes of an author's header say the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.platforms.build import TARGETS, build
from tracerd.btf.layout import flatten
from tracerd.btf.types import Composite
from tracerd.elf.load import load
from tracerd.errors import ObjectError
from tracerd.native import ffi, lib
from tracerd.platforms.detect import detect
from tracerd.platforms.linux import LINUX
from tracerd.platforms.model import MapKind
from tracerd.platforms.windows import OWN, SERVED, UNSERVED_HELPERS, WINDOWS
from tracerd.runtime.locate import locate
from tracerd.verifier.prepare import make_job
from tracerd.vm.interpreter import ARGUMENT_CODES

ROOT = Path(__file__).parents[2]
OBJECTS = Path(__file__).parent / "objects"
NATIVE = {
    "process": ("struct tr_process_md", "_process_md", "process.bpf.o"),
    "bind": ("struct tr_bind_md", "_bind_md", "bind.bpf.o"),
    "xdp": ("struct tr_xdp_md", "xdp_md_", "xdp.bpf.o"),
    "netevent_monitor": ("struct tr_netevent_event_md", "_netevent_event_md", "netevent.bpf.o"),
}


@pytest.mark.parametrize("name", NATIVE)
def test_the_table_has_the_native_struct_s_size_and_offsets(name: str) -> None:
    """What the verifier allows is where a hook writes it, and all of it is inside."""
    table, native = WINDOWS.type_by_name[name].context, NATIVE[name][0]
    assert ffi.sizeof(native) == table.size
    end = 0
    for field in table.fields:
        assert field.offset == ffi.offsetof(native, field.name)
        assert end <= field.offset
        end = field.offset + field.size
    assert end <= table.size


@pytest.mark.parametrize("name", NATIVE)
def test_an_author_s_header_has_the_same_layout(name: str) -> None:
    """The objects were compiled against such a header; clang's BTF in them is the witness."""
    _, struct, file = NATIVE[name]
    btf = load(OBJECTS / file).btf
    assert btf is not None
    number = next(i for i, each in enumerate(btf.types) if isinstance(each, Composite) and each.name == struct)
    places = {leaf.path: leaf.offset for leaf in flatten(btf, number)}
    for field in WINDOWS.type_by_name[name].context.fields:
        assert places[field.name] == field.offset


def test_process_contexts_have_the_published_size() -> None:
    """process_md_t: 144 bytes, a SID of 68 at 76."""
    assert WINDOWS.type_by_name["process"].context.size == 144
    assert ffi.offsetof("struct tr_process_md", "token_sid") == 76


def test_every_helper_that_is_served_is_native() -> None:
    """Shared ones and the types' own; those that are only names are served to no type."""
    for kind in WINDOWS.program_types:
        for helper in WINDOWS.helpers_by_type[kind.name].values():
            assert lib.tr_helper_address(helper.name.encode()) != 0, helper.name
            assert all(argument in ARGUMENT_CODES for argument in helper.arguments)
            assert helper.id not in UNSERVED_HELPERS


def test_own_helpers_are_a_type_s_alone() -> None:
    """Their ids begin at 0x10000, and no other type has them."""
    own = {kind.name: [helper.id for helper in kind.own_helpers] for kind in WINDOWS.program_types}
    assert own["process"] == [OWN, OWN + 1, OWN + 2]
    for kind in WINDOWS.program_types:
        assert set(WINDOWS.helpers_by_type[kind.name]) == SERVED | set(own[kind.name])


def test_numbers_differ_from_linux() -> None:
    """A ring buffer is 13 here and 27 there; helper 14 prints here and tells the process there."""
    assert WINDOWS.maps[13] is LINUX.maps[27] is MapKind.RINGBUF
    assert WINDOWS.maps[4] is LINUX.maps[5] is MapKind.PERCPU_HASH
    assert (WINDOWS.helper_by_id[14].name, LINUX.helper_by_id[14].name) == ("trace_printk4", "get_current_pid_tgid")


@pytest.mark.skipif(shutil.which("clang-19") is None, reason="needs clang-19, which built the objects")
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_built_apart_is_what_its_source_compiles_to(name: str, tmp_path: Path) -> None:
    """Instructions and maps are equal; the others are compared by tests/probes/test_objects.py."""
    ours, theirs = load(OBJECTS / name), load(build(name, tmp_path))
    assert [each.instructions for each in ours.programs] == [each.instructions for each in theirs.programs]
    assert ours.maps == theirs.maps


@pytest.mark.parametrize("name", ["process", "bind", "xdp", "netevent", "plain"])
def test_objects_for_windows_are_told_from_others(name: str) -> None:
    """By the names of their contexts' structs, their sections, or their form of map definitions."""
    assert detect(load(OBJECTS / f"{name}.bpf.o")) is WINDOWS


def test_objects_for_linux_are_left_to_linux() -> None:
    """Every other object of the project, those of type xdp and process among them."""
    paths = [*ROOT.glob("probes/*/*.bpf.o"), *ROOT.glob("tests/[cdrs]*/objects/*.bpf.o")]
    assert len(paths) > 10
    assert [path for path in paths if detect(load(path)) is not LINUX] == []


@pytest.mark.parametrize(
    ("define", "said"),
    [
        ("PROG_ARRAY", "map 'odd' is a prog_array, a kind of map that tracerd does not have; it has: hash, array"),
        ("LRU", "map 'odd' is a lru_hash, a kind of map that tracerd does not have"),
        ("CONNECT", "section 'cgroup/connect4': tracerd knows the type and has no events for it; of windows it runs"),
        ("UNKNOWN_MAP", "map 'odd' is of type 99, not supported; supported: hash (1), array (2), percpu_hash (4)"),
        ("UNKNOWN_SECTION", "names no windows program type (known: bind, netevent_monitor, process, xdp)"),
    ],
)
def test_what_is_not_there_is_refused_by_name(define: str, said: str) -> None:
    """Kinds of maps and of programs that tracerd knows and does not have: one sentence, with what there is."""
    spec = load(OBJECTS / f"refused_{define.lower()}.bpf.o")
    with pytest.raises(ObjectError) as refusal:
        make_job(spec, spec.programs[0], WINDOWS)
    assert said in str(refusal.value)


def test_a_bare_object_of_a_type_that_nothing_feeds_is_refused_as_such() -> None:
    """No probe.toml could attach it."""
    with pytest.raises(ObjectError, match="tracerd knows the type and has no events for it"):
        locate(str(OBJECTS / "refused_connect.bpf.o"))
