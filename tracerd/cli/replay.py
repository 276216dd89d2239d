"""`tracerd replay FILE PROBE`: run a probe over a recording, as fast as it can be read or at its own pace."""

from __future__ import annotations

from pathlib import Path

import click

from tracerd.cli import params
from tracerd.cli.options import manifest_option, pass_integrity
from tracerd.cli.output import json_option, printable
from tracerd.cli.run import Watch, engine_option, watch
from tracerd.cli.schemas import catalog_of
from tracerd.errors import NotSupported
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.sources.captures import is_capture
from tracerd.sources.choose import LiveOptions
from tracerd.sources.etl import EtlSource, EventCounts
from tracerd.sources.trec.reader import is_trec
from tracerd.views.format import counted
from tracerd.vm.policy import Asked, Integrity

MOST = 5
"""Names that are told of what a recording has."""


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("probe")
@click.option(
    "--speed", type=params.speed, metavar="N|max", default="max", show_default=True,
    help="Of a .trec: 1 is its own pace.",
)
@engine_option
@manifest_option
@json_option
@pass_integrity
def command(
    code_integrity: Integrity,
    file: Path,
    probe: str,
    speed: float | None,
    engine: Asked | None,
    manifests: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Run PROBE over the recording FILE (.trec, .etl, or packets: .pcap, .pcapng) and print its tables."""
    if speed is not None and not is_trec(file):
        raise NotSupported(f"--speed for {file}", "only a .trec is paced; record it first: tracerd record --from")
    settings = Settings(
        code_integrity=code_integrity,
        engine=engine,
        recording=file,
        speed=speed,
        wait_for_code=True,
        live=LiveOptions(schemas=catalog_of(manifests)),
    )
    with Session(settings) as session:
        session.add(locate(probe, file))
        final = watch(session, Watch(as_json=as_json, live=speed is not None))
        advice = "" if as_json or not session.ended else _advice(session, final, file)
    if advice:
        click.echo(f"advice  {advice}")


def _advice(session: Session, final: SessionSnapshot, file: Path) -> str:
    """Say what the recording lacks, if the first table has nothing for want of it; "" if it has."""
    lacking = [name for name, row in final.ledger.items() if not row.produced]
    readable = any(row.delivered or row.filtered for row in final.ledger.values())
    tables = session.tables(final)
    if not lacking or not readable or not tables or len(tables[0][1]):
        return ""
    more = f" and {counted(len(lacking) - 1, 'other name')}" if lacking[1:] else ""
    return printable(f"no event came for {lacking[0]}{more}; {_what_it_has(file)}")


def _what_it_has(file: Path) -> str:
    """Name the events that a recording has most of, and the command that counts them."""
    if is_capture(file):
        return "captures have packets only"
    command = f"tracerd events {file}"
    if is_trec(file):
        return f"see what it has: {command}"
    recording = EtlSource(file)
    try:
        counts = recording.count()
    finally:
        recording.close()
    told = [each for each in counts.by_provider if each != "other" and not each.startswith("hook=00")]
    found = list(dict.fromkeys(_group(each, counts) for each in told))
    names = ", ".join(found[:MOST]) + (", …" if found[MOST:] else "")
    return f"it has {names or 'none'}: {command}"


def _group(provider: str, counts: EventCounts) -> str:
    """Return what a provider is called, and of a hook the group only."""
    name = counts.name(provider)
    return name.partition(" ")[0] if provider.startswith("hook=") else name
