"""Probes for events of Windows over recordings of nonsense: no bytes make them fail, and engines agree on all of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.probes.recorded import START_NS, START_TICKS, provider
from tests.probes.replayed import tables_of
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.model import Provider

PROVIDERS = {
    "etw_processes": ("Microsoft-Windows-Kernel-Process", "Process"),
    "etw_files": ("Microsoft-Windows-Kernel-File", "FileIo", "DiskIo", "Thread", "Process"),
    "etw_network": ("Microsoft-Windows-Kernel-Network", "TcpIp", "UdpIp", "Microsoft-Windows-Kernel-Process"),
    "etw_dns": ("Microsoft-Windows-DNS-Client", "Microsoft-Windows-Kernel-Process"),
}
EVENTS = 4000
FEW = bytes([0, 0, 0, 1, 1, 2, 4, 64, 128, 255])
"""Bytes of which payloads are made: few, so that addresses, names and ids meet again."""


def write(writer: EtlWriter, ticks: int, of: Provider, chance: random.Random) -> None:
    """Write an event that there is, in a version that there is or not, with a payload of nonsense."""
    number, version = chance.choice(list(of.events))
    version = chance.choice((version, version, version, 0, 255))
    payload = bytes(chance.choices(FEW, k=chance.choice((0, 3, 8, 24, 60, 120, 200))))
    if not of.is_class:
        writer.manifest_event(ticks, of.guid, number, payload, version=version, pid=chance.randrange(4))
    elif chance.random() < 0.5:
        writer.classic_event(ticks, of.guid, number, payload, version=version, pid=chance.randrange(4))
    else:
        writer.perfinfo_event(ticks, (of.group or 0) << 8 | number, payload, version=version & 0x0F)


@pytest.mark.parametrize("pointer_size", [4, 8])
@pytest.mark.parametrize("probe", sorted(PROVIDERS))
def test_nonsense_gives_the_same_tables_with_both_engines(tmp_path: Path, probe: str, pointer_size: int) -> None:
    """No program fails or is ended early; what cannot be read is counted."""
    path, chance = tmp_path / "made.etl", random.Random(f"{probe} {pointer_size}")
    known = [provider(name) for name in PROVIDERS[probe]]
    with EtlWriter(path, start_ns=START_NS, start_ticks=START_TICKS, pointer_size=pointer_size) as writer:
        for number in range(EVENTS):
            write(writer, START_TICKS + number, chance.choice(known), chance)
    tables = tables_of(probe, path)
    assert tables == tables_of(probe, path, "jit")
    assert tables["totals"][0]["unreadable"] > 0
