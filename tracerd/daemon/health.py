"""What a daemon says of itself: whether all is well, why not, its own numbers, and the whole of `tracerd status`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tracerd import __version__
from tracerd.config.daemon import DEFAULT_FILE
from tracerd.daemon.api.host import Health
from tracerd.snapshot import Ledger

if TYPE_CHECKING:
    from tracerd.daemon.core import Daemon

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def health(daemon: Daemon) -> Health:
    """Return alive, ready and every reason why not. It is alive if it can answer, ready if it does all it was asked."""
    reasons = tuple(_reasons(daemon))
    return True, not reasons and daemon.begun, reasons


def status(daemon: Daemon) -> dict[str, object]:
    """Return `status --json` (DESIGN §11), with more keys."""
    look, (_, ready, reasons) = daemon.inspector, health(daemon)
    ledger = daemon.host.sources.ledger()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "config": str(daemon.config.path or DEFAULT_FILE),
        "state_dir": str(daemon.config.state_dir),
        "uptime_s": (time.monotonic_ns() - daemon.host.started_ns) / 1e9,
        "ready": ready,
        "reasons": list(reasons),
        "notes": [
            f"probe {name!r}: detached by hand: {links}; tracerd attach brings it back"
            for name, links in sorted(daemon.detached().items())
        ],
        "probes": [asdict(info) for info in look.probes()],
        "programs": [asdict(info) for info in look.programs()],
        "maps": [asdict(info) for info in look.maps()],
        "links": [asdict(info) for info in look.links()],
        "pins": [asdict(info) for info in look.pins()],
        "sources": [{"event": name, "via": balance.via} for name, balance in ledger.items()],
        "pumps": [asdict(info) for info in daemon.host.sources.infos()],
        "exporters": [asdict(info) for info in daemon.exporting.statistics()],
        "ledger": {name: ledger_row(balance) for name, balance in ledger.items()},
        "own": own_metrics(daemon),
    }


def ledger_row(balance: Ledger) -> dict[str, object]:
    """Return one event's balance as JSON has it (DESIGN §11)."""
    row: dict[str, object] = {
        "produced": balance.produced,
        "delivered": balance.delivered,
        "lost": balance.lost,
        "dropped": balance.dropped_in_ring,
        "filtered": balance.filtered,
        "failed": balance.failed,
    }
    return row | ({"via": balance.via} if balance.via else {})


def own_metrics(daemon: Daemon) -> dict[str, float]:
    """Return tracerd's own numbers: what it costs, what it holds, what went wrong. Totals unless the name says else."""
    verifier, maps = daemon.verifier.statistics(), daemon.inspector.maps()
    numbers: dict[str, float] = {
        "process.cpu_seconds": time.process_time(),
        "process.memory_bytes": _resident_bytes(),
        "process.descriptors": _descriptors(),
        "pumps.cpu_seconds": daemon.host.sources.cpu_ns / 1e9,
        "probes.loaded": len(daemon.host.loaded),
        "probes.failed": len(daemon.host.failed),
        "maps.memory_bytes": sum(info.memory_bytes for info in maps),
        "maps.resident_bytes": sum(info.resident_bytes for info in maps),
        "verifier.jobs": verifier.jobs,
        "verifier.started": verifier.started,
        "verifier.broken": verifier.broken,
        "reloads": daemon.reloads,
        "reloads.refused": daemon.reloads_refused,
        "sources.revived": daemon.revived,
    }
    numbers.update(_cache_metrics(daemon))
    for prefix, counts in daemon.more_counts.items():
        numbers.update({f"{prefix}.{name}": count for name, count in counts().items()})
    return numbers


def _expiring(daemon: Daemon) -> set[tuple[str, str]]:
    """Return the maps that let entries of ended processes go, by probe and name."""
    return {(each.name, one.map) for each in daemon.host.loaded for one in each.live.expiring}


def _reasons(daemon: Daemon) -> Iterator[str]:
    for probe in daemon.host.failed:
        yield f"probe {probe.name!r} is not loaded: {probe.failed}"
    expiring = _expiring(daemon)
    for info in daemon.inspector.maps():
        if info.refused and info.kind != "ringbuf" and info.entries >= info.max_entries:
            refused = f"map {info.name!r} of probe {info.probe!r} is full: {info.refused:,} updates were refused"
            if (info.probe, info.name) in expiring:
                yield f"{refused}; processes come faster than ended ones leave: raise its max_entries in the C source"
            else:
                yield f"{refused}; raise its max_entries, or have it expire ([[map]] in its probe.toml)"
    for source, why in daemon.host.sources.failed().items():
        yield f"source {source!r} has ended: {why}"
    for exporter in daemon.exporting.statistics():
        if exporter.failing:
            yield f"exporter {exporter.name!r} fails ({exporter.failing} times in a row): {exporter.last_error}"
        elif exporter.problem:
            yield f"exporter {exporter.name!r}: {exporter.problem}"
    for error in daemon.caches.refused:
        yield f"no cache: {error}"
    if daemon.state_damaged:
        yield daemon.state_damaged
    if daemon.last_refusal:
        yield f"the configuration was not read again: {daemon.last_refusal}"


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0                         # no /proc


def _descriptors() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1       # without the listing's own
    except OSError:
        return 0


def _cache_metrics(daemon: Daemon) -> Mapping[str, float]:
    return {
        f"cache.{name}.{count}": value
        for name, counted in daemon.caches.statistics().items()
        for count, value in asdict(counted).items()
    }
