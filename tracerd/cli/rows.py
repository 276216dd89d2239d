"""Rows as bpftool's users know them: aligned, as wide as they are, so that other commands can read them too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click
from rich.cells import cell_len

from tracerd.cli.output import printable

Cell = str | int | None


def print_rows(rows: Sequence[Mapping[str, Cell]], nothing: str) -> None:
    """Print rows with their keys as titles; numbers to the right. Without rows, say what there is not."""
    if not rows:
        click.echo(nothing)
        return
    numeric = {title: all(isinstance(row[title], int | None) or row[title] == "-" for row in rows) for title in rows[0]}
    cells = {title: [title, *(_text(row[title]) for row in rows)] for title in rows[0]}
    widths = {title: max(map(cell_len, column)) for title, column in cells.items()}
    for line in zip(*(_padded(column, widths[title], numeric[title]) for title, column in cells.items()), strict=True):
        click.echo("  ".join(line).rstrip())


def print_fields(fields: Mapping[str, Cell | Sequence[object]]) -> None:
    """Print one thing, a field a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else _text(value)  # type: ignore[arg-type]
        click.echo(f"{name:<{width}}  {text}".rstrip())


def _padded(column: Iterable[str], width: int, right: bool) -> list[str]:
    blanks = [(text, " " * (width - cell_len(text))) for text in column]
    return [space + text if right else text + space for text, space in blanks]


def _text(value: Cell) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else printable(str(value))
