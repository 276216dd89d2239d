"""`tracerd bench vm`: our JIT, our interpreter and the kernel's JIT on the same bytecode, in the same run.

The engines take turns, so that a slow second of the machine hits all of them; each number is a median, net of what the
same engine needs to call a program that does nothing.
"""

from __future__ import annotations

import math
import random
import statistics
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tracerd.bench.kernel import KernelProgram
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec
from tracerd.errors import NotPermitted, RunError
from tracerd.platforms.linux import LINUX
from tracerd.verifier.job import Rejection, VerifiedProgram
from tracerd.verifier.prepare import make_job
from tracerd.verifier.sandbox import Verifier
from tracerd.vm.engine import Executable, prepare
from tracerd.vm.maps import Map
from tracerd.vm.policy import EngineChoice, choice_here

HERE = Path(__file__).parent / "programs"
EMPTY = "empty"
PROGRAMS = ("alu_loop", "packet_parse", "checksum", "memcpy", "prime", "switch", "sort", "hash_count")
ENGINES = ("kernel", "jit", "interpreter")

PACKET_BYTES, FRAME_BYTES = 1024, 64
A_PRIME = 65521                  # the largest of 16 bits: `prime` runs all of its loop
U32 = (1 << 32) - 1


class Subject(Protocol):
    """One program in one engine."""

    def repeat(self, times: int, data: bytes) -> tuple[int, int]:
        """Run; return (the last result, nanoseconds of all runs)."""


@dataclass
class Ours:
    """A program in one of our engines."""

    executable: Executable

    def repeat(self, times: int, data: bytes) -> tuple[int, int]:
        result, ns = self.executable.repeat(times, b"", data)
        return result & U32, ns


@dataclass
class Row:
    """One program: its engines, how often each runs per repetition, and nanoseconds per run as they come in."""

    name: str
    engines: dict[str, Subject]
    compile_ns: int | None
    times: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)

    def median(self, engine: str) -> float | None:
        samples = self.samples.get(engine)
        return statistics.median(samples) if samples else None


def run(repetitions: int = 21, milliseconds: float = 2.0) -> dict[str, object]:
    """Measure; `milliseconds` is about what one engine runs one program per repetition.

    Raises:
        RunError: the engines disagree on a result; a wrong engine's speed is of no interest.
    """
    data = packet()
    with ExitStack() as stack:
        rows, absent = _rows(stack)
        for row in rows:
            _warm_up(row, data, milliseconds)
        for _ in range(repetitions):
            for row in rows:
                _measure(row, data)
    return _document(rows, absent)


def packet() -> bytes:
    """Return the packet that all programs get: 16 frames of 64 bytes, TCP and UDP over IPv4 and IPv6, some tagged."""
    source = random.Random(1)
    frames = bytearray(source.randbytes(PACKET_BYTES))
    for number, at in enumerate(range(0, PACKET_BYTES, FRAME_BYTES)):
        at += 12
        if number % 4 == 1:
            frames[at : at + 4] = b"\x81\x00\x00\x07"
            at += 4
        protocol = 6 if number % 3 else 17
        if number % 5 == 4:
            frames[at : at + 2] = b"\x86\xdd"
            frames[at + 2 + 6] = protocol
        elif number % 7 != 6:
            frames[at : at + 3] = b"\x08\x00\x45"
            frames[at + 2 + 9] = protocol
    struct.pack_into("<H", frames, 0, A_PRIME)
    return bytes(frames)


def render(document: dict[str, object]) -> str:
    """Return the measurement as a table."""
    rows: list[dict[str, object]] = document["programs"]  # type: ignore[assignment]
    lines = [f"{'ns per run':<14}{'kernel':>10}{'jit':>10}{'interpreter':>13}{'kernel/jit':>12}{'interp/jit':>12}"]
    for row in rows:
        kernel, jit, interpreter = (row[f"{engine}_ns"] for engine in ENGINES)
        lines.append(
            f"{row['name']:<14}{_shown(kernel):>10}{_shown(jit):>10}{_shown(interpreter):>13}"
            f"{_shown(_ratio(kernel, jit), 2):>12}{_shown(_ratio(interpreter, jit), 1):>12}"
        )
    empty: dict[str, object] = document["empty_ns"]  # type: ignore[assignment]
    lines.append(f"{'(empty)':<14}{_shown(empty['kernel']):>10}{_shown(empty['jit']):>10}")
    lines[-1] += f"{_shown(empty['interpreter']):>13}   taken off all of the above"
    lines.append(f"geometric mean, kernel's JIT over ours: {_shown(document['geomean_kernel_over_jit'], 2)}")
    lines += [f"no {engine}: {why}" for engine, why in document["absent"].items()]  # type: ignore[attr-defined]
    return "\n".join(lines)


