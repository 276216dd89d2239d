"""Maps in files, for tests: one of each kind, used a little."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.map_files import CPUS, SPECS, output
from tracerd.platforms.model import MapKind
from tracerd.vm.maps import Map

needs_map_files = pytest.mark.skipif(sys.platform == "win32", reason="this system has no maps in files")


def in_file(kind: MapKind, path: Path, **other: object) -> Map:
    return Map.in_file(replace(SPECS[kind], **other), kind, CPUS, path)   # type: ignore[arg-type]


def in_memory(kind: MapKind) -> Map:
    return Map(SPECS[kind], kind, CPUS)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def use(map_: Map) -> object:
    """Leave something in a map; return what is to be found later, in order."""
    if not map_.kind.keyed:
        assert output(map_, b"first")
        assert output(map_, b"second")
        return [b"first", b"second"]
    for number in (3, 1, 5, 0, 2):
        map_.update(number.to_bytes(map_.key_size, "little"), bytes([number + 1]) * 16 * map_.cpus)
    if not map_.kind.array:
        map_.delete(bytes([5, *bytes(7)]))
        map_.delete(bytes([3, *bytes(7)]))
        map_.update(bytes([9, *bytes(7)]), b"9" * 16 * map_.cpus)
    return list(map_.items())


def found(map_: Map) -> object:
    return list(map_.items()) if map_.kind.keyed else map_.read()
