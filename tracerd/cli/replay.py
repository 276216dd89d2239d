"""`tracerd replay FILE PROBE`: run a probe over a recording, as fast as it can be read."""

from __future__ import annotations

from pathlib import Path

import click

from tracerd.cli.output import json_option
from tracerd.cli.run import Watch, engine_option, watch
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate
from tracerd.vm.policy import Asked, Integrity


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("probe")
@engine_option
@json_option
@click.pass_obj
def command(code_integrity: Integrity, file: Path, probe: str, engine: Asked | None, as_json: bool) -> None:
    """Run PROBE over the recording FILE (.etl) and print its tables."""
    settings = Settings(code_integrity=code_integrity, engine=engine, recording=file)
    with Session(settings) as session:
        session.add(locate(probe))
        watch(session, Watch(as_json=as_json, live=False))
