"""Kill a process again and again while its programs hammer pinned maps; look at what it left each time.

`python -m tests.vm.hammer FOLDER ROUNDS SEED` prints what it saw as JSON, or ends with the assertion that failed. It is
a process of its own so that children can be forked from it cheaply: one thread, everything loaded.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from tests.certify import program
from tests.vm.engines import INTERPRETER
from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.platforms.model import MapKind
from tracerd.verifier.job import MapFacts
from tracerd.vm.engine import Circumstances, prepare
from tracerd.vm.maps import Map

COUNTERS = 16
CHURN, ROOM = 128, 96
CPUS = 2

SPECS = (
    MapSpec("counters", MapKind.HASH.value, 4, 8, COUNTERS),
    MapSpec("told", MapKind.ARRAY.value, 4, 8, COUNTERS),
    MapSpec("churn", MapKind.HASH.value, 8, 16, ROOM),
    MapSpec("churn_per_cpu", MapKind.PERCPU_HASH.value, 8, 16, ROOM),
    MapSpec("slots", MapKind.PERCPU_ARRAY.value, 4, 8, 4),
    MapSpec("ring", MapKind.RINGBUF.value, 0, 0, 4096),
)

HAMMER = f"""
    call get_prandom_u32
    r6 = r0
    r1 = r6
    r1 &= {COUNTERS - 1}
    *(u32 *)(r10 - 4) = r1
    r1 = 0
    *(u64 *)(r10 - 16) = r1
counter:
    r1 = map[0] ll
    r2 = r10
    r2 += -4
    call map_lookup_elem
    if r0 != 0 goto found
    r1 = map[0] ll
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -16
    r4 = 1
    call map_update_elem
    r1 = map[0] ll
    r2 = r10
    r2 += -4
    call map_lookup_elem
    if r0 == 0 goto churn
found:
    r1 = 1
    lock *(u64 *)(r0 + 0) += r1
    r1 = map[1] ll
    r2 = r10
    r2 += -4
    call map_lookup_elem
    if r0 == 0 goto churn
    r1 = 1
    lock *(u64 *)(r0 + 0) += r1
churn:
    r7 = r6
    r7 >>= 8
    r7 &= {CHURN - 1}
    *(u64 *)(r10 - 24) = r7
    *(u64 *)(r10 - 40) = r7
    r1 = r7
    r1 ^= -1
    *(u64 *)(r10 - 32) = r1
    r1 = r6
    r1 &= 65536
    if r1 != 0 goto remove
    r1 = map[2] ll
    r2 = r10
    r2 += -24
    r3 = r10
    r3 += -40
    r4 = 0
    call map_update_elem
    r1 = map[3] ll
    r2 = r10
    r2 += -24
    r3 = r10
    r3 += -40
    r4 = 0
    call map_update_elem
    goto ring
remove:
    r1 = map[2] ll
    r2 = r10
    r2 += -24
    call map_delete_elem
    r1 = map[3] ll
    r2 = r10
    r2 += -24
    call map_delete_elem
ring:
    r1 = map[5] ll
    r2 = 16
    r3 = 0
    call ringbuf_reserve
    if r0 == 0 goto out
    *(u64 *)(r0 + 0) = r7
    r1 = *(u64 *)(r10 - 32)
    *(u64 *)(r0 + 8) = r1
    r1 = r0
    r2 = 0
    r6 &= 131072
    if r6 != 0 goto drop
    call ringbuf_submit
    goto out
drop:
    call ringbuf_discard
out:
    r0 = 0
    exit
"""


def open_maps(folder: Path) -> list[Map]:
    """Open or make every map."""
    return [Map.in_file(spec, MapKind(spec.type), CPUS, folder / f"{spec.name}.map") for spec in SPECS]


def hammer(folder: Path, ready: int, seed: int) -> None:
    """Be the process that is killed: two threads of programs and one reader of the ring, without end."""
    maps = open_maps(folder)
    facts = [MapFacts(each.name, each.type, each.key_size, each.value_size, each.max_entries) for each in SPECS]
    executable = prepare(program(HAMMER, facts), maps, INTERPRETER)
    for cpu in range(CPUS):
        around = Circumstances(cpu=cpu, random=seed * CPUS + cpu + 1)
        threading.Thread(target=executable.repeat, args=(0xFFFFFFFF, b"", b"", around)).start()
    os.write(ready, b"!")
    while True:
        maps[5].read()


def kill_one(folder: Path, seed: int, seconds: float) -> None:
    """Let a child hammer for that long, then kill it."""
    readable, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            hammer(folder, ready, seed)
        finally:
            os._exit(1)
    os.close(ready)
    assert os.read(readable, 1) == b"!", "the child could not open its maps"
    os.close(readable)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def check_churn(map_: Map) -> None:
    """No key twice; what is copied is what is found; a value is its key's; all room can be used."""
    rows = list(map_.items())
    keys = [key for key, _ in rows]
    assert len(set(keys)) == len(keys) == map_.statistics.count
    for number in range(CHURN):
        key = struct.pack("<Q", number)
        assert (map_.lookup(key) is not None) is (key in keys)
    for key, values in rows:
        whole = key + struct.pack("<Q", int.from_bytes(key, "little") ^ 0xFFFFFFFFFFFFFFFF)
        assert set(struct.unpack("16s" * map_.cpus, values)) <= {whole, bytes(16)}
        assert whole in struct.unpack("16s" * map_.cpus, values)
    fill = [struct.pack("<Q", CHURN + number) for number in range(map_.max_entries - len(rows))]
    for key in fill:
        map_.update(key, bytes(16 * map_.cpus))
    refused = map_.statistics.refused
    try:
        map_.update(struct.pack("<Q", 1 << 60), bytes(16 * map_.cpus))
    except RunError:
        assert map_.statistics.refused == refused + 1
    else:
        raise AssertionError("a full map took one more")
    for key in fill:
        assert map_.delete(key)
    assert [key for key, _ in map_.items()] == keys


def check(folder: Path, kills: int, before: dict[bytes, int], seen: Counter[str]) -> dict[bytes, int]:
    """Look at all maps; return the counters: never below `before` nor below what was told.

    A program counts first and tells afterwards, so each kill leaves at most one count of each thread untold.
    """
    maps = open_maps(folder)
    counters, told, churn, per_cpu, _, ring = maps
    now = {key: int.from_bytes(value, "little") for key, value in counters.items()}
    for key, value in told.items():
        assert int.from_bytes(value, "little") <= now.get(key, 0) <= int.from_bytes(value, "little") + CPUS * kills
    assert all(now[key] >= count for key, count in before.items())
    assert counters.statistics.count == len(now) <= COUNTERS
    check_churn(churn)
    check_churn(per_cpu)
    for record in ring.read():
        first, second = struct.unpack("<QQ", record)
        assert first ^ second == 0xFFFFFFFFFFFFFFFF
    for each in maps:
        seen["unfinished"] += each.repaired.unfinished
        seen["miscounted"] += each.repaired.miscounted
        seen["duplicates"] += each.repaired.duplicates
        seen["emptied"] += each.repaired.emptied
        each.close()
    return now


def main() -> None:
    """Kill and look, round after round."""
    folder, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    seen: Counter[str] = Counter()
    counters: dict[bytes, int] = {}
    for number in range(rounds):
        kill_one(folder, number, chance.uniform(0, 0.008))
        counters = check(folder, number + 1, counters, seen)
    print(json.dumps({"rounds": rounds, "counted": sum(counters.values()), **seen}))


if __name__ == "__main__":
    main()
