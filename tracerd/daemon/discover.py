"""Find the exporters that are installed (entry points of the group `tracerd.exporters`), make the configured ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tracerd.config import unknown_name
from tracerd.config.daemon import DaemonConfig, exporter_kind
from tracerd.daemon.exporter import Exporter
from tracerd.errors import ConfigError

GROUP = "tracerd.exporters"
IMPLIED_GROUP = "tracerd.exporters.implied"
"""Functions of the environment that tell whether an exporter is wanted though no section names it."""

Maker = Callable[[dict[str, Any], str], Exporter]


def sections(config: DaemonConfig, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the sections of all exporters: those configured, and empty ones of those that the environment asks for.

    Raises:
        ConfigError: a section's `kind` is not a name.
    """
    configured = dict(config.exporters)
    kinds = {exporter_kind(name, section, config.where)[0] for name, section in configured.items()}
    for point in entry_points(group=IMPLIED_GROUP):
        if point.name not in kinds and point.name not in configured and _implied(point, environ):
            configured[point.name] = {}
    return configured


def _implied(point: EntryPoint, environ: Mapping[str, str]) -> bool:
    try:
        return bool(point.load()(environ))
    except Exception as error:  # a package of others: importing it may do anything
        raise ConfigError(f"exporter {point.name!r}", f"({point.value}) does not load: {error}") from error


def make_exporters(config: DaemonConfig, kept: Mapping[str, Exporter] | None = None) -> dict[str, Exporter]:
    """Make every exporter that a configuration names, or none. `kept` are ones to take instead of making them anew.

    Raises:
        ConfigError: a kind is not installed or does not load, or a section is wrong.
    """
    made: dict[str, Exporter] = {}
    kept = kept or {}
    try:
        for name, section in sections(config, os.environ).items():
            made[name] = kept.get(name) or make_exporter(config, name, section)
    except BaseException:
        for name, exporter in made.items():
            if name not in kept:
                exporter.close()
        raise
    return made


def make_exporter(config: DaemonConfig, name: str, section: dict[str, Any]) -> Exporter:
    """Make one exporter; it opens nothing before its first export.

    Raises:
        ConfigError: as `make_exporters`.
    """
    kind, section = exporter_kind(name, section, config.where)
    where = f"{config.where}: exporters.{name}"
    return _maker(kind, where)(section, where)


def _maker(kind: str, where: str) -> Maker:
    found = {point.name: point for point in entry_points(group=GROUP)}
    if not found:
        raise ConfigError(where, "no exporters are installed: tracerd's own come with its package, so install it again")
    if kind not in found:
        raise ConfigError(where, unknown_name("exporter", kind, list(found)))
    try:
        maker: Maker = found[kind].load()
    except Exception as error:  # a package of others: importing it may do anything
        raise ConfigError(where, f"exporter {kind!r} ({found[kind].value}) does not load: {error}") from error
    return maker
