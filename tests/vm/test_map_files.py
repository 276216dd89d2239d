"""Maps in files: what a file keeps, and how a running map moves into one."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.certify import program
from tests.fuzz.map_files import CPUS, HEADER, SPECS
from tests.vm.engines import BOTH, live_map, needs_jit
from tests.vm.pinned import found, in_file, in_memory, names, needs_map_files, use
from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.platforms.model import MapKind
from tracerd.verifier.job import MapFacts
from tracerd.vm.engine import prepare
from tracerd.vm.maps import Map, MapFile
from tracerd.vm.policy import EngineChoice

KEYED = [kind for kind in MapKind if kind.keyed]
COUNTER = MapFacts("counter", MapKind.ARRAY.value, 4, 8, 1, contents=bytes(8))
COUNT = "r1 = map[0][0] ll; r2 = 1; lock *(u64 *)(r1 + 0) += r2; r0 = *(u64 *)(r1 + 0); exit"

ROOT = Path(__file__).parents[2]

pytestmark = needs_map_files


@pytest.mark.parametrize("kind", MapKind)
def test_a_map_is_as_it_was_when_its_file_is_opened_again(kind: MapKind, path: Path) -> None:
    """Contents, their order and the counts; nothing had to be mended."""
    with in_file(kind, path) as map_:
        left = use(map_)
        statistics = map_.statistics
        assert map_.path == path
    with in_file(kind, path) as map_:
        assert map_.statistics == statistics
        assert found(map_) == left
        assert not map_.repaired
    assert names(path.parent) == ["m.map"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_blocks * 512 >= path.stat().st_size


@pytest.mark.parametrize("kind", MapKind)
def test_a_running_map_moves_into_a_file_and_out_again(kind: MapKind, path: Path) -> None:
    """Its address and those of its values stay; the file has what the map has; after unpin there is no file."""
    with in_memory(kind) as map_:
        left = use(map_)
        address, layout = map_.address, map_.layout
        for _ in range(2):
            map_.prepare_pin(path)
            assert not path.exists()
            assert map_.path is None
            map_.commit_pin()
            assert (map_.address, map_.layout, map_.path) == (address, layout, path)
            map_.sync()
            copy = path.with_name("copy.map")
            copy.write_bytes(path.read_bytes())
            copy.chmod(0o600)
            with in_file(kind, copy) as other:
                assert found(other) == left
                assert not other.repaired
            copy.unlink()
            assert map_.unpin()
            assert names(path.parent) == []
            assert map_.path is None
        assert found(map_) == left


@pytest.mark.parametrize("kind", KEYED)
def test_what_is_written_after_a_pin_is_in_the_file(kind: MapKind, path: Path) -> None:
    """The file is the map's memory from then on."""
    with in_memory(kind) as map_:
        map_.prepare_pin(path)
        map_.update(bytes(map_.key_size), b"a" * 16 * map_.cpus)
        map_.commit_pin()
        map_.update(bytes([1, *bytes(map_.key_size - 1)]), b"b" * 16 * map_.cpus)
        left = list(map_.items())
        map_.sync(wait=False)
    with in_file(kind, path) as map_:
        assert list(map_.items()) == left


@needs_jit
@pytest.mark.parametrize("choice", BOTH, ids=lambda choice: choice.engine)
def test_programs_count_on_in_a_map_that_was_pinned(choice: EngineChoice, path: Path) -> None:
    """Code holds the addresses of values; it counts before and after in the same map, and the file has the sum."""
    with live_map(COUNTER) as counter:
        executable = prepare(program(COUNT.replace("; ", "\n"), [COUNTER]), [counter], choice)
        try:
            executable.repeat(1000, b"")
            counter.prepare_pin(path)
            executable.repeat(1000, b"")
            counter.commit_pin()
            assert executable.run(b"").result == 2001
            counter.unpin()
            assert executable.run(b"").result == 2002
            counter.prepare_pin(path)
            counter.commit_pin()
            assert executable.run(b"").result == 2003
        finally:
            executable.close()
    with MapFile.open_read(path) as file:
        assert file.snapshot("m").values.tobytes() == struct.pack("<Q", 2003)


def test_snapshots_beside_a_pin_see_the_same_map(path: Path) -> None:
    """A thread that copies the map all the while never sees another content."""
    spec = MapSpec("m", MapKind.HASH.value, 8, 16, 5000)
    with Map(spec, MapKind.HASH, 1) as map_:
        for number in range(5000):
            map_.update(struct.pack("<Q", number), struct.pack("<QQ", number, ~number & 0xFFFFFFFF))
        expected = map_.snapshot().values.tobytes()
        stop = threading.Event()
        copies: list[bool] = []

        def copy() -> None:
            while not stop.is_set():
                copies.append(map_.snapshot().values.tobytes() == expected and map_.lookup(bytes(8)) is not None)

        reader = threading.Thread(target=copy)
        reader.start()
        try:
            for _ in range(30):
                map_.prepare_pin(path)
                map_.commit_pin()
                assert map_.unpin()
        finally:
            stop.set()
            reader.join()
        assert copies
        assert all(copies)


