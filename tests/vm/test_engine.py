"""Preparing, exchanging and running executables; LLVM stays away until the policy has said jit."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.certify import program
from tests.vm.engines import BOTH, INTERPRETER, JIT, Case, live_map, needs_jit, observe, prepared
from tracerd.errors import NotSupported, RunError
from tracerd.platforms.model import MapKind
from tracerd.verifier.job import MapFacts
from tracerd.vm import jit
from tracerd.vm.engine import Circumstances, prepare
from tracerd.vm.policy import EngineChoice

ROOT = Path(__file__).parents[2]
COUNTER = MapFacts("counter", MapKind.ARRAY.value, 4, 8, 1, contents=bytes(8))

COUNT = """
    r1 = map[0][0] ll
    r2 = 1
    lock *(u64 *)(r1 + 0) += r2
    r0 = *(u64 *)(r1 + 0)
    exit
"""


@needs_jit
@pytest.mark.parametrize("choice", BOTH, ids=lambda choice: choice.engine)
def test_runs_are_counted(choice: EngineChoice) -> None:
    """Every run counts, alone or repeated; the last result is kept."""
    with prepared(program(COUNT, [COUNTER]), choice) as (executable, maps):
        assert executable.engine == choice.engine
        assert [executable.run(b"").result for _ in range(3)] == [1, 2, 3]
        result, ns = executable.repeat(97, b"")
        assert result == 100
        assert ns > 0
        statistics = executable.statistics()
        assert (statistics.runs, statistics.aborted, statistics.last_result) == (100, 0, 100)
        assert maps[0].lookup(bytes(4)) == struct.pack("<Q", 100)


def test_timed_runs_are_told_by_how_long_they_took() -> None:
    """One in 64, without the empty slots at the end; before any was timed there is no mean and no slot."""
    with prepared(program("r0 = 1\nexit"), INTERPRETER) as (executable, _):
        before = executable.statistics()
        assert (before.timed_runs, before.mean_ns, before.slots) == (0, None, ())
        for _ in range(200):
            executable.run(b"")
        after = executable.statistics()
    assert sum(after.slots) == after.timed_runs == 3
    assert after.slots[-1] > 0
    assert after.mean_ns == after.timed_ns / 3


@needs_jit
def test_compiled_code_takes_over_while_events_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the background the interpreter serves; no run is lost or done twice when the entry is exchanged."""
    begun, compile_program = threading.Event(), jit.compile_program

    def after_some_runs(*arguments: Any) -> Any:
        assert begun.wait(60)
        return compile_program(*arguments)

    monkeypatch.setattr(jit, "compile_program", after_some_runs)
    with prepared(program(COUNT, [COUNTER]), JIT, background=True) as (executable, maps):
        runs = 0
        while runs < 10:
            executable.run(b"")
            runs += 1
        assert executable.engine == "interpreter"
        begun.set()
        while not executable.compiled.done():
            executable.run(b"")
            runs += 1
        executable.compiled.result()
        assert executable.engine == "jit"
        assert executable.compile_ns
        assert executable.run(b"").result == runs + 1
        assert maps[0].lookup(bytes(4)) == struct.pack("<Q", runs + 1)


@needs_jit
def test_a_failed_compilation_leaves_the_interpreter_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """If LLVM refuses in the background, `compiled` says why and the program goes on as it was."""

    def refuse(*_: object) -> None:
        raise RunError("jit", "refused by the test")

    monkeypatch.setattr(jit, "compile_program", refuse)
    with prepared(program(COUNT, [COUNTER]), JIT, background=True) as (executable, _):
        assert isinstance(executable.compiled.exception(timeout=10), RunError)
        assert executable.engine == "interpreter"
        assert executable.run(b"").result == 1
    with pytest.raises(RunError, match="refused by the test"), prepared(program(COUNT, [COUNTER]), JIT):
        pass


