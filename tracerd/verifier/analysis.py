"""From a job to a certificate or a refutation: the whole pipeline, with a few attempts of growing effort.

More states per point usually prove more, but not always, so an attempt's failure says only that this attempt failed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tracerd.errors import InstructionError
from tracerd.isa.decode import decode
from tracerd.isa.instruction import Instruction
from tracerd.platforms import PLATFORMS
from tracerd.platforms.model import MapKind
from tracerd.verifier import cfg, liveness
from tracerd.verifier.fixpoint import Fixpoint, Limits, Observer, Outcome, OutOfTime
from tracerd.verifier.job import Certificate, Job, Options, Refutation, Visit
from tracerd.verifier.report import Unproved, explain
from tracerd.verifier.scope import PLAIN, Evidence, Scope
from tracerd.verifier.slice import backward_slice
from tracerd.verifier.state import State
from tracerd.verifier.symbols import Symbols

if sys.platform != "win32":
    import resource  # here, not later: the confined process can open no file

RULES = "1"
"""Version of the rules: a certificate from other rules proves nothing here."""

ROUNDS = (64, 512, 8192)
"""Rounds that the attempts run a loop as the machine does."""

PATIENCE = 20
"""A further attempt may take so many times as long as all before it, or a second: rejections should not take ages."""


def _peak_mb() -> float:
    """Return this process's peak memory, or 0 where the platform does not tell (the sandbox measures there)."""
    if sys.platform == "win32":
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@dataclass(frozen=True)
class Subject:
    """A job, taken apart."""

    job: Job
    code: tuple[Instruction, ...]
    graph: cfg.Graph
    liveness: liveness.Liveness


def analyse(job: Job, observe: Callable[[int, State], None] | None = None) -> Certificate | Refutation:
    """Prove a program safe, or return the first need that could not be shown to be met.

    `observe` sees every instruction with every state that the proof finally has before it (tests use it).
    """
    started = time.monotonic()
    deadline = started + job.options.seconds
    log: list[Visit] = []
    try:
        subject = prepare(job)
    except Unproved as failure:
        return _refutation(None, failure, log, started)
    except InstructionError as error:
        return _refutation(None, Unproved(error.instruction, error.cause), log, started)
    found = _attempts(subject, deadline, observe, log)
    if isinstance(found, Unproved):
        return _refutation(subject, found, log, started)
    return _certificate(subject, *found, log, started)


def prepare(job: Job) -> Subject:
    """Decode and cut into blocks; refuse what no analysis can mend."""
    platform = PLATFORMS.get(job.platform)
    if platform is None:
        raise Unproved(0, f"platform {job.platform!r} is not known")
    if job.type not in platform.type_by_name:
        raise Unproved(0, f"program type {job.type!r} is not known on {job.platform}")
    for facts in job.maps:
        if facts.kind not in {kind.value for kind in MapKind}:
            raise Unproved(0, f"map {facts.name} is of unknown kind {facts.kind}")
    code = decode(job.code)
    graph = cfg.build(code, job.subprograms)
    arity = {number: len(helper.arguments) for number, helper in platform.helpers_by_type[job.type].items()}
    return Subject(job, code, graph, liveness.analyse(code, graph, arity))


def scope_of(subject: Subject) -> Scope:
    job = subject.job
    platform = PLATFORMS[job.platform]
    return Scope(
        subject.code,
        platform,
        platform.type_by_name[job.type],
        job.maps,
        [MapKind(facts.kind) for facts in job.maps],
        Symbols(),
        Evidence(stack_bytes=[0] * len(job.subprograms)),
    )


