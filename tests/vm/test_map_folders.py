"""Where a map's file may be, what it may be, and a disk that has no room."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.map_files import SPECS
from tests.vm.pinned import in_file, names, needs_map_files, use
from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.platforms.model import MapKind
from tracerd.vm.map_files import LockedFile
from tracerd.vm.maps import Map

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")
ROOT = Path(__file__).parents[2]

pytestmark = needs_map_files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_what_is_no_plain_file_of_ours_is_refused(path: Path) -> None:
    """Links, pipes, folders, other names, others' write permission; each by its name, and nothing hangs."""
    other = path.with_name("other.map")
    in_file(MapKind.HASH, other).close()
    cases = (
        (lambda: path.symlink_to(other), "is a symbolic link, which is not followed; remove it"),
        (lambda: path.symlink_to("nowhere"), "is a symbolic link, which is not followed; remove it"),
        (lambda: os.mkfifo(path), "is no regular file; remove it"),
        (lambda: path.hardlink_to(other), "has another name as well"),
        (lambda: (path.write_bytes(other.read_bytes()), path.chmod(0o620)), "others than its owner may write it"),
        (path.mkdir, "is a folder; remove it"),
    )
    for make, sentence in cases:
        make()
        with pytest.raises(RunError, match=sentence):
            in_file(MapKind.HASH, path)
        if not path.is_dir():
            path.unlink()
    assert names(path.parent) == ["m.map", "other.map"]


@root_only
def test_a_file_or_folder_of_another_user_is_refused(path: Path) -> None:
    """He could change it under our programs."""
    in_file(MapKind.HASH, path).close()
    os.chown(path, 4711, -1)
    with pytest.raises(RunError, match="belongs to user 4711"):
        in_file(MapKind.HASH, path)
    os.chown(path.parent, 4711, -1)
    with pytest.raises(RunError, match="belongs to user 4711, who could replace what is in it"):
        in_file(MapKind.HASH, path)


def test_a_folder_that_others_may_write_is_refused(path: Path) -> None:
    """So is one behind a symbolic link, one that is none, and one that is not there."""
    folder = path.parent / "pins"
    folder.mkdir()
    (path.parent / "link").symlink_to(folder)
    (path.parent / "file").touch()
    folder.chmod(0o770)
    for name, sentence in (
        ("pins", "others than its owner may write it; take that away"),
        ("link", "is no folder, or a symbolic link to one"),
        ("file", "is no folder, or a symbolic link to one"),
        ("gone", "no such file or directory"),
    ):
        with pytest.raises(RunError, match=sentence):
            in_file(MapKind.HASH, path.parent / name / "m.map")


def test_a_full_disk_is_a_sentence_and_not_a_signal(small_disk: Path) -> None:
    """All room is taken when a file is made; what does not fit leaves nothing behind, and a running map runs on."""
    large = replace(SPECS[MapKind.HASH], max_entries=10_000)
    with pytest.raises(RunError, match="the disk is full; make room or choose a smaller max_entries"):
        Map.in_file(large, MapKind.HASH, 1, small_disk / "m.map")
    assert names(small_disk) == []
    with Map(large, MapKind.HASH, 1) as map_:
        left = use(map_)
        with pytest.raises(RunError, match="the disk is full"):
            map_.prepare_pin(small_disk / "m.map")
        assert list(map_.items()) == left
    assert names(small_disk) == []
    with in_file(MapKind.HASH, small_disk / "m.map") as map_:
        (small_disk / "rest").write_bytes(bytes(56 << 10))
        use(map_)


def test_a_file_with_holes_on_a_full_disk_is_refused(small_disk: Path) -> None:
    """A copy that left out the zeros would be a SIGBUS at the first write into them."""
    spec = MapSpec("m", MapKind.ARRAY.value, 4, 4096, 12)
    path = small_disk / "m.map"
    Map.in_file(spec, MapKind.ARRAY, 1, path).close()
    head = path.read_bytes()[:4096]
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(head)
        file.truncate(320 + 12 * 4096)
    (small_disk / "rest").write_bytes(bytes(56 << 10))
    with pytest.raises(RunError, match="the disk is full"):
        Map.in_file(spec, MapKind.ARRAY, 1, path)
    (small_disk / "rest").unlink()
    with Map.in_file(spec, MapKind.ARRAY, 1, path) as map_:
        assert path.stat().st_blocks * 512 >= path.stat().st_size
        map_.update(struct.pack("<I", 11), b"x" * 4096)


def test_a_limit_on_file_sizes_is_a_sentence(path: Path) -> None:
    """RLIMIT_FSIZE is met when the file is made, not by a signal later."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(RunError, match=r"raise its limit \(RLIMIT_FSIZE"):
            in_file(MapKind.HASH, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(path.parent) == []


@root_only
def test_a_folder_that_may_not_be_written_is_not_permitted() -> None:
    """As another user than its owner: refused with what to do about it."""
    code = (
        "import os, sys\n"
        "from tests.vm.pinned import MapKind, Path, in_file\n"
        "from tracerd.errors import NotPermitted\n"
        "os.seteuid(4711)\n"
        "try: in_file(MapKind.HASH, Path(sys.argv[1]) / 'm.map')\n"
        "except NotPermitted as error: print(error)"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, "-c", code, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "not permitted; run as its owner, or give user 4711 access to its folder" in done.stdout, done.stderr


def test_a_publish_that_was_killed_halfway_is_finished(path: Path) -> None:
    """A file has two names for a moment; who opens it next removes the draft's."""
    draft = LockedFile.draft(path, 4096)
    name = next(iter(names(path.parent)))
    os.link(path.parent / name, path)
    draft.close()
    opened = LockedFile.open(path)
    assert opened
    opened.close()
    assert names(path.parent) == ["m.map"]
