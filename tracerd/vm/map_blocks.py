"""Blocks of maps in files, as the core makes, opens and moves them: its sentences become errors here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.vm.map_files import LockedFile, file_name

_ERROR_SIZE = 256


@dataclass(frozen=True, slots=True)
class Repair:
    """What had to be mended when a map's file was opened, because its last writer was killed or the file damaged."""

    duplicates: int = 0          # elements removed because their key was there already (after a loss of power)
    miscounted: int = 0          # elements by which the stored count was wrong
    unfinished: int = 0          # ring: records that were reserved and never submitted, now discarded
    dropped_bytes: int = 0       # ring: bytes of records dropped because they made no sense
    emptied: bool = False        # ring: that happened

    def __bool__(self) -> bool:
        return self != Repair()


def shape_of(spec: MapSpec, kind: MapKind, cpus: int) -> Any:
    """Return the core's `struct tr_map_shape` of a map."""
    flags = spec.flags | (lib.TR_MAP_F_RDONLY_PROG if spec.read_only else 0)
    return ffi.new("struct tr_map_shape *", [kind.value, spec.key_size, spec.value_size, spec.max_entries, flags, cpus])


def asked(what: str, ask: Callable[[Any, int], Any]) -> Any:
    """Ask the core for something; what it answers with nothing and a sentence is an error.

    Raises:
        RunError: the core's sentence.
    """
    error = ffi.new("char[]", _ERROR_SIZE)
    answer = ask(error, _ERROR_SIZE)
    if not answer:
        text: Any = ffi.string(error)
        raise RunError(what, text.decode())
    return answer


def block_bytes(name: str, shape: Any) -> int:
    """Return how large the file of a map must be.

    Raises:
        RunError: there can be no such map.
    """
    return int(asked(f"map {name!r}", lambda error, size: lib.tr_map_file_bytes(shape, error, size)))


def create_block(file: LockedFile, shape: Any) -> Any:
    """Make an empty map in a fresh file; return its native handle.

    Raises:
        RunError: there is no memory.
    """
    what = file_name(file.path)
    return asked(what, lambda error, size: lib.tr_map_create_file(file.descriptor, shape, error, size))


def open_block(file: LockedFile, name: str, shape: Any) -> tuple[Any, Repair]:
    """Take over a file: return the native handle, and what was mended.

    Raises:
        RunError: it is no map of that shape, or there is no room on the disk for its holes.
    """
    # Mending writes, so the holes of a file that was copied carelessly come first. Only a file of the right size is
    # filled: the core has more to say about the others.
    if file.size == block_bytes(name, shape):
        file.fill_holes()
    native: Any = ffi.new("struct tr_map_repaired *")
    what = file_name(file.path)
    try:
        handle = asked(what, lambda error, size: lib.tr_map_open_file(file.descriptor, shape, native, error, size))
    except RunError as error:
        raise RunError(what, f"{error.cause}; remove the file to start anew") from None
    counts = (native.duplicates, native.miscounted, native.unfinished, native.dropped_bytes)
    return handle, Repair(*counts, emptied=bool(native.emptied))


def sync_block(path: Path, handle: Any, *, wait: bool) -> None:
    """Write a map in a file to the disk.

    Raises:
        RunError: the disk fails.
    """
    result = lib.tr_map_sync(handle, wait)
    if result < 0:
        raise RunError(file_name(path), os.strerror(-result).lower())
