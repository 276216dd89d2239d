"""Run one program on given data, attached to nothing: verified and prepared like any other."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.platforms.model import Platform, ProgramType
from tracerd.runtime.load import lock_if_enforced, make_maps
from tracerd.runtime.tables import ProbeViews
from tracerd.snapshot import Table
from tracerd.verifier.job import Rejection
from tracerd.verifier.prepare import make_job
from tracerd.verifier.sandbox import Verifier
from tracerd.vm import engine
from tracerd.vm.policy import Asked, EngineChoice, Integrity, choice_here


@dataclass(frozen=True, slots=True)
class Trial:
    """What came out of it. `tables` are all maps after the last run."""

    program: str
    choice: EngineChoice
    result: int
    repeat: int
    ns_per_run: float
    aborted: int
    printed: tuple[str, ...]
    tables: tuple[Table, ...]


def try_out(
    spec: ObjectSpec,
    program: ProgramSpec,
    platform: Platform,
    kind: ProgramType | None,
    *,
    context: bytes,
    data: bytes,
    repeat: int,
    asked: Asked,
    integrity: Integrity,
) -> Trial:
    """Verify a program and run it `repeat` times on one context.

    Raises:
        Rejection, VerifierUnavailable: it was not proved.
        PolicyRefusal, NotSupported: the engine asked for may not or cannot run.
    """
    lock_if_enforced(integrity)
    choice = choice_here(asked, integrity)
    views = ProbeViews((), spec)
    with Verifier() as verifier:
        outcome = verifier.verify(make_job(spec, program, platform, kind))
    if isinstance(outcome, Rejection):
        raise outcome
    with ExitStack() as stack:
        maps = make_maps(spec, 1, platform)
        for each in maps:
            stack.callback(each.close)
        executable = engine.prepare(outcome, maps, choice)
        stack.callback(executable.close)
        enough = context.ljust(outcome.certificate.context_bytes, b"\0")
        first = executable.run(enough, data)
        result, spent_ns = (first.result, 0) if repeat == 1 else executable.repeat(repeat - 1, enough, data)
        counted = executable.statistics()
        snapshots = {each.name: each.snapshot() for each in maps if each.kind.keyed}
        return Trial(
            program=program.name,
            choice=choice,
            result=result,
            repeat=repeat,
            ns_per_run=spent_ns / (repeat - 1) if repeat > 1 else counted.mean_ns or 0.0,
            aborted=counted.aborted,
            printed=first.printed,
            tables=tuple(table for _, table in views.tables(snapshots)),
        )
