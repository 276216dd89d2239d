"""`tracerd events FILE.etl --fields`: decoded events, on a terminal, as JSON lines, or into a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from tracerd.cli.events_arrow import ArrowSink, column_names, load_arrow
from tracerd.cli.events_sinks import OutputFile, Pipe, Sink, Terminal, told_when_full
from tracerd.cli.schemas import catalog_of
from tracerd.errors import ConfigError
from tracerd.sources.etl_decoding import EtlDecoding, Selection
from tracerd.sources.etw_decoder import ColumnType
from tracerd.views.format import count, counted

SUFFIXES = (".jsonl", ".csv", ".parquet", ".arrow")


def show(path: Path, selection: Selection, manifests: Sequence[Path], *, as_json: bool) -> None:
    """Print decoded events, and at the end on standard error what became of them."""
    with closing(EtlDecoding(path, catalog_of(manifests), selection)) as decoding:
        sink: Sink = Pipe() if as_json or not sys.stdout.isatty() else Terminal()
        try:
            for piece in decoding.pieces("json"):
                sink.put(piece)
        except BrokenPipeError:              # whoever read has enough: `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        decoding.check_names()
        click.echo(summary(decoding), err=True)


def write(path: Path, selection: Selection, manifests: Sequence[Path], output: Path, *, force: bool) -> None:
    """Write decoded events into a file, whose suffix says how.

    Raises:
        ConfigError: the suffix says nothing, or the file is there.
        NotSupported: it needs pyarrow, which is not installed.
        RunError: the system refuses a write; nothing is left of the file.
    """
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(str(output), f"its end says how it is written: {', '.join(SUFFIXES)}")
    arrow = load_arrow(f"-o {output}") if suffix in (".parquet", ".arrow") else None
    catalog = catalog_of(manifests)
    with closing(EtlDecoding(path, catalog, selection)) as decoding, told_when_full(output):
        with OutputFile(output, force=force, read=(path, *manifests)) as file:
            if suffix == ".jsonl":
                _copy(decoding, file)
            elif arrow is None:
                _write_csv(decoding, file)
            else:
                _write_arrow(decoding, file, arrow, parquet=suffix == ".parquet")
            decoding.check_names()
        click.echo(f"{output}: {summary(decoding)}", err=True)


def _copy(decoding: EtlDecoding, file: OutputFile) -> None:
    for piece in decoding.pieces("json"):
        file.put(piece)


def _write_csv(decoding: EtlDecoding, file: OutputFile) -> None:
    fields = decoding.only_schema()
    file.put((",".join(map(_cell, column_names(fields))) + "\n").encode())
    for piece in decoding.pieces("csv" if fields is None else "columns", columns=len(fields or ())):
        file.put(piece)


def _write_arrow(decoding: EtlDecoding, file: OutputFile, arrow: object, *, parquet: bool) -> None:
    fields: list[ColumnType] | None = decoding.only_schema()
    sink = ArrowSink(arrow, file.file, fields, parquet=parquet)
    for piece in decoding.pieces("csv" if fields is None else "columns", columns=len(fields or ()), digits=6):
        sink.put(piece)
    sink.close()


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(each in text for each in ',"\r\n') else text


def summary(decoding: EtlDecoding) -> str:
    """Return the last line: what was decoded, and what was not, by reason."""
    counts = decoding.counts()
    whole = counts.events in (decoding.passed, decoding.selection.limit)
    chosen = "" if whole else f" of {count(decoding.passed)}"
    parts = [f"{counted(counts.events, 'event')}{chosen}, {count(counts.decoded)} decoded"]
    if counts.self_described:
        parts[0] += f" ({count(counts.self_described)} by their own description)"
    parts += [f"{count(number)} × {reason}" for reason, number in counts.unknown.items()]
    if counts.lost:
        parts.append(f"{count(counts.lost)} lost: no memory for their text")
    if refused := decoding.refused_descriptions:
        parts.append(f"{count(refused)} descriptions of events in the recording are of no use: senseless or too many")
    if decoding.lost:
        parts.append(f"{count(decoding.lost)} lost by the recorder")
    if decoding.condition:
        parts.append(decoding.condition)
    return "; ".join(parts)