@needs_jit
def test_many_threads_may_compile_and_run_at_once() -> None:
    """Compilation is serialised inside; programs of several threads do not disturb each other."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            subject = program(f"r0 = *(u64 *)(r1 + 8)\nr0 += {number}\nexit", context_bytes=16)
            for _ in range(3):
                with prepared(subject, JIT) as (executable, _):
                    assert executable.run(struct.pack("<QQ", 0, 5)).result == 5 + number
        except BaseException as error:  # noqa: BLE001  told to the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_closing_twice_is_fine() -> None:
    """`close` releases once and then does nothing."""
    executable = prepare(program("r0 = 1\nexit"), [], INTERPRETER)
    executable.close()
    executable.close()
    assert not executable.native


def test_engines_that_there_are_not_are_refused() -> None:
    """A choice for ahead-of-time modules cannot be prepared in this version."""
    with pytest.raises(NotSupported, match="native"):
        prepare(program("r0 = 1\nexit"), [], replace(INTERPRETER, engine="native"))


def test_a_record_that_is_too_short_is_refused() -> None:
    """A program never sees less context than its certificate says it reads."""
    with prepared(program("r0 = *(u64 *)(r1 + 8)\nexit", context_bytes=16), INTERPRETER) as (executable, _):
        with pytest.raises(RunError, match="reads 16 bytes of its context, which has 15"):
            executable.run(bytes(15))
        assert executable.run(bytes(16)).result == 0


@needs_jit
def test_printed_lines_come_back() -> None:
    """trace_printk's lines are part of the outcome, the same from both engines."""
    subject = program("""
        *(u32 *)(r10 - 8) = 0x0a642520
        *(u32 *)(r10 - 4) = 0
        r1 = r10
        r1 += -8
        r2 = 5
        r3 = *(u64 *)(r10 - 16)
        r3 = 42
        call trace_printk
        r0 = 0
        exit
    """)
    outcomes = [observe(subject, choice, [Case(b"")]).outcomes[0] for choice in BOTH]
    assert outcomes[0].printed == outcomes[1].printed == (" 42",)


@needs_jit
def test_the_task_is_what_the_run_says() -> None:
    """The name of the task is the event's, cut to 15 bytes."""
    subject = program("""
        r1 = r10
        r1 += -16
        r2 = 16
        call get_current_comm
        r0 = *(u64 *)(r10 - 8)
        exit
    """)
    given = Case(b"", circumstances=Circumstances(comm=b"a-very-long-task-name"))
    for choice in BOTH:
        assert observe(subject, choice, [given]).outcomes[0].result == int.from_bytes(b"ong-tas\0", "little")


def test_the_etw_context_points_to_its_payload() -> None:
    """A context whose pointers lie where the header says gets them filled in, with its numbers beside them."""
    subject = program("""
        r2 = *(u64 *)(r1 + 0)
        r0 = *(u64 *)(r1 + 8)
        r0 -= r2
        r3 = *(u32 *)(r1 + 64)
        r0 += r3
        exit
    """, kind="etw", context_loads={0: 0, 1: 8})
    header = bytearray(96)
    struct.pack_into("<I", header, 64, 7000)
    with prepared(subject, INTERPRETER) as (executable, _):
        assert executable.run(bytes(header), bytes(20)).result == 7020


@pytest.mark.parametrize("choice", BOTH, ids=lambda choice: choice.engine)
def test_maps_must_be_as_many_as_the_jobs(choice: EngineChoice) -> None:
    """Handing over other maps than the proof knows is a mistake that is seen before anything runs."""
    with live_map(COUNTER) as one, pytest.raises(ValueError, match="1 maps, not 2"):
        prepare(program(COUNT, [COUNTER]), [one, one], choice)


ISOLATED = """
import sys
from tests.certify import program
from tracerd.vm.engine import prepare
from tracerd.vm.policy import choice_here, lock_the_door

choice = choice_here("auto", "enforce")
executable = prepare(program("r0 = 7\\nexit"), [], choice)
assert executable.run(b"").result == 7
loaded = [name for name in sys.modules if name.startswith("llvmlite")]
assert not loaded, loaded
lock_the_door(choice)
assert executable.run(b"").result == 7
print("ok")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="locks the door with PR_SET_MDWE")
def test_the_interpreter_never_loads_llvm() -> None:
    """With integrity enforced a program is prepared and run, before and behind the locked door, without LLVM."""
    done = subprocess.run([sys.executable, "-c", ISOLATED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "ok\n", done.stderr
