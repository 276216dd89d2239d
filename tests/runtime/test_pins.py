"""Pins: names, the folder, what is known of a map without its object."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.elf.build import OBJECTS
from tracerd.elf.load import load
from tracerd.elf.spec import MapSpec, ObjectSpec
from tracerd.errors import ConfigError, RunError
from tracerd.platforms.model import MapKind
from tracerd.runtime.pin_meaning import MeaningError, decode_meaning, encode_meaning
from tracerd.runtime.pins import Pins, pin_file_name
from tracerd.views.columns import MapColumns
from tracerd.vm.map_files import LockedFile
from tracerd.vm.maps import Map

SYSCALLS = Path(__file__).parents[2] / "probes" / "syscalls" / "syscalls.bpf.o"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="this system has no maps in files")


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "pins")


@pytest.fixture(scope="module")
def spec() -> ObjectSpec:
    return load(OBJECTS / "pinned.bpf.o")


def kept(spec: ObjectSpec) -> MapSpec:
    return next(each for each in spec.maps if each.pinned)


def pin(pins: Pins, name: str, spec: ObjectSpec) -> None:
    """Pin the object's map with one element, as a daemon would, and let it go."""
    pins.describe(name, kept(spec), spec.btf, 1)
    with Map(kept(spec), MapKind.HASH) as map_:
        map_.prepare_pin(pins.path(name))
        map_.commit_pin()
        map_.update(b"\x07\0\0\0", b"\x2a" + bytes(7))


@pytest.mark.parametrize("name", ["a", "7", "_x", "counts.v2", "A-b_c.d", "a" * 64])
def test_names_of_pins(name: str) -> None:
    """Letters, digits and a few signs."""
    assert pin_file_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".data", "-rf", "a/b", "../a", "/etc/passwd", "a\0b", "a b", "a\n", "ä", "a" * 65, "x" * 9999],
)
def test_what_could_be_a_path_is_no_name(pins: Pins, name: str) -> None:
    """Refused in one short sentence wherever a name is taken, and nothing is touched."""
    for refused in (pin_file_name, pins.path, pins.exists, pins.remove, pins.read):
        with pytest.raises(ConfigError, match="a name has 1 to 64 letters") as caught:
            refused(name)
        assert len(str(caught.value)) < 260
        assert "\n" not in str(caught.value)
    assert list(pins.directory.iterdir()) == []


def test_a_pin_is_shown_without_its_object(pins: Pins, spec: ObjectSpec) -> None:
    """Its contents and types are read back from the folder alone, by someone who changes nothing."""
    pin(pins, "kept", spec)
    assert pins.list() == ["kept"]
    assert pins.exists("kept")
    found = Pins(pins.directory, tidy=False).read("kept")
    assert found.spec == kept(spec)
    assert found.untyped == ""
    columns = MapColumns(found.spec, found.btf)
    assert {path: columns.read(found.snapshot, path, "auto").tolist() for path in columns.paths} == {
        "key": [7], "value": [42],
    }


def test_types_of_a_whole_probe_survive() -> None:
    """Structs and arrays of a shipped probe have the same columns before and after."""
    probe = load(SYSCALLS)
    for each in probe.maps:
        if each.key_size and not each.read_only:
            found = decode_meaning(encode_meaning(each, probe.btf, 1))
            assert MapColumns(found.spec, found.btf).paths == MapColumns(each, probe.btf).paths


def test_a_pin_in_use_is_read_and_not_removed(pins: Pins, spec: ObjectSpec) -> None:
    """The one who has the map unpins it; then the rest may be removed."""
    pin(pins, "kept", spec)
    with Map.in_file(kept(spec), MapKind.HASH, 1, pins.path("kept")) as map_:
        map_.update(b"\x08\0\0\0", bytes(8))
        assert len(pins.read("kept").snapshot.keys) == 2
        with pytest.raises(RunError, match="is in use; unpin the map where it is used"):
            pins.remove("kept")
        assert map_.unpin()
    assert not pins.exists("kept")
    assert pins.remove("kept")
    assert not pins.remove("kept")
    assert list(pins.directory.iterdir()) == []


def test_what_killed_processes_left_is_removed(pins: Pins, spec: ObjectSpec) -> None:
    """Drafts and descriptions without a map go; those of living processes, and whole pins, stay."""
    pin(pins, "kept", spec)
    pins.describe("never", kept(spec), None, 1)
    (pins.directory / ".dead.map.0123.tmp").touch()
    (pins.directory / ".link.map.0123.tmp").symlink_to("/etc/passwd")
    living = LockedFile.draft(pins.path("new"), 4096)
    again = Pins(pins.directory)
    left = {each.name for each in pins.directory.iterdir()}
    assert again.leftovers == 2
    assert {"kept.map", "kept.json", ".link.map.0123.tmp"} < left
    assert len(left) == 4
    living.publish()
    assert again.list() == ["kept", "new"]
    living.close()


