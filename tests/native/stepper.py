"""Stop one operation on a map's file after every machine instruction, and keep each state that the file was in.

`python -m tests.native.stepper FOLDER` does it for each of `SCENES`: the file as it was is FOLDER/SCENE.map, and
FOLDER/SCENE.0, SCENE.1, … are its states, in order; the last one is behind the whole operation. It is a process of its
own so that its child can be forked from one thread. Exit status 77: this machine lets nobody trace.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tracerd.elf.spec import MapSpec
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.vm.maps import Map

NOT_TRACED = 77
TRACE_ME, KILL, SINGLE_STEP = 0, 8, 9
CPUS = 2

HASH = MapSpec("hash", MapKind.HASH.value, 8, 16, 4)
PER_CPU = MapSpec("per_cpu", MapKind.PERCPU_HASH.value, 8, 16, 4)
RING = MapSpec("ring", MapKind.RINGBUF.value, 0, 0, 64)
ARRAY = MapSpec("array", MapKind.ARRAY.value, 4, 16, 2)

Operation = Callable[[Map], Callable[[], object]]
"""Makes an operation on a map ready, so that calling it does nothing else."""

libc = ctypes.CDLL(None, use_errno=True)


def key(number: int) -> bytes:
    return struct.pack("<Q", number)


def value(number: int, map_: Map) -> bytes:
    return struct.pack("<QQ", number, ~number & 0xFFFFFFFFFFFFFFFF) * map_.cpus


def fill(map_: Map, *numbers: int) -> None:
    for number in numbers:
        map_.update(key(number), value(number, map_))


def updating(number: int, content: int | None = None) -> Operation:
    return lambda map_: partial(
        lib.tr_map_update, map_.handle, key(number), value(number if content is None else content, map_), 0
    )


def deleting(number: int) -> Operation:
    return lambda map_: partial(lib.tr_map_delete, map_.handle, key(number))


def writing(record: bytes) -> Operation:
    """Put a record into a ring as a program does."""
    kept = ffi.from_buffer(record)

    def ready(map_: Map) -> Callable[[], object]:
        function = ffi.cast("uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, struct tr_run *)",
                            lib.tr_helper_address(b"ringbuf_output"))
        address = int(ffi.cast("uintptr_t", kept))
        return partial(function, map_.address, address, len(record), 0, 0, ffi.new("struct tr_run *"))

    return ready


def reading(map_: Map) -> Callable[[], object]:
    return partial(lib.tr_ring_read, map_.handle, ffi.new("char[64]"), 64)


def fill_and_delete(map_: Map) -> None:
    fill(map_, 1, 2, 3, 4)
    map_.delete(key(2))
    map_.delete(key(3))


def put_records(map_: Map) -> None:
    for number in (1, 2):
        writing(key(number))(map_)()


def put_and_take(map_: Map) -> None:
    """Move to where the next long record runs over the end."""
    for _ in range(2):
        put_records(map_)
        map_.read()
    writing(key(1))(map_)()


@dataclass(frozen=True)
class Scene:
    """A map, what is done before, and the operation that is stopped after each instruction."""

    spec: MapSpec
    before: Callable[[Map], object]
    operation: Operation


def nothing(map_: Map) -> None:
    """Leave a map empty."""


SCENES = {
    "insert_first": Scene(HASH, nothing, updating(7)),
    "insert_into_freed": Scene(HASH, fill_and_delete, updating(7)),
    "insert_into_full": Scene(HASH, lambda map_: fill(map_, 1, 2, 3, 4), updating(7)),
    "update": Scene(HASH, lambda map_: fill(map_, 1, 2, 3), updating(2, 9)),
    "delete": Scene(HASH, lambda map_: fill(map_, 1, 2, 3, 4), deleting(2)),
    "delete_again": Scene(HASH, fill_and_delete, deleting(4)),
    "per_cpu_insert": Scene(PER_CPU, fill_and_delete, updating(7)),
    "per_cpu_delete": Scene(PER_CPU, fill_and_delete, deleting(1)),
    "array_update": Scene(ARRAY, nothing, lambda map_: partial(
        lib.tr_map_update, map_.handle, struct.pack("<I", 1), value(9, map_), 0)),
    "ring_output": Scene(RING, put_records, writing(key(3))),
    "ring_output_over_the_end": Scene(RING, put_and_take, writing(key(3) * 3)),
    "ring_read": Scene(RING, put_records, reading),
}


def open_scene(name: str, path: Path) -> Map:
    """Open a scene's map in a file."""
    spec = SCENES[name].spec
    return Map.in_file(spec, MapKind(spec.type), CPUS, path)


def act(name: str, path: Path) -> None:
    """Be the child: stop, do it, stop. As little else as possible is between the two."""
    map_ = open_scene(name, path)
    operation = SCENES[name].operation(map_)
    if libc.ptrace(TRACE_ME, 0, None, None) != 0:
        os._exit(NOT_TRACED)
    signal.raise_signal(signal.SIGSTOP)
    operation()
    signal.raise_signal(signal.SIGSTOP)


def states_of(name: str, folder: Path) -> list[bytes]:
    """Return every state of the file from the first stop to the second."""
    path = folder / f"{name}.map"
    with open_scene(name, path) as map_:
        SCENES[name].before(map_)
    child = os.fork()
    if child == 0:
        try:
            act(name, path)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise SystemExit(os.waitstatus_to_exitcode(status))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        states = [memory[:]]
        while True:
            if libc.ptrace(SINGLE_STEP, child, None, None) != 0:
                raise SystemExit(NOT_TRACED)
            _, status = os.waitpid(child, 0)
            assert os.WIFSTOPPED(status), "the child ended before its operation did"
            if os.WSTOPSIG(status) != signal.SIGTRAP:
                break
            if memory[:] != states[-1]:
                states.append(memory[:])
    libc.ptrace(KILL, child, None, None)
    os.waitpid(child, 0)
    return states


def main() -> None:
    """Step through every scene."""
    folder = Path(sys.argv[1])
    for name in SCENES:
        for number, state in enumerate(states_of(name, folder)):
            (folder / f"{name}.{number}").write_bytes(state)


if __name__ == "__main__":
    main()