def _rows(stack: ExitStack) -> tuple[list[Row], dict[str, str]]:
    """Prepare every program in every engine that may run here; say why one may not."""
    absent: dict[str, str] = {}
    choice = choice_here()
    if choice.engine != "jit":
        absent["jit"] = choice.reason
    rows = []
    with Verifier() as verifier:
        for name in (EMPTY, *PROGRAMS):
            spec = load(HERE / f"{name}.bpf.o")
            program = _proved(verifier, spec)
            engines: dict[str, Subject] = {}
            kernel = _kernel(stack, spec, absent)
            if kernel is not None:
                engines["kernel"] = kernel
            compile_ns = None
            for engine in (choice, EngineChoice("interpreter", "measured beside the JIT", (), False)):
                executable = stack.enter_context(_prepared(spec, program, engine))
                engines[executable.engine] = Ours(executable)
                compile_ns = compile_ns or executable.compile_ns
            rows.append(Row(name, engines, compile_ns))
    return rows, absent


def _proved(verifier: Verifier, spec: ObjectSpec) -> VerifiedProgram:
    outcome = verifier.verify(make_job(spec, spec.programs[0], LINUX))
    if isinstance(outcome, Rejection):
        raise outcome
    return outcome


@contextmanager
def _prepared(spec: ObjectSpec, program: VerifiedProgram, choice: EngineChoice) -> Iterator[Executable]:
    with ExitStack() as maps:
        live = [maps.enter_context(Map(each, LINUX.maps[each.type])) for each in spec.maps]
        executable = prepare(program, live, choice)
        try:
            yield executable
        finally:
            executable.close()


def _kernel(stack: ExitStack, spec: ObjectSpec, absent: dict[str, str]) -> KernelProgram | None:
    if "kernel" in absent:
        return None
    try:
        program = KernelProgram(spec)
    except NotPermitted as refused:
        absent["kernel"] = str(refused)
        return None
    stack.callback(program.close)
    return program


def _warm_up(row: Row, data: bytes, milliseconds: float) -> None:
    """Run every engine once to fill maps and caches, see that they agree, and find out how many runs take long enough.

    The maps' state after the first run is what the later ones see, so it is the second that must agree.
    """
    results = {}
    for engine, subject in row.engines.items():
        subject.repeat(2, data)
        results[engine], ns = subject.repeat(100, data)
        row.times[engine] = max(100, int(milliseconds * 1e6 / max(1.0, ns / 100)))
        row.samples[engine] = []
    if len(set(results.values())) != 1:
        raise RunError(f"bench program {row.name!r}", f"the engines disagree: {results}")


def _measure(row: Row, data: bytes) -> None:
    for engine, subject in row.engines.items():
        _, ns = subject.repeat(row.times[engine], data)
        row.samples[engine].append(ns / row.times[engine])


def _document(rows: list[Row], absent: dict[str, str]) -> dict[str, object]:
    empty = next(row for row in rows if row.name == EMPTY)
    base = {engine: empty.median(engine) for engine in ENGINES}
    programs = [_program(row, base) for row in rows if row.name != EMPTY]
    ratios = [ratio for each in programs if (ratio := _ratio(each["kernel_ns"], each["jit_ns"]))]
    return {
        "programs": programs,
        "geomean_kernel_over_jit": math.exp(statistics.fmean(map(math.log, ratios))) if ratios else None,
        "empty_ns": base,
        "absent": absent,
    }


def _program(row: Row, base: dict[str, float | None]) -> dict[str, object]:
    document: dict[str, object] = {"name": row.name}
    for engine in ENGINES:
        median, nothing = row.median(engine), base[engine]
        document[f"{engine}_ns"] = None if median is None or nothing is None else max(0.0, median - nothing)
    return document | {"native_ns": None, "compile_ms": row.compile_ns / 1e6 if row.compile_ns else None}


def _ratio(a: object, b: object) -> float | None:
    return a / b if isinstance(a, float) and isinstance(b, float) and a and b else None


def _shown(value: object, digits: int = 1) -> str:
    return f"{value:,.{digits}f}" if isinstance(value, float) else "-"
