"""`tracerd record SOURCE… -o FILE.trec`: keep events in a file, to replay them as often as one likes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

from tracerd.cli import params
from tracerd.cli.footer import ledger_line, via_lines
from tracerd.cli.interrupt import Interrupt, interruptible
from tracerd.cli.live_options import live_options
from tracerd.cli.output import json_option, ledger_json, print_json, printable, text_console
from tracerd.cli.params import When
from tracerd.errors import ConfigError
from tracerd.runtime.locate import RECORDINGS, locate, shipped_probes
from tracerd.runtime.recorded_events import Plan, plan_file, plan_sources
from tracerd.runtime.recording import Recording, RecordOptions, Summary
from tracerd.sources.choose import LiveOptions
from tracerd.sources.etw.plan import profile_names
from tracerd.sources.names import begins_as_name
from tracerd.sources.trec.format import Codec
from tracerd.sources.trec.recorder import NEVER, Filter
from tracerd.views.format import count, size


@click.command("record")
@click.argument("sources", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The recording to write.")
@click.option("--for", "seconds", type=params.seconds, metavar="TIME", help="Stop after that long.")
@click.option("--size", "most", type=params.size, metavar="SIZE", help="Stop when the file has that size.")
@click.option("--from", "file", type=click.Path(path_type=Path), help="Record from a recording (.trec or .etl).")
@click.option("--since", type=params.moment, metavar="WHEN", help="With --from: leave out what was before.")
@click.option("--until", type=params.moment, metavar="WHEN", help="With --from: leave out what comes after.")
@click.option("--event", "events", multiple=True, help="With --from: only events of this name; may be repeated.")
@click.option("--pid", type=click.IntRange(min=0), help="Only events of this process.")
@click.option("--compress", type=click.Choice(["zstd", "none"]), default="zstd", show_default=True)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@live_options
@json_option
def command(
    sources: tuple[str, ...],
    output: Path,
    seconds: float | None,
    most: int | None,
    file: Path | None,
    since: When | None,
    until: When | None,
    events: tuple[str, ...],
    pid: int | None,
    compress: str,
    force: bool,
    live: LiveOptions,
    as_json: bool,
) -> None:
    """Record the events of SOURCES into a file.

    A SOURCE is an attach name (syscall:*:enter, process:start, etl:FILE.etl …) or a probe, whose events are recorded.
    On Windows it may be `etw`, with --profile: the providers that answer its question.
    Until Ctrl-C, or what --for and --size say.
    """
    _check(sources, file, cut=bool(since or until or events))
    plan = plan_file(file, events) if file else plan_sources(_names(sources, live.etw.profile), live)
    keep = _times(Filter(pid=pid), plan, since, until)
    if keep.since_ns > keep.until_ns:
        plan.close()
        raise ConfigError("--until", "is before --since")
    options = RecordOptions(output, Codec[compress.upper()], keep, most, force)
    with Recording(plan, options) as recording, interruptible() as interrupted:
        recording.start()
        _wait(recording, seconds, interrupted)
        summary = recording.stop()
    print_json(document(summary)) if as_json else _print(summary)
    if summary.error is not None:
        raise summary.error


def document(summary: Summary) -> dict[str, object]:
    """Return the JSON of `record --json`."""
    return {
        "file": str(summary.path),
        "events": summary.events,
        "bytes": summary.bytes,
        "bytes_per_event": round(summary.bytes / summary.events, 2) if summary.events else None,
        "seconds": summary.seconds,
        "cpu_share": round(summary.cpu_ns / (summary.seconds * 1e9), 4) if summary.seconds else None,
        "full": summary.full,
        "error": str(summary.error) if summary.error is not None else None,
        "ledger": ledger_json(summary.ledger),
    }


def _check(sources: tuple[str, ...], file: Path | None, *, cut: bool) -> None:
    if file is not None and sources:
        raise ConfigError("--from", "takes no other sources; --event says which of its events")
    if file is None and cut:
        raise ConfigError("--since, --until and --event", "cut a recording: name it with --from")


def _names(sources: Iterable[str], profile: str | None) -> Iterator[str]:
    """Yield the attach names that are meant: a probe stands for all it attaches to, `etw` for a profile's providers."""
    for source in sources:
        if source == "etw":
            if profile is None:
                raise ConfigError("etw", "which providers? say --profile, or name them: etw:PROVIDER[:EVENT]")
            yield from profile_names(profile)
            continue
        if source in ("begin", "end") or source.startswith("interval:"):
            raise ConfigError(source, "is no event but a time: a replay makes it anew")
        if Path(source).suffix.lower() in RECORDINGS and not begins_as_name(source):
            raise ConfigError(source, f"is a recording: tracerd record --from {source}")
        if ":" not in source or source in shipped_probes() or Path(source).suffix in (".toml", ".o"):
            yield from (name for _, name in locate(source).attach)
        else:
            yield source


def _times(keep: Filter, plan: Plan, since: When | None, until: When | None) -> Filter:
    first = plan.first_ns or 0
    return replace(
        keep,
        since_ns=since.on_clock(first, plan.clock_offset_ns) if since else 0,
        until_ns=until.on_clock(first, plan.clock_offset_ns) if until else NEVER,
    )


def _wait(recording: Recording, seconds: float | None, interrupted: Interrupt) -> None:
    left = seconds if seconds is not None else float("inf")
    while left > 0 and not interrupted.set and not recording.over:
        step = min(left, 0.1)
        recording.wait(step)
        left -= step


def _print(summary: Summary) -> None:
    console = text_console()
    each = f", {summary.bytes / summary.events:.1f} bytes per event" if summary.events else ""
    share = summary.cpu_ns / (summary.seconds * 1e9) if summary.seconds else 0.0
    console.print(
        f"{printable(str(summary.path))}: {count(summary.events)} events, {size(summary.bytes)}{each}, "
        f"{summary.seconds:.1f} s, {share:.1%} of one CPU" + (", full" if summary.full else ""),
        markup=False,
    )
    if not summary.events:
        console.print("nothing was recorded: no event came, or --pid, --event, --since and --until left all out")
    console.print(ledger_line(summary.ledger))
    for line in via_lines(summary.ledger):
        console.print(line)
