"""Find the exporters that are installed (entry points of the group `tracerd.exporters`), make the configured ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from tracerd.config import unknown_name
from tracerd.config.daemon import DaemonConfig, exporter_kind
from tracerd.daemon.exporter import Exporter
from tracerd.errors import ConfigError

GROUP = "tracerd.exporters"
Maker = Callable[[dict[str, Any], str], Exporter]


def make_exporters(config: DaemonConfig, kept: Mapping[str, Exporter] | None = None) -> dict[str, Exporter]:
    """Make every exporter that a configuration names, or none. `kept` are ones to take instead of making them anew.

    Raises:
        ConfigError: a kind is not installed or does not load, or a section is wrong.
    """
    made: dict[str, Exporter] = {}
    kept = kept or {}
    try:
        for name in config.exporters:
            made[name] = kept.get(name) or make_exporter(config, name)
    except BaseException:
        for name, exporter in made.items():
            if name not in kept:
                exporter.close()
        raise
    return made


def make_exporter(config: DaemonConfig, name: str) -> Exporter:
    """Make one configured exporter; it opens nothing before its first export.

    Raises:
        ConfigError: as `make_exporters`.
    """
    kind, section = exporter_kind(name, config.exporters[name], config.where)
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
