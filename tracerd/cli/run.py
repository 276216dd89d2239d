"""`tracerd run`: attach probes and print live tables until Ctrl-C, no daemon needed."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tracerd.cli import live as screen
from tracerd.cli.footer import footer
from tracerd.cli.grid import grid
from tracerd.cli.interrupt import Interrupt, interruptible
from tracerd.cli.live_options import live_options
from tracerd.cli.options import pass_integrity
from tracerd.cli.output import json_option, ledger_json, print_json, printable, text_console
from tracerd.cli.params import FiniteRange
from tracerd.config import Probe
from tracerd.errors import NotPermitted, NotSupported, SourceError
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate, shipped_probes
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.snapshot import ProgramStatistics, Table
from tracerd.sources.choose import LiveOptions
from tracerd.views.format import counted, duration
from tracerd.vm.policy import Asked, Integrity

engine_option = click.option(
    "--engine", type=click.Choice(["auto", "jit", "interpreter", "native"]), help="Override the probes' engine."
)

BELOW = 8
"""Lines of a terminal that the last table leaves to its head, cost and ledger."""

DEFAULT_PROBE, UNPRIVILEGED_PROBE = "syscalls", "host"
RECORDED_PROBE, RECORDING = "etw_processes", "demo.etl"
"""What `tracerd run` shows without arguments: the first that this machine and user can have."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How to look at a session. `seconds` None: until Ctrl-C or the end of the recording."""

    seconds: float | None = None
    interval: float = 1.0
    rows: int | None = None
    as_json: bool = False
    live: bool = True


@click.command("run")
@click.argument("probes", nargs=-1)
@click.option("-d", "--duration", "seconds", type=FiniteRange(min=0), help="Stop after SEC, counted from attach.")
@click.option(
    "-i", "--interval", type=FiniteRange(min=0.1), default=1.0, show_default=True, help="Seconds between tables."
)
@click.option("-n", "--rows", type=click.IntRange(min=1), help="Rows per table.")
@live_options
@engine_option
@json_option
@pass_integrity
def command(
    code_integrity: Integrity,
    probes: tuple[str, ...],
    seconds: float | None,
    interval: float,
    rows: int | None,
    live: LiveOptions,
    engine: Asked | None,
    as_json: bool,
) -> None:
    """Attach PROBES (shipped names, probe.toml files or .bpf.o objects) and print live tables.

    Without PROBES: every system call of this machine; where that is not permitted, its processes, connections and
    load; where even that cannot be had, a recording that comes with tracerd.
    """
    settings = Settings(code_integrity=code_integrity, engine=engine, live=live)
    watched = Watch(seconds, interval, rows, as_json)
    if probes:
        run([locate(name) for name in probes], settings, watched)
    else:
        run_what_can_be_had(settings, watched)


def run_what_can_be_had(settings: Settings, watched: Watch) -> None:
    """Run the default probe, or the best that this user is permitted, having said why not the better one."""
    try:
        run([locate(DEFAULT_PROBE)], settings, watched)
        return
    except (NotPermitted, NotSupported) as refusal:
        click.echo(f"tracerd: {refusal}; showing what needs no privilege (probe {UNPRIVILEGED_PROBE!r})", err=True)
    try:
        run([locate(UNPRIVILEGED_PROBE)], settings, watched)
    except (NotPermitted, NotSupported, SourceError) as refusal:
        click.echo(f"tracerd: {refusal}; showing the recording that comes with tracerd (made, not captured)", err=True)
        run_recording(settings, watched)


def run(probes: list[Probe], settings: Settings, watched: Watch) -> None:
    """Run probes in a session of this process and show them."""
    with Session(settings) as session:
        for probe in probes:
            session.add(probe)
        watch(session, watched)


def run_recording(settings: Settings, watched: Watch) -> None:
    """Replay the shipped recording through the probe that goes with it."""
    recording = shipped_probes()[RECORDED_PROBE].parent / RECORDING
    replayed = replace(settings, recording=recording, wait_for_code=True)
    run([locate(RECORDED_PROBE)], replayed, replace(watched, live=False))


def watch(session: Session, watched: Watch) -> SessionSnapshot:
    """Start a session, show it until its time is over, stop it, print what it found and return it."""
    with interruptible() as interrupted:
        session.start()
        console = text_console()
        if not watched.as_json:
            _announce(session, console)
        if watched.live and not watched.as_json and console.is_terminal:
            _live(session, watched, console, interrupted)
        else:
            _wait(session, watched, interrupted)
        over_by_itself = session.ended
        final = session.stop()
    if watched.as_json:
        print_json(document(session, final))
    else:
        # A recording was read as fast as it could be: its rates would say nothing.
        _summary(session, final, watched, console, rates=not over_by_itself)
    return final


