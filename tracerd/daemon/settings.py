"""What a tracerd.toml means to the parts that it configures."""

from __future__ import annotations

from tracerd.config.daemon import DaemonConfig
from tracerd.daemon.api.settings import ControlSettings
from tracerd.runtime.host import HostLimits, HostSettings
from tracerd.sources.choose import LiveOptions
from tracerd.sources.perf import PerfOptions
from tracerd.sources.system import SystemOptions
from tracerd.verifier.job import Options


def host_settings(config: DaemonConfig) -> HostSettings:
    """Return how the host behaves."""
    limits = HostLimits(probes=config.limits.probes, map_bytes=config.limits.map_memory_mb << 20)
    return HostSettings(config.code_integrity, live_options(config), verify_options(config), limits)


def control_settings(config: DaemonConfig) -> ControlSettings:
    """Return where the control API listens, and who may ask for how much."""
    control, access, limits = config.control, config.access, config.limits
    return ControlSettings(
        socket=control.socket,
        socket_mode=control.mode,
        socket_group=control.group,
        read_users=access.read.users,
        read_groups=access.read.groups,
        admin_users=access.admin.users,
        admin_groups=access.admin.groups,
        tcp_listen=control.tcp.listen,
        tcp_token_file=control.tcp.token_file,
        tcp_certificate=control.tcp.certificate,
        tcp_key=control.tcp.key,
        request_bytes=limits.request_bytes,
        requests_per_second=limits.requests_per_second,
        connections=limits.connections,
        streams=limits.streams,
    )


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
