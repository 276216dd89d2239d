"""Real TDH: what it says of a provider is what we ship. Not run on Windows yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.windows import needs_windows
from tracerd.sources.etw.api import load
from tracerd.sources.etw.tdh import Tdh
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.model import Provider, flat
from tracerd.sources.schema.tdh_cache import read_cache

pytestmark = needs_windows

NAMES = ["Microsoft-Windows-Kernel-Process", "Microsoft-Windows-DNS-Client", "Microsoft-Windows-PowerShell"]


def dumped(name: str, folder: Path) -> Provider:
    path = folder / "dump.json"
    subprocess.run([sys.executable, "-m", "tracerd.cli", "etw", "schema", name, "-o", str(path)], check=True)
    (provider,) = read_cache(path)
    return provider


def fields(provider: Provider, key: tuple[int, int]) -> list[str]:
    return [each.name for each in flat(provider.events[key].fields)]


@pytest.mark.parametrize("name", NAMES)
def test_shipped_schemas_are_those_of_this_windows(name: str, tmp_path: Path) -> None:
    """Of the versions that both know: the names of the fields, in order."""
    real = dumped(name, tmp_path)
    (shipped,) = Catalog().by_name(name)
    assert real.guid == shipped.guid
    both = real.events.keys() & shipped.events.keys()
    assert both
    assert {key: fields(real, key) for key in both} == {key: fields(shipped, key) for key in both}


def test_registered_providers_are_many() -> None:
    """A plain Windows 10 has about a thousand."""
    assert len(Tdh(load()).providers) > 300
