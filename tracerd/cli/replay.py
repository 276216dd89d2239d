"""`tracerd replay FILE PROBE`: run a probe over a recording, as fast as it can be read or at its own pace."""

from __future__ import annotations

from pathlib import Path

import click

from tracerd.cli import params
from tracerd.cli.options import manifest_option, pass_integrity
from tracerd.cli.output import json_option
from tracerd.cli.run import Watch, engine_option, watch
from tracerd.cli.schemas import catalog_of
from tracerd.errors import NotSupported
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.sources.choose import LiveOptions
from tracerd.sources.trec.reader import is_trec
from tracerd.vm.policy import Asked, Integrity


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("probe")
@click.option("--speed", type=params.speed, metavar="N|max", default="max", show_default=True, help="1: its own pace.")
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
        watch(session, Watch(as_json=as_json, live=speed is not None))
