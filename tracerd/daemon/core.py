"""A daemon put together: state, caches, verifier, host, exporters. `serve` drives it; here is what it can do.

The state directory is locked first and everything else is made in it, so that two daemons never share anything. What
cannot be had is told and gone without, where that is possible: a probe that does not load, a cache, a full disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from tracerd.config import Probe
from tracerd.config.daemon import DaemonConfig, changed_keys
from tracerd.daemon.discover import make_exporters
from tracerd.daemon.exporter import Exporter
from tracerd.daemon.exporting import Exporting
from tracerd.daemon.health import own_metrics
from tracerd.daemon.logs import fields
from tracerd.daemon.settings import host_settings
from tracerd.daemon.state import Document, StateDir
from tracerd.errors import ConfigError, TracerdError
from tracerd.runtime.caches import open_caches
from tracerd.runtime.configured import files_of, passed_over, read_configured, resolve_probes
from tracerd.runtime.feeds import RecordFeeds
from tracerd.runtime.host import Host
from tracerd.runtime.inspect import Inspector
from tracerd.runtime.load import lock_if_enforced
from tracerd.runtime.objects import Changes
from tracerd.runtime.pins import Pins
from tracerd.runtime.saved import Saved
from tracerd.runtime.upload import Uploads
from tracerd.sources.system.directory import ProcessDirectory
from tracerd.verifier.sandbox import Verifier

LOG = logging.getLogger("tracerd.daemon")

VERIFIER_IDLE_SECONDS = 30.0
SHARED_MOMENT_SECONDS = 0.2
"""Exporters and streams that ask within that time get the same copy."""

RESTART_FOR = ("state_dir", "code_integrity", "control", "access", "limits", "sources", "service", "log")
"""What a reload does not change: a file that changes one of them is refused as a whole."""


class Daemon:
    """Everything of one daemon but its event loop. Thread-safe."""

    def __init__(self, config: DaemonConfig, read: Callable[[], DaemonConfig]) -> None:
        """`read` reads the configuration again.

        Raises:
            TracerdError: the state directory cannot be used, or another daemon uses it; an exporter's section is wrong.
        """
        self.config = config
        self.begun = False
        self.reloads = self.reloads_refused = self.revived = 0
        self.last_refusal = ""
        self.more_counts: Mapping[str, Callable[[], Mapping[str, float]]] = {}    # of those who serve it, by prefix
        self._read = read
        self._reloading = threading.Lock()
        with ExitStack() as made:
            lock_if_enforced(config.code_integrity)
            state = made.enter_context(StateDir(config.state_dir))
            state.lock()
            document = Document(state, "state.json", Saved)
            saved = document.load() or Saved()
            self.state_damaged = document.damaged
            pins = Pins(state.folder("pins"), look=lambda: state.folder("pins"))
            made.callback(pins.close)
            self.verifier = Verifier(
                config.limits.verify_memory_mb,
                idle_seconds=VERIFIER_IDLE_SECONDS,
                on_start=lambda pid: self.host.sources.ignore(pid),
                on_end=lambda pid: self.host.sources.forget(pid),
            )
            made.callback(self.verifier.close)
            self.caches = open_caches(state.path, self.verifier)
            made.callback(self.caches.close)
            uploads = Uploads(state.folder("probes"), lambda: state.folder("probes"))
            settings = host_settings(config)
            self.host = Host(settings, self.caches.prover, uploads, pins, saved, document.save, self.caches.code)
            made.callback(self.host.close)
            processes = ProcessDirectory()
            self.inspector = Inspector(
                self.host, lambda: own_metrics(self), processes, lambda: self.exporting.totals()
            )
            feeds = RecordFeeds(lambda: self.host.loaded, processes)
            self.host.on_load = feeds.add
            self._exporters = make_exporters(config)
            self.exporting = Exporting(self._exporters, lambda: self.inspector.moment(SHARED_MOMENT_SECONDS), feeds)
            self._made = made.pop_all()

    def begin(self) -> None:
        """Load and attach all probes, and start to export. What does not load is told in `host.failed`."""
        began = time.monotonic()
        self.host.begin(list(_configured(self.config)))
        _tell_passed_over(self.config)
        for failed in self.host.failed:
            LOG.error("probe not loaded: %s", failed.failed, extra=fields(probe=failed.name))
        self.exporting.start()
        self.begun = True
        LOG.info(
            "started",
            extra=fields(
                probes=len(self.host.loaded), failed=len(self.host.failed), seconds=round(time.monotonic() - began, 3)
            ),
        )

    def reload(self) -> Changes:
        """Read the configuration again and do what it says now. All or nothing; unchanged probes lose no event.

        Raises:
            TracerdError: it cannot be done; everything is as it was, and `last_refusal` says why.
        """
        with self._reloading:
            try:
                changes = self._reload()
            except TracerdError as error:
                self.reloads_refused += 1
                self.last_refusal = str(error)
                LOG.error("configuration refused, nothing has changed: %s", error)
                raise
            self.reloads += 1
            self.last_refusal = ""
            LOG.info(
                "configuration read again",
                extra=fields(loaded=changes.loaded, replaced=changes.replaced, unloaded=changes.unloaded,
                             unchanged=len(changes.unchanged)),
            )  # fmt: skip
            return changes

    def revive(self) -> None:
        """Open sources anew whose pump has ended before its time."""
        for kind in self.host.sources.revive():
            self.revived += 1
            LOG.warning("source opened anew", extra=fields(source=kind))

    def detached(self) -> dict[str, str]:
        """Return the probes some of whose declared links were taken away at run time, and which."""
        told = {}
        for each in self.host.loaded:
            have = {(link.program, link.source) for link in each.links}
            gone = [pair for pair in each.live.probe.attach if pair not in have]
            if gone:
                told[each.name] = ", ".join(f"{program} from {source}" for program, source in gone)
        return told

    def retry(self) -> None:
        """Try again to load what failed for a reason that may have passed."""
        for name in self.host.retry():
            LOG.info("probe loaded, at last", extra=fields(probe=name))

    def watched(self) -> list[Path]:
        """Return the files whose change means a reload: the configuration, its probes and their objects."""
        return self.named() + [each.live.probe.object for each in self.host.loaded if each.origin == "config"]

    def named(self) -> list[Path]:
        """Return the configuration and the files of its probes: what there is before one is loaded."""
        config = self.config
        files = [config.path] if config.path is not None else []
        for entry in config.probes:
            try:
                files += [Path(file) for file in files_of(entry, config) if "/" in file]
            except TracerdError:
                continue                 # it is gone: that its folder's other files are watched is enough
        return files

    def stop(self, seconds: float) -> None:
        """Stop all events, deliver what is in the buffers, export a last time; at most that long for the exporters."""
        for error in self.host.stop():
            LOG.error("a source did not end well: %s", error)
        self.inspector.forget_moment()       # the last export tells the end, not what was shared just before it
        self.exporting.stop(seconds=seconds)

    def close(self) -> None:
        """Release everything. May be called twice."""
        self._made.close()

    def _reload(self) -> Changes:
        fresh = self._read()
        changed = [key for name in RESTART_FOR for key in changed_keys(self.config, fresh, name)]
        if changed:
            takes = "takes" if len(changed) == 1 else "take"
            then = f"{takes} effect at the next start; until then nothing of the file is taken"
            raise ConfigError(fresh.where, f"{', '.join(changed)} changed: {then}")
        probes = resolve_probes(fresh)
        kept = {name: made for name, made in self._exporters.items() if self._is_same(name, fresh)}
        exporters: dict[str, Exporter] = make_exporters(fresh, kept)
        try:
            changes = self.host.apply(probes)
        except BaseException:
            for name, exporter in exporters.items():
                if name not in kept:
                    exporter.close()
            raise
        self.exporting.replace(exporters)
        self._exporters, self.config = exporters, fresh
        _tell_passed_over(fresh)
        return changes

    def _is_same(self, name: str, fresh: DaemonConfig) -> bool:
        return fresh.exporters.get(name) == self.config.exporters.get(name)


def _tell_passed_over(config: DaemonConfig) -> None:
    for entry in config.probes:
        for said in passed_over(entry, config):
            LOG.warning("probes: %r: %s", entry, said)


def _configured(config: DaemonConfig) -> Iterator[tuple[str, Probe | TracerdError]]:
    """Yield every probe a configuration names, each for itself: a wrong one keeps no other from starting."""
    seen: set[str] = set()
    for entry in config.probes:
        try:
            files = files_of(entry, config)
        except TracerdError as error:
            yield entry, error
            continue
        for file in files:
            if file in seen:
                continue
            seen.add(file)
            try:
                probe = read_configured(file)
            except TracerdError as error:
                yield Path(file).name, error
            else:
                yield probe.name, probe
