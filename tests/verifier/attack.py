"""Run what the verifier accepts under watch: a fault, an endless run or an answer that depends on addresses is a hole.

The checked interpreter runs random events twice, with everything at other addresses the second time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from tests.certify import backward_jumps
from tests.verifier.spoil import IMMEDIATES
from tests.vm.engines import CPUS, INTERPRETER, JIT, Case, live_map, observe
from tracerd.errors import RunError, TracerdError
from tracerd.isa.decode import decode
from tracerd.isa.disassemble import disassemble
from tracerd.native import ffi, lib
from tracerd.platforms import PLATFORMS
from tracerd.verifier import Certificate, Job, VerifiedProgram, analyse
from tracerd.vm.contexts import native_context
from tracerd.vm.engine import Circumstances
from tracerd.vm.interpreter import Interpreter
from tracerd.vm.maps import Map
from tracerd.vm.policy import choice_here

LONG = 1 << 22
"""Back-edges after which a run that was proved to end is taken not to."""

SHORT = 1 << 12
"""Back-edges that a run gets whose loops may be endless."""

RUNS = 8
COMPILED = 0.08 if choice_here().engine == "jit" else 0.0
"""Share of the accepted programs that are compiled too."""

FAULTS = {
    getattr(lib, name): name.removeprefix("TR_FAULT_").lower().replace("_", " ")
    for name in dir(lib)
    if name.startswith("TR_FAULT_")
}


@dataclass(eq=False)
class Hole(AssertionError):
    """An accepted program misbehaved."""

    job: Job
    cause: str

    def __str__(self) -> str:
        code = decode(self.job.code)
        listing = "\n".join(f"{index:4} {line}" for index, line in enumerate(disassemble(code)))
        return f"{self.cause} ({self.job.type}, {self.job.subprograms})\n{listing}"


def attack(subject: Job, random: Random) -> bool:
    """Prove a job and, if that works, run it under watch. True if it was accepted.

    Raises:
        Hole: it was, and should not have been.
    """
    verdict = analyse(subject)
    if not isinstance(verdict, Certificate):
        return False
    events = [event(random, subject, verdict) for _ in range(RUNS)]
    try:
        first = watched(subject, verdict, events)
    except RunError:
        return False   # dead code that no engine takes, such as a call of an unknown helper
    second: list[Any] = []
    elsewhere = threading.Thread(target=lambda: second.append(watched(subject, verdict, events)))
    elsewhere.start()   # its stack is another one
    elsewhere.join()
    for cause in (*first[0], *(second[0][0] if second else ["the second run died"])):
        raise Hole(subject, cause)
    if first[1] != second[0][1]:
        raise Hole(subject, f"what it leaves depends on addresses: {first[1]} and {second[0][1]}")
    if not first[2] and random.random() < COMPILED:
        agree(VerifiedProgram(subject, verdict), events)
    return True


def agree(program: VerifiedProgram, events: Sequence[Event]) -> None:
    """Run the events in both engines with nothing watched. None of them may need fuel: a missing edge would hang.

    Raises:
        Hole: the engines leave different things.
    """
    cases = [
        Case(context, payload, Circumstances(now, number % CPUS, now, seed, b"attack", seed))
        for number, (context, payload, now, seed) in enumerate(events)
    ]
    interpreter, compiled = observe(program, INTERPRETER, cases), observe(program, JIT, cases, level=0)
    if interpreter != compiled:
        raise Hole(program.job, f"the engines disagree: {interpreter} and {compiled}")


Event = tuple[bytes, bytes, int, int]
"""A context, a payload, the time and the seed of random numbers."""


def event(random: Random, subject: Job, proof: Certificate) -> Event:
    """Return an event whose numbers tend to sit near boundaries."""
    context = PLATFORMS[subject.platform].type_by_name[subject.type].context
    size = max(context.size, 96) if context.fields else proof.context_bytes
    given = b"".join(_word(random) for _ in range(size // 8 + 1))[:size]
    length = random.choice((0, 1, 3, 4, 8, 13, 14, 15, 34, 64, 300))
    payload = b"".join(_word(random) for _ in range(length // 8 + 1))[:length]
    return given, payload, int.from_bytes(_word(random), "little"), random.getrandbits(64)


def _word(random: Random) -> bytes:
    number = random.choice(IMMEDIATES) if random.random() < 0.5 else random.getrandbits(random.choice((8, 16, 33, 64)))
    return (number & (1 << 64) - 1).to_bytes(8, "little")


def watched(
    subject: Job, proof: Certificate, events: Sequence[Event]
) -> tuple[list[str], object, bool]:
    """Run the events in order; return what was wrong, all that is left behind, and whether a run was cut short."""
    code = decode(subject.code)
    edges = tuple(backward_jumps(code))
    counted = msgspec.structs.replace(proof, terminates=False, fuel_edges=edges)
    program = VerifiedProgram(subject, counted)
    fuel = LONG if proof.terminates else SHORT
    complaints, results, short = [], [], False
    with ExitStack() as stack:
        maps = [stack.enter_context(live_map(facts)) for facts in subject.maps]
        interpreter = Interpreter(program, maps, fuel=fuel, checked=True)
        stack.callback(interpreter.close)
        for each in maps:
            _populate(each)
        for number, given in enumerate(events):
            complaint, result = _run(interpreter, program, maps, given, number % CPUS)
            if complaint == "fuel":
                complaint = f"no end after {LONG} jumps back, proved to end" if proof.terminates else ""
                short = True
            if complaint:
                complaints.append(f"event {number}: {complaint}")
                break
            results.append(result)
        left = [sorted(each.items()) if each.kind.keyed else each.read() for each in maps]
    return complaints, (results, left), short


def _populate(live: Map) -> None:
    """Give a map some elements, of numbers near boundaries: an empty one would hide what follows a lookup."""
    if not live.kind.keyed or live.kind.per_cpu or live.read_only:
        return
    random = Random(live.value_size)
    for number in range(min(4, live.max_entries)):
        value = b"".join(_word(random) for _ in range(live.value_size // 8 + 1))[: live.value_size]
        live.update(number.to_bytes(live.key_size, "little"), value)


def _run(
    interpreter: Interpreter,
    program: VerifiedProgram,
    maps: Sequence[Map],
    happened: Event,
    cpu: int,
) -> tuple[str, int]:
    context, payload, now, seed = happened
    try:
        given = native_context(program, context, payload)
    except TracerdError as error:
        return str(error), 0
    table: Any = ffi.new("struct tr_region[2]")
    sizes = len(given.address), len(payload)
    for region, buffer, size in zip(table, (given.address, given.payload), sizes, strict=True):
        region.start, region.size, region.writable = int(ffi.cast("uintptr_t", buffer)), size, 0
    handles = ffi.new("struct tr_map *[]", [each.handle for each in maps])
    regions: Any = ffi.new("struct tr_regions *")
    regions.table, regions.count, regions.maps, regions.map_count = table, 2, handles, len(maps)
    run: Any = ffi.new("struct tr_run *")
    run.regions, run.random, run.cpu, run.comm = regions, seed, cpu, b"attack"
    run.now_ns, run.pid_tgid, run.uid_gid = now, now, seed
    result = int(lib.tr_program_run(interpreter.native, given.address, run))
    if run.aborted == lib.TR_ABORT_FUEL:
        return "fuel", 0
    if run.aborted:
        where = f"at instruction {regions.fault_slot}, {regions.fault_address:#x}, {regions.fault_size} bytes"
        return f"fault: {FAULTS[regions.fault]} {where}", 0
    return "", result
