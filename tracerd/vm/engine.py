"""Make a proved program run with the engine that the policy chose, and exchange engines while events flow.

The only way in is a `VerifiedProgram` and an `EngineChoice`. LLVM is loaded by the first choice that says `jit`, never
before; until its code is ready the interpreter serves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tracerd.errors import NotSupported
from tracerd.native import ffi, lib
from tracerd.verifier.job import VerifiedProgram
from tracerd.vm.code_cache import CodeCache
from tracerd.vm.contexts import native_context
from tracerd.vm.interpreter import DEFAULT_FUEL, Interpreter
from tracerd.vm.maps import Map
from tracerd.vm.policy import Engine, EngineChoice

if TYPE_CHECKING:
    from tracerd.vm.jit import Code

PRINT_BYTES = 4096
UNKNOWN_UID = 65534


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What helpers answer during a run: who asked, when, on which CPU (border/run.h)."""

    now_ns: int = 0
    cpu: int = 0
    pid_tgid: int = 0
    uid_gid: int = UNKNOWN_UID << 32 | UNKNOWN_UID
    comm: bytes = b""
    random: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a single run left: r0 (0 if aborted), TR_ABORT_*, and the lines of trace_printk."""

    result: int
    aborted: int
    printed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProgramStatistics:
    """Counts since the program was prepared. One run in 64 is timed; `slots` are `snapshot.ProgramStatistics`' own."""

    runs: int
    aborted: int
    last_result: int
    timed_runs: int = 0
    timed_ns: int = 0
    slots: tuple[int, ...] = ()

    @property
    def mean_ns(self) -> float | None:
        """How long a run takes, by those that were timed."""
        return self.timed_ns / self.timed_runs if self.timed_runs else None


class Executable:
    """A program that is ready to run. `native` is the `struct tr_program *` that sources call."""

    def __init__(self, program: VerifiedProgram, maps: Sequence[Map], choice: EngineChoice, fuel: int) -> None:
        self.program = program
        self.choice = choice
        self.compile_ns: int | None = None
        self.compiled: Future[None] = Future()
        self._maps = tuple(maps)          # compiled code and images point into them
        self._interpreter = Interpreter(program, maps, fuel=fuel)
        self._code: Code | None = None

    @property
    def native(self) -> Any:
        """The native program; NULL after `close`."""
        return self._interpreter.native

    @property
    def engine(self) -> Engine:
        """What runs now: the interpreter until compiled code has taken over."""
        return "jit" if self._code is not None else "interpreter"

    def compile(self, level: int = 2, *, background: bool = False, cache: CodeCache | None = None) -> None:
        """Compile and put the code in the interpreter's place; a run that has begun ends where it began.

        With `background` a thread does it, and `compiled` tells how it ended; the interpreter serves until then, and
        for good if it failed.

        Raises:
            RunError: LLVM refuses the program.
        """
        if background:
            threading.Thread(target=self._compile, args=(level, cache), name="tracerd-jit").start()
            return
        self._compile(level, cache)
        self.compiled.result()

    def _compile(self, level: int, cache: CodeCache | None) -> None:
        try:
            from tracerd.vm.jit import compile_program  # loads LLVM: only once the policy has said jit

            start = time.perf_counter_ns()
            code = compile_program(self.program, self._maps, level, cache)
            self.compile_ns = time.perf_counter_ns() - start
        except BaseException as error:  # noqa: BLE001  whoever asks `compiled` gets it
            self.compiled.set_exception(error)
            return
        self._code = code
        lib.tr_program_set_entry(self.native, ffi.cast("tr_entry", code.address), ffi.NULL)
        self.compiled.set_result(None)

    def run(self, context: bytes, data: bytes = b"", circumstances: Circumstances | None = None) -> Outcome:
        """Run once.

        Raises:
            RunError: the context is shorter than what the program may read.
        """
        given = native_context(self.program, context, data)
        buffer = ffi.new("char[]", PRINT_BYTES)
        run = _native_run(circumstances or Circumstances())
        run.print_buffer, run.print_capacity = buffer, PRINT_BYTES
        result = int(lib.tr_program_run(self.native, given.address, run))
        text = bytes(ffi.buffer(buffer, run.printed)).decode(errors="replace")
        return Outcome(result, int(run.aborted), tuple(text.splitlines()))

    def repeat(
        self, times: int, context: bytes, data: bytes = b"", circumstances: Circumstances | None = None
    ) -> tuple[int, int]:
        """Run `times` times on the same context; return (the last result, nanoseconds of all runs).

        Raises:
            RunError: the context is shorter than what the program may read.
        """
        given = native_context(self.program, context, data)
        ns: Any = ffi.new("uint64_t *")
        run = _native_run(circumstances or Circumstances())
        result = int(lib.tr_program_repeat(self.native, given.address, run, times, ns))
        return result, int(ns[0])

    def statistics(self) -> ProgramStatistics:
        """Return the counts of all runs so far."""
        native = self.native
        return ProgramStatistics(
            runs=int(native.runs),
            aborted=int(native.aborted),
            last_result=int(native.last_result),
            timed_runs=int(native.sampled_runs),
            timed_ns=int(native.sampled_ns),
            slots=_without_empty_end(native.sampled_slots),
        )

    def close(self) -> None:
        """Release everything; no source may hold the program any more. May be called twice."""
        if not self.native:
            return
        if self.choice.engine == "jit" and not self.compiled.done():
            self.compiled.exception()
        self._interpreter.close()
        if self._code is not None:
            self._code.close()


def prepare(
    program: VerifiedProgram,
    maps: Sequence[Map],
    choice: EngineChoice,
    *,
    background: bool = False,
    fuel: int = DEFAULT_FUEL,
    level: int = 2,
    cache: CodeCache | None = None,
) -> Executable:
    """Make a program ready to run. `maps` are the job's, in its order, and must outlive it.

    With `background`, compiled code takes over when it is ready. `fuel` is what each run may take of back-edges that
    were not proved to end; `level` is LLVM's optimisation level; `cache` is where compiled code is kept.

    Raises:
        ValueError: there are not as many maps as in the job.
        NotSupported: the choice is an engine that this version does not have.
        RunError: the program cannot be linked, decoded or compiled.
    """
    if choice.engine not in ("jit", "interpreter"):
        raise NotSupported(f"engine {choice.engine!r}", "this version of tracerd makes no ahead-of-time modules")
    if len(maps) != len(program.job.maps):
        raise ValueError(f"{program.job.program} has {len(program.job.maps)} maps, not {len(maps)}")
    ready = Executable(program, maps, choice, fuel)
    if choice.engine == "jit":
        try:
            ready.compile(level, background=background, cache=cache)
        except BaseException:
            ready.close()
            raise
    return ready


def _without_empty_end(slots: Iterable[int]) -> tuple[int, ...]:
    counts = [int(count) for count in slots]
    while counts and not counts[-1]:
        counts.pop()
    return tuple(counts)


def _native_run(circumstances: Circumstances) -> Any:
    run: Any = ffi.new("struct tr_run *")
    run.now_ns, run.cpu, run.pid_tgid = circumstances.now_ns, circumstances.cpu, circumstances.pid_tgid
    run.uid_gid, run.random = circumstances.uid_gid, circumstances.random
    run.comm = circumstances.comm[:15]
    return run