def test_a_reader_tidies_nothing(pins: Pins, spec: ObjectSpec) -> None:
    """It may look while a daemon is about to pin."""
    pins.describe("soon", kept(spec), None, 1)
    assert Pins(pins.directory, tidy=False).leftovers == 0
    assert (pins.directory / "soon.json").exists()
    with pytest.raises(RunError, match="no such file"):
        Pins(pins.directory / "gone", tidy=False)


def test_the_folder_is_ours_alone(tmp_path: Path) -> None:
    """Made for nobody else; refused as a link, as a file, and where others may write."""
    Pins(tmp_path / "pins").close()
    assert (tmp_path / "pins").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "pins")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is no folder, or a symbolic link to one"):
        Pins(tmp_path / "link")
    with pytest.raises(RunError, match="is no folder, or a symbolic link to one"):
        Pins(tmp_path / "file")
    (tmp_path / "pins").chmod(0o777)
    with pytest.raises(RunError, match="others than its owner may write it"):
        Pins(tmp_path / "pins")


def test_a_link_in_place_of_a_pin_is_not_followed(pins: Pins, spec: ObjectSpec, tmp_path: Path) -> None:
    """Listed, refused when it is opened, and removed as what it is; its target stays."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    for suffix in (".map", ".json"):
        (pins.directory / f"bad{suffix}").symlink_to(target)
    assert pins.list() == ["bad"]
    with pytest.raises(RunError, match="is a symbolic link, which is not followed"):
        pins.read("bad")
    with pytest.raises(RunError, match="is a symbolic link, which is not followed"):
        Map.in_file(kept(spec), MapKind.HASH, 1, pins.path("bad"))
    pins.describe("bad", kept(spec), None, 1)
    assert not (pins.directory / "bad.json").is_symlink()
    assert pins.remove("bad")
    assert target.read_bytes() == b"precious"
    assert list(pins.directory.iterdir()) == []


def test_a_folder_that_is_exchanged_is_not_followed(pins: Pins, spec: ObjectSpec) -> None:
    """What was opened is what is used, whatever its path leads to later."""
    pin(pins, "kept", spec)
    pins.directory.rename(pins.directory.with_name("moved"))
    pins.directory.mkdir()
    assert pins.list() == ["kept"]
    assert pins.remove("kept")
    assert list(pins.directory.with_name("moved").iterdir()) == []


def test_a_damaged_description_costs_the_types_only(pins: Pins, spec: ObjectSpec) -> None:
    """The bytes of the map are shown, and why they have no names."""
    pin(pins, "kept", spec)
    path = pins.directory / "kept.json"
    whole = json.loads(path.read_text())
    for change, reason in (
        ({"format": 2}, "kept.json has format 2, and this version of tracerd knows 1"),
        ({"key_type": 10**6}, "kept.json is damaged: there is no type 1000000"),
        ({"key_type": -1}, "kept.json is damaged: there is no type -1"),
        ({"value_size": 4}, "what it describes has 4"),
        ({"max_entries": 65}, "kept.json describes a map of another shape"),
        ({"btf": base64.b64encode(b"\x9f\xeb\x01").decode()}, "kept.json is damaged"),
        ({"btf": None, "key_type": None, "value_type": None}, "its object has no BTF"),
        ({"more": 1}, "kept.json is damaged"),
    ):
        path.write_text(json.dumps(whole | change))
        found = pins.read("kept")
        assert reason in found.untyped
        assert (found.btf, len(found.snapshot.keys)) == (None, 1)
    path.unlink()
    assert "no such file" in pins.read("kept").untyped
    os.mkfifo(path)
    assert "is no regular file" in pins.read("kept").untyped


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_descriptions_are_read_as_a_strangers(data: st.DataObject, spec: ObjectSpec) -> None:
    """Bytes changed in the JSON or in its BTF: refused, or something whose columns can be asked for."""
    whole = json.loads(encode_meaning(kept(spec), spec.btf, 1))
    blob = bytearray(base64.b64decode(whole["btf"]))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(blob) - 1), st.integers(0, 255)), max_size=4)):
        blob[at] = byte
    whole["btf"] = base64.b64encode(blob).decode()
    whole |= data.draw(st.dictionaries(st.sampled_from(sorted(whole)), st.integers(-2, 80) | st.none(), max_size=2))
    try:
        found = decode_meaning(json.dumps(whole).encode())
    except MeaningError:
        return
    assert len(MapColumns(found.spec, found.btf).paths) >= 2