def _attempts(
    subject: Subject, deadline: float, observe: Observer | None, log: list[Visit]
) -> tuple[Scope, Outcome] | Unproved:
    """Try with more and more states and rounds. The last failure is reported: it had the most to go on."""
    failure: Unproved | None = None
    options = subject.job.options
    started = time.monotonic()
    for attempt, rounds in enumerate(ROUNDS):
        last = attempt == len(ROUNDS) - 1
        spent = time.monotonic() - started
        until = deadline if not attempt else min(deadline, started + spent + max(1.0, PATIENCE * spent))
        limits = Limits(options.disjuncts << attempt, rounds, until, eager=attempt > 0, collect=last)
        scope = scope_of(subject)
        visits: list[Visit] = []
        watch = explain(visits, observe) if options.explain else observe
        fixpoint = Fixpoint(scope, subject.graph, subject.liveness, limits, watch)
        try:
            outcome = fixpoint.run()
            _first(outcome)
            _require_end(subject, options, outcome)
        except Unproved as found:
            failure = found
        except OutOfTime:
            failures = fixpoint.outcome.failures
            if failures:
                failure = min(failures, key=lambda f: f.instruction)
            return failure or Unproved(0, f"a proof within {options.seconds:g} seconds", "run out of time")
        else:
            log[:] = visits
            return scope, outcome
        log[:] = visits
    assert failure is not None
    return failure


def _first(outcome: Outcome) -> None:
    """Raise the failure that comes first in program order."""
    if outcome.failures:
        raise min(outcome.failures, key=lambda failure: failure.instruction)


def _fuel_edges(subject: Subject, outcome: Outcome) -> list[int]:
    """Return the jumps that go backwards inside a loop without a bound: every round takes at least one of them.

    A round that comes back to where it was must somewhere go from a higher instruction to one that is not higher, in
    its own function; only jumps do.
    """
    graph, code = subject.graph, subject.code
    edges = set()
    for loop in outcome.endless.values():
        members = {graph.nodes[node].block for node in loop.members}
        starts = {graph.blocks[block].start for block in members}
        for block in members:
            at = graph.blocks[block].last
            if graph.blocks[block].ends in (cfg.JUMPS, cfg.BRANCHES):
                where = cfg.target(code[at], at)
                if where <= at and where in starts:
                    edges.add(at)
    return sorted(edges)


def _require_end(subject: Subject, options: Options, outcome: Outcome) -> None:
    """Without fuel, every loop needs a proved bound."""
    if outcome.endless and not options.allow_fuel:
        edges = _fuel_edges(subject, outcome)
        head = cfg.target(subject.code[edges[0]], edges[0])
        raise Unproved(edges[0], f"a bound on the rounds of the loop that starts at {head}", "none that is proved")


def _refutation(subject: Subject | None, failure: Unproved, log: list[Visit], started: float) -> Refutation:
    """Say what failed, and with it what made the value that failed."""
    made: tuple[int, ...] = ()
    if subject is not None:
        helpers = PLATFORMS[subject.job.platform].helpers_by_type[subject.job.type]
        made = backward_slice(subject.code, subject.graph, failure.instruction, failure.register, helpers)
    return Refutation(
        failure.instruction,
        failure.need,
        failure.have,
        failure.register,
        known=failure.known,
        slice=made,
        log=tuple(log),
        seconds=time.monotonic() - started,
        peak_mb=_peak_mb(),
    )


def _certificate(subject: Subject, scope: Scope, outcome: Outcome, log: list[Visit], started: float) -> Certificate:
    evidence = scope.evidence
    blocks = subject.graph.blocks
    return Certificate(
        digest=subject.job.digest(),
        verifier=RULES,
        context_bytes=evidence.context_bytes,
        stack_bytes=tuple(evidence.stack_bytes),
        terminates=not outcome.endless,
        fuel_edges=tuple(_fuel_edges(subject, outcome)),
        context_loads={at: native for at, native in sorted(evidence.loads.items()) if native != PLAIN},
        call_maps={at: which for at, which in sorted(evidence.call_maps.items()) if which >= 0},
        instructions=sum(blocks[block].end - blocks[block].start for block in evidence.reached),
        states=outcome.most_states,
        seconds=time.monotonic() - started,
        peak_mb=_peak_mb(),
        log=tuple(log),
    )
