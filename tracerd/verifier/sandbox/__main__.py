"""The child: lock the room, then prove one job after the other until the parent closes the pipe."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import tracerd
from tracerd.verifier.analysis import analyse
from tracerd.verifier.code import proving_code
from tracerd.verifier.job import Job, Verdict
from tracerd.verifier.sandbox import wire
from tracerd.verifier.sandbox.confine import confine


def main() -> None:
    # The answer pipe is ours alone: a stray print must not end up in it.
    os.dup2(sys.stdout.fileno(), wire.ANSWERS)
    answers = os.fdopen(wire.ANSWERS, "wb")
    code, place = proving_code(), str(Path(tracerd.__file__).parents[1])
    walls = confine(memory_mb=int(sys.argv[1]))
    gc.freeze()
    wire.send(answers, wire.Hello(walls, code, place))
    serve(sys.stdin.buffer, answers, grace_seconds=float(sys.argv[2]))


def serve(jobs: BinaryIO, answers: BinaryIO, grace_seconds: float) -> None:
    """Answer every job that comes; end with the stream.

    The parent kills a process that overruns its budget. If the parent was killed itself meanwhile, an alarm does.
    """
    while (job := wire.receive_job(jobs)) is not None:
        alarm(job.options.seconds + 2 * grace_seconds)
        wire.send(answers, prove(job))
        alarm(0)


def _alarm() -> Callable[[float], object]:
    """Return what ends this process so many seconds later (0: never), where the system has it."""
    if sys.platform == "win32":
        return lambda _seconds: None
    return lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)


alarm = _alarm()


def prove(job: Job) -> Verdict | wire.Failure:
    """Come to a verdict, or say why not: a fault of ours must never be taken for a proof."""
    try:
        return analyse(job)
    except MemoryError:
        return wire.Failure("the proof needs more memory than its limit")
    except RecursionError:
        return wire.Failure("the program is nested too deeply")
    except Exception as fault:  # noqa: BLE001  any fault of the analysis is "not proved", told with its place
        return wire.Failure(f"internal error of the verifier: {type(fault).__name__}: {fault} ({_place(fault)})")


def _place(fault: BaseException) -> str:
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "no place"  # noqa: PTH119


if __name__ == "__main__":
    main()
