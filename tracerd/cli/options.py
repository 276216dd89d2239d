"""What stands before a command, and what commands take of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from tracerd.vm.policy import Integrity

Function = TypeVar("Function", bound=Callable[..., Any])

CONFIG = Path("/etc/tracerd/tracerd.toml")
"""The daemon's configuration, where no other is named."""

ANY_PATH = click.Path(path_type=Path, readable=False)
"""A path that whoever opens it judges: click would call a refusal of the system a mistake in usage."""


@dataclass(frozen=True, slots=True)
class Global:
    """The options of the group: `tracerd --socket PATH status`."""

    code_integrity: Integrity = "auto"
    socket: Path | None = None
    config: Path | None = None


def pass_integrity(command: Function) -> Function:
    """Give a command the code integrity that was asked for, as its first argument."""

    @click.pass_obj
    @functools.wraps(command)
    def called(options: Global, /, *args: Any, **kwargs: Any) -> Any:
        return command(options.code_integrity, *args, **kwargs)

    return called  # type: ignore[return-value]


manifest_option = click.option(
    "--manifest", "manifests", multiple=True, type=ANY_PATH, metavar="FILE",
    help="Schemas of your own: an instrumentation manifest (.man) or a dump of Windows' (.json).",
)
"""Schemas of ETW events beside the shipped ones (`sources.schema.catalog.read_schemas`)."""