def test_a_pin_that_fails_leaves_the_map_as_it_was(path: Path) -> None:
    """A name that is taken before or meanwhile, and one that was given up: no file, and the map goes on."""
    with in_memory(MapKind.HASH) as map_:
        left = use(map_)
        path.write_bytes(b"other")
        with pytest.raises(RunError, match="is there already; unpin it first or choose another name"):
            map_.prepare_pin(path)
        path.unlink()
        map_.prepare_pin(path)
        path.write_bytes(b"other")
        with pytest.raises(RunError, match="is there already"):
            map_.commit_pin()
        assert names(path.parent) == ["m.map"]
        assert path.read_bytes() == b"other"
        path.unlink()
        map_.prepare_pin(path)
        with pytest.raises(RunError, match=r"is pinned as .* already"):
            map_.prepare_pin(path)
        map_.abort_pin()
        map_.abort_pin()
        assert names(path.parent) == []
        assert (map_.path, list(map_.items())) == (None, left)
        for refused in (map_.commit_pin, map_.unpin):
            with pytest.raises(RunError):
                refused()


def test_unpin_leaves_a_file_that_took_the_place_alone(path: Path) -> None:
    """Only the map's own file is removed; a stranger's stays, and the answer says so."""
    with in_memory(MapKind.HASH) as map_:
        for replacement in (b"a stranger", None):
            map_.prepare_pin(path)
            map_.commit_pin()
            path.unlink()
            if replacement:
                path.write_bytes(replacement)
            assert not map_.unpin()
            assert names(path.parent) == (["m.map"] if replacement else [])
            path.unlink(missing_ok=True)


def test_initial_contents_are_written_once(path: Path) -> None:
    """.data starts as the object says and then keeps what programs wrote."""
    spec = MapSpec(".data", MapKind.ARRAY.value, 4, 12, 1, contents=b"from the obj")
    with Map.in_file(spec, MapKind.ARRAY, 1, path) as map_:
        assert map_.lookup(bytes(4)) == b"from the obj"
        map_.update(bytes(4), b"by a program")
    with Map.in_file(spec, MapKind.ARRAY, 1, path) as map_:
        assert map_.lookup(bytes(4)) == b"by a program"


@pytest.mark.parametrize("at", [0, 11, 12, 15])
def test_constants_must_be_those_of_the_object(path: Path, at: int) -> None:
    """Proofs and compiled code rely on every byte of .rodata, its padding too."""
    spec = MapSpec(".rodata", MapKind.ARRAY.value, 4, 12, 1, contents=b"from the obj", read_only=True)
    Map.in_file(spec, MapKind.ARRAY, 1, path).close()
    Map.in_file(spec, MapKind.ARRAY, 1, path).close()
    changed = bytearray(path.read_bytes())
    changed[HEADER + at] ^= 1
    path.write_bytes(changed)
    with pytest.raises(RunError, match=r"holds other constants than the object's '\.rodata'; remove the file"):
        Map.in_file(spec, MapKind.ARRAY, 1, path)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"key_size": 4}, "its key_size is 8, the program's map has 4"),
        ({"value_size": 15}, "its value_size is 16, the program's map has 15"),
        ({"max_entries": 7}, "its max_entries is 6, the program's map has 7"),
        ({"flags": 1}, "its flags is 0, the program's map has 1"),
        ({"read_only": True}, "its flags is 0, the program's map has 128"),
    ],
)
def test_a_map_of_another_shape_is_refused_by_the_difference(
    path: Path, other: dict[str, object], difference: str
) -> None:
    """Programs were proved for one shape; a file of another is not made to fit. It stays as it is."""
    with in_file(MapKind.PERCPU_HASH, path) as map_:
        left = use(map_)
    with pytest.raises(RunError, match=difference):
        in_file(MapKind.PERCPU_HASH, path, **other)
    with pytest.raises(RunError, match="its cpus is 2, the program's map has 3"):
        Map.in_file(SPECS[MapKind.PERCPU_HASH], MapKind.PERCPU_HASH, 3, path)
    with pytest.raises(RunError, match="its kind is 5, the program's map has 1; remove the file to start anew"):
        Map.in_file(SPECS[MapKind.PERCPU_HASH], MapKind.HASH, CPUS, path)
    with in_file(MapKind.PERCPU_HASH, path) as map_:
        assert list(map_.items()) == left


def test_a_file_has_one_writer(path: Path) -> None:
    """A second opener is refused until the first is gone, in this process and in another."""
    code = "import sys; from tests.vm.pinned import MapKind, Path, in_file; in_file(MapKind.HASH, Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(path)]
    with in_file(MapKind.HASH, path):
        with pytest.raises(RunError, match="is in use by another process; stop that one first"):
            in_file(MapKind.HASH, path)
        there = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert "is in use by another process" in there.stderr.splitlines()[-1]
    in_file(MapKind.HASH, path).close()
