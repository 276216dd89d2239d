"""Looking at a map's file from outside."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.vm.pinned import in_file, needs_map_files, use
from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.platforms.model import MapKind
from tracerd.vm.maps import Map, MapFile

pytestmark = needs_map_files


@pytest.mark.parametrize("kind", MapKind)
def test_a_reader_from_outside_sees_what_the_writer_sees(kind: MapKind, path: Path) -> None:
    """Beside the writer and without its lock: shape, rows, order and counts."""
    with in_file(kind, path) as map_:
        use(map_)
        with MapFile.open_read(path) as file:
            theirs, ours = file.snapshot("m"), map_.snapshot()
        assert (file.kind, file.key_size, file.value_size) == (kind, map_.key_size, map_.value_size)
        assert (file.max_entries, file.cpus) == (map_.max_entries, map_.cpus)
        assert theirs.keys.tolist() == ours.keys.tolist()
        assert theirs.values.tolist() == ours.values.tolist()
        assert theirs.values.shape == ours.values.shape
        assert theirs.refused == ours.refused
        assert not theirs.values.flags.writeable


def test_a_reader_beside_a_writer_sees_whole_keys(path: Path) -> None:
    """While keys come and go in every slot, no key is a mixture and none is there twice."""
    spec = MapSpec("m", MapKind.HASH.value, 256, 8, 64)
    stop = threading.Event()
    with Map.in_file(spec, MapKind.HASH, 1, path) as map_:

        def churn() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                map_.update(struct.pack("<Q", number) * 32, bytes(8))
                map_.delete(struct.pack("<Q", max(number - 40, 0)) * 32)

        writer = threading.Thread(target=churn)
        writer.start()
        try:
            with MapFile.open_read(path) as file:
                for _ in range(300):
                    keys = file.snapshot("m").keys.view("<u8")
                    assert (keys == keys[:, :1]).all()
                    assert len(np.unique(keys[:, 0])) == len(keys)
        finally:
            stop.set()
            writer.join()


def test_a_file_that_is_cut_under_a_reader_is_an_error(path: Path) -> None:
    """It is read and not mapped, so there is no SIGBUS."""
    in_file(MapKind.ARRAY, path).close()
    with MapFile.open_read(path) as file:
        os.truncate(path, 330)
        with pytest.raises(RunError, match="was cut off while it was read"):
            file.snapshot("m")


def test_a_reader_refuses_what_is_no_plain_file(path: Path) -> None:
    """A pipe does not hang it, a link is not followed."""
    os.mkfifo(path)
    with pytest.raises(RunError, match="is no regular file"):
        MapFile.open_read(path)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(RunError, match="is a symbolic link"):
        MapFile.open_read(path)
    path.unlink()
    with pytest.raises(RunError, match="no such file"):
        MapFile.open_read(path)
