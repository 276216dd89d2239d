"""Whoever writes a pinned map may be killed after any instruction: each state of the file is one that opens whole.

Where the process may be traced, it is stopped after *every* machine instruction of an operation. Many more are killed
at random, with two threads and a reader of the ring.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native.stepper import NOT_TRACED, SCENES, fill, key, open_scene, value, writing
from tracerd.errors import RunError
from tracerd.vm.maps import Map

ROOT = Path(__file__).parents[2]
KILLS = 220

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="this system has no maps in files")


def run(module: str, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, str(folder), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Every scene's states, in order."""
    folder = tmp_path_factory.mktemp("steps")
    done = run("tests.native.stepper", folder=folder)
    if done.returncode == NOT_TRACED:
        pytest.skip("this machine does not let a process trace its child (ptrace)")
    assert done.returncode == 0, done.stderr
    found: dict[str, list[bytes]] = {}
    for scene in SCENES:
        paths = sorted(folder.glob(f"{scene}.[0-9]*"), key=lambda path: int(path.suffix[1:]))
        found[scene] = [path.read_bytes() for path in paths]
    return found


def contents(map_: Map) -> object:
    """What a user sees: rows, or the records that wait."""
    return dict(map_.items()) if map_.kind.keyed else map_.read()


def opened(scene: str, state: bytes, folder: Path) -> Map:
    path = folder / "state.map"
    path.unlink(missing_ok=True)
    path.write_bytes(state)
    path.chmod(0o600)
    return open_scene(scene, path)


def check_hash(map_: Map) -> None:
    """Rows are findable, whole and counted, and the room that is left can be used, no more."""
    rows = dict(map_.items())
    assert len(rows) == map_.statistics.count
    assert len(list(map_.items())) == len(rows)
    for number in range(10):
        assert (map_.lookup(key(number)) is not None) is (key(number) in rows)
    fill(map_, *range(100, 100 + map_.max_entries - len(rows)))
    with pytest.raises(RunError, match="full"):
        fill(map_, 99)


def check_ring(map_: Map) -> None:
    """An empty ring takes exactly as many records as it has room for."""
    records = [bytes([number]) * 8 for number in range(4)]
    assert [writing(each)(map_)() for each in [*records, b"too much"]] == [0, 0, 0, 0, 2**64 - 11]
    assert map_.read() == records


@pytest.mark.parametrize("scene", [name for name in SCENES if not name.endswith("update")])
def test_killed_after_any_instruction_an_operation_is_done_or_not_begun(
    scene: str, states: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """No state opens to anything but the contents before or after, and once it is after, it stays so."""
    seen = []
    for state in states[scene]:
        with opened(scene, state, tmp_path) as map_:
            seen.append(contents(map_))
            (check_hash if map_.kind.keyed else check_ring)(map_)
    before, after = seen[0], seen[-1]
    first = seen.index(after)
    assert seen == [before] * first + [after] * (len(seen) - first)
    assert (before == after) is (scene == "insert_into_full")


def test_killed_in_an_update_each_word_of_the_value_is_old_or_new(
    states: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """As a reader beside a running program would see it; the keys and the other values are untouched."""
    for state in states["update"]:
        with opened("update", state, tmp_path) as map_:
            rows = dict(map_.items())
            mixed = rows.pop(key(2))
            assert rows == {key(number): value(number, map_) for number in (1, 3)}
            assert mixed[:8] in (value(2, map_)[:8], value(9, map_)[:8])
            assert mixed[8:] in (value(2, map_)[8:], value(9, map_)[8:])
            check_hash(map_)


def test_killed_in_an_update_an_array_keeps_its_other_elements(
    states: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """The words of the element come one after the other."""
    halves = []
    for state in states["array_update"]:
        with opened("array_update", state, tmp_path) as map_:
            first, second = (each for _, each in map_.items())
            assert first == bytes(16)
            halves.append((second[:8] == value(9, map_)[:8], second[8:] == value(9, map_)[8:]))
    assert list(dict.fromkeys(halves)) == [(False, False), (True, False), (True, True)]


def test_an_unfinished_record_is_discarded_and_counted(states: dict[str, list[bytes]], tmp_path: Path) -> None:
    """Between reserve and submit a record is nobody's: it is not delivered, and the repair says so."""
    repaired = []
    for state in states["ring_output"]:
        with opened("ring_output", state, tmp_path) as map_:
            repaired.append(map_.repaired.unfinished)
            assert not map_.repaired.emptied
    assert set(repaired) == {0, 1}
    assert repaired[0] == repaired[-1] == 0


def test_processes_killed_at_random_leave_maps_that_open_whole(tmp_path: Path) -> None:
    """No key twice, all findable, all room usable, and no counter below what the process had told of it."""
    tmp_path.chmod(0o700)
    done = run("tests.vm.hammer", KILLS, 7, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rounds"] == KILLS
    assert told["counted"] > KILLS
    assert told["duplicates"] == told["emptied"] == 0
