"""What every command prints with: JSON in one shape, text through one console."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
import numpy as np
from rich.console import Console

from tracerd.snapshot import Ledger
from tracerd.text import printable as printable  # with the rest of what commands print with

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(command: Function) -> Function:
    """Give a command its --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def text_console() -> Console:
    """Return the console for tables: as wide as the terminal, and wide enough for any table where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 140)


def print_json(document: object) -> None:
    """Print one JSON document, indented when a person looks."""
    indent = 2 if sys.stdout.isatty() else None
    text = json.dumps(document, indent=indent, default=_plain, ensure_ascii=False)
    click.echo(_UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON leaves as it is, and a terminal obeys or no encoding has. Only strings have it: an escape says the same."""


def ledger_json(ledger: Mapping[str, Ledger]) -> dict[str, object]:
    """Return a ledger by event, in the shape that all commands print (DESIGN §11)."""
    return {
        event: {
            "produced": entry.produced,
            "delivered": entry.delivered,
            "lost": entry.lost,
            "dropped": entry.dropped_in_ring,
            "filtered": entry.filtered,
            "failed": entry.failed,
            **({"via": entry.via} if entry.via else {}),
        }
        for event, entry in ledger.items()
    }


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")
