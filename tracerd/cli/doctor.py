"""`tracerd doctor`: what this machine offers and forbids, found out by trying, and the command that fixes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import click
from rich.table import Table

from tracerd.cli import doctor_daemon
from tracerd.cli.options import Global
from tracerd.cli.output import json_option, print_json, text_console
from tracerd.errors import NotPermitted, NotSupported, TracerdError
from tracerd.isa.encode import encode
from tracerd.isa.instruction import ALU64, EXIT, JMP, MOV, Instruction
from tracerd.linux.cpus import cpu_slots
from tracerd.linux.tracefs import tracefs
from tracerd.runtime.compiler import find_compiler
from tracerd.sources.base import LinkRequest
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.perf import PerfOptions, PerfSource
from tracerd.sources.system import SystemSource
from tracerd.verifier.job import Job, Rejection, VerifiedProgram
from tracerd.verifier.sandbox import Verifier
from tracerd.vm import engine
from tracerd.vm.policy import Integrity, choice_here


@dataclass(frozen=True, slots=True)
class Finding:
    """One feature: `state` is available, forbidden or missing."""

    feature: str
    state: str
    why: str
    fix: str = ""


@click.command("doctor")
@json_option
@click.pass_obj
def command(options: Global, as_json: bool) -> None:
    """Try everything tracerd needs and say what is there, what is not, and what to do about it."""
    findings = [
        _tried("verifier process", lambda: f"a process of its own proved {_proved().job.program!r}"),
        _walls(),
        _tried("live events (perf)", _perf),
        _tried("tracepoint layouts (tracefs)", _tracefs),
        _process_events(),
        _tried("looks at processes (polling)", _polling),
        _etw_sessions(),
        _engine(options.code_integrity),
        _tried("maps in files (pins)", doctor_daemon.pinned_maps),
        _tried("dropping privileges", doctor_daemon.dropping_privileges),
        _tried("service (systemd)", doctor_daemon.service),
        _tried("daemon", lambda: doctor_daemon.daemon(options)),
        _tried("clang, for your own probes", lambda: find_compiler().name),
    ]
    if as_json:
        print_json([asdict(finding) for finding in findings])
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("feature", "state", "why"):
        grid.add_column(title)
    colours = {"available": "green", "forbidden": "red", "missing": "yellow"}
    for finding in findings:
        fix = f"\n[dim]fix: {finding.fix}[/]" if finding.fix else ""
        grid.add_row(finding.feature, f"[{colours[finding.state]}]{finding.state}[/]", finding.why + fix)
    text_console().print(grid)


def _tried(feature: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(feature, "available", attempt())
    except NotPermitted as refusal:
        return Finding(feature, "forbidden", refusal.what, refusal.fix)
    except NotSupported as refusal:
        return Finding(feature, "missing", refusal.why)
    except TracerdError as error:
        return Finding(feature, "missing", str(error))


def _proved(kind: str = "tracepoint") -> VerifiedProgram:
    """Prove the smallest program there is, of a type."""
    code = encode((Instruction(ALU64 | MOV, imm=0), Instruction(JMP | EXIT)))
    with Verifier() as verifier:
        outcome = verifier.verify(Job("return 0", "linux", kind, code, (("entry", 0, 2),), ()))
    if isinstance(outcome, Rejection):
        raise outcome
    return outcome


def _walls() -> Finding:
    """Say what holds the verifier's process, as it reports it itself before its first job."""
    feature = "verifier process, confined"
    try:
        with Verifier() as verifier:
            walls = verifier.walls()
    except TracerdError as error:
        return Finding(feature, "missing", str(error))
    named = [f"{wall.name} {wall.detail}".strip() for wall in walls if wall.in_force]
    lacking = [f"without {wall.name} ({wall.detail})" for wall in walls if not wall.in_force]
    fix = "Linux 6.3 or later has all of it; a container's own filter may forbid some" if lacking else ""
    return Finding(feature, "missing" if lacking else "available", ", ".join(lacking + named), fix)


def _perf() -> str:
    """Attach that program to every system call, for a moment."""
    program = engine.prepare(_proved(), (), choice_here("interpreter"))
    source = PerfSource(PerfOptions(pages=8))
    try:
        source.open([LinkRequest("syscall:*:enter", program.native, 0)])
        source.stop()
        return f"a program ran on system calls of {source.cpus} CPUs"
    finally:
        source.close()
        program.close()


def _etw_sessions() -> Finding:
    found = _tried("live ETW sessions", _etw)
    return replace(found, why=f"{found.why} (this code: not run on Windows so far)")


def _etw() -> str:
    """Start a session that nothing is let into, for a moment."""
    program = engine.prepare(_proved("etw"), (), choice_here("interpreter"))
    source = EtwSource(EtwOptions(), cpu_slots())
    try:
        source.open([LinkRequest(_NOBODYS_EVENT, program.native, 0)])
        source.stop()
        return "a session was started, read and stopped"
    finally:
        source.close()
        program.close()


_NOBODYS_EVENT = "etw:7472616b-6572-6421-8000-000000000000:65535"


def _tracefs() -> str:
    return f"readable at {tracefs()}"


def _process_events() -> Finding:
    feature, refused = "process events (tracepoints)", PerfSource.permitted()
    if refused is None:
        return Finding(feature, "available", "every start and exit is seen, however short the process lives")
    otherwise = "processes are looked at every second instead: what lives shorter is not seen"
    if isinstance(refused, NotPermitted):
        return Finding(feature, "forbidden", f"{refused.what}; {otherwise}", refused.fix)
    return Finding(feature, "missing", f"{refused.what}: {refused.why}; {otherwise}")


def _polling() -> str:
    """Look once, with a program that does nothing."""
    program = engine.prepare(_proved("process"), (), choice_here("interpreter"))
    source = SystemSource(cpu_slots())
    try:
        source.open([LinkRequest("process:sample", program.native, 0)])
        seen, cost = source.pump(0), source.cost()
        return f"{seen} processes in {cost.cpu_ns / 1e6:.1f} ms of CPU time, by the {cost.reader} reader"
    finally:
        source.close()
        program.close()


def _engine(integrity: Integrity) -> Finding:
    choice = choice_here("auto", integrity)
    state = "available" if choice.engine == "jit" else "forbidden"
    fix = "" if state == "available" else "tracerd policy explain shows what would change it; the interpreter is used"
    return Finding("JIT", state, choice.reason, fix)