def document(session: Session, final: SessionSnapshot) -> dict[str, object]:
    """Return the JSON of `run --json` and `replay --json` (DESIGN §11)."""
    program = final.programs[0] if final.programs else None
    return {
        "probe": ",".join(session.probes),
        "engine": {"name": program.engine, "reason": program.reason} if program else None,
        "seconds": final.seconds,
        "tables": {table.name: table.rows() for _, table in session.tables(final)},
        "ledger": ledger_json(final.ledger),
        "programs": [
            {
                "name": each.name,
                "engine": each.engine,
                "runs": each.runs,
                "aborted": each.aborted,
                "mean_ns": round(each.mean_ns, 1),
                "verify_seconds": each.verify_seconds,
            }
            for each in final.programs
        ],
        "maps": {
            each.name: {"rows": len(each.keys), "max_entries": each.max_entries, "refused": each.refused}
            for maps in final.maps.values()
            for each in maps.values()
        },
        "rings": {
            ring.name: {"records": ring.records, "dropped": ring.dropped, "latest": [rec.hex() for rec in ring.latest]}
            for ring in final.rings.values()
        },
        "printed": list(final.printed),
        "verdicts": [row for each in final.programs for row in _verdicts(each)],
        "cost": {"pump_cpu_ns": final.pump_cpu_ns},
    }


def _verdicts(program: ProgramStatistics) -> list[dict[str, object]]:
    """Return what programs for eBPF for Windows decided: a row for each verdict of each link."""
    return [
        {"program": program.name, "source": hook.source, "verdict": value, "meaning": meaning, "runs": runs}
        for hook in program.hooks
        for value, meaning, runs in hook.verdicts
    ]


def _over(session: Session, watched: Watch, deadline: float, interrupted: Interrupt) -> bool:
    return interrupted.set or session.ended or (watched.seconds is not None and time.monotonic() >= deadline)


def _wait(session: Session, watched: Watch, interrupted: Interrupt) -> None:
    deadline = time.monotonic() + (watched.seconds or 0)
    while not _over(session, watched, deadline, interrupted):
        left = deadline - time.monotonic() if watched.seconds is not None else watched.interval
        session.wait(min(max(left, 0.001), 0.1))


def _live(session: Session, watched: Watch, console: Console, interrupted: Interrupt) -> None:
    deadline = time.monotonic() + (watched.seconds or 0)
    before: dict[str, Table] = {}
    then = time.monotonic()
    with Live(console=console, auto_refresh=False, screen=False, transient=True) as display:
        while not _over(session, watched, deadline, interrupted):
            session.wait(watched.interval)
            snapshot, now = session.snapshot(), time.monotonic()
            found = session.tables(snapshot)
            shown = [screen.with_rates(view, table, before.get(table.name), now - then) for view, table in found]
            before, then = {table.name: table for _, table in found}, now
            size = (console.width, console.height)
            display.update(screen.screen(snapshot, shown, watched.rows, *size, _pages(session)), refresh=True)


def _pages(session: Session) -> int:
    """Return how large rings of live events are; 0 for a recording, whose losses are its own."""
    settings = session.settings
    return settings.live.perf.pages if settings.recording is None else 0


def _announce(session: Session, console: Console) -> None:
    for loaded in session.probes.values():
        for program in loaded.programs.values():
            certificate = program.verified.certificate
            console.print(
                f"[green]✓[/] {program.name}: proved safe in {duration(certificate.seconds * 1e9)} "
                f"({certificate.instructions} instructions, "
                f"{'ends' if certificate.terminates else 'runs on fuel'}) → {program.choice.engine}",
                soft_wrap=True,
            )


def _summary(session: Session, final: SessionSnapshot, watched: Watch, console: Console, *, rates: bool) -> None:
    default = max(console.height - BELOW, 5) if console.is_terminal else 20 if watched.live else 50
    for view, table in session.tables(final):
        title = Text(f"{table.name}: {counted(len(table), 'row')} in {final.seconds:.1f} s")
        console.rule(title, style="dim", align="left")
        rows = watched.rows or view.rows or default
        shown = screen.averaged(view, table, final.seconds if rates else 0)
        console.print(grid(shown, rows, final.clock_offset_ns, console.width))
    for line in final.printed:
        console.print(f"printed  {printable(line)}", markup=False)
    console.print()
    for text in footer(final, pages=_pages(session)):
        console.print(text)
    sys.stdout.flush()
