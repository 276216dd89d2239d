"""What a tracerd.toml means to the parts that it configures."""

from __future__ import annotations

from tracerd.config.daemon import DaemonConfig
from tracerd.runtime.host import HostLimits, HostSettings
from tracerd.sources.choose import LiveOptions
from tracerd.sources.perf import PerfOptions
from tracerd.sources.system import SystemOptions
from tracerd.verifier.job import Options


def host_settings(config: DaemonConfig) -> HostSettings:
    """Return how the host behaves."""
    limits = HostLimits(probes=config.limits.probes, map_bytes=config.limits.map_memory_mb << 20)
    return HostSettings(config.code_integrity, live_options(config), verify_options(config), limits)


def live_options(config: DaemonConfig) -> LiveOptions:
    """Return how this machine's events are taken."""
    perf, polling = config.sources.perf, config.sources.polling
    return LiveOptions(
        PerfOptions(perf.pages, round(perf.window * 1e6), perf.include_self),
        SystemOptions(round(polling.interval * 1e9), polling.share),
        polling.always,
    )


def verify_options(config: DaemonConfig) -> Options:
    """Return the limits of a proof."""
    return Options(seconds=config.limits.verify_seconds, memory_mb=config.limits.verify_memory_mb)
