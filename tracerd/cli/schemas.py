"""Which schemas of ETW events a command looks things up in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracerd.sources.etw.tdh import registered_here
from tracerd.sources.schema.catalog import Catalog, read_schemas


def catalog_of(manifests: Sequence[Path]) -> Catalog:
    """Return the schemas of `--manifest`, those that are shipped, and on Windows of what is registered on this machine.

    Raises:
        ConfigError: a manifest makes no sense.
    """
    return Catalog(read_schemas(manifests), more=registered_here())
