"""Everything that can be known before the daemon starts: a list of findings, good and bad. Nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from tracerd.config.daemon import DEFAULT_FILE, DaemonConfig, read_config
from tracerd.daemon import discover
from tracerd.daemon.check_control import check_control
from tracerd.daemon.check_machine import check_machine
from tracerd.daemon.check_probes import NAMED, check_probes
from tracerd.daemon.check_user import check_target, check_user, user_of
from tracerd.daemon.finding import Finding, note, ok, refused
from tracerd.errors import ConfigError

CONFIGURATION, EXPORTERS = "configuration", "exporters"


def check(path: Path | None) -> Iterator[Finding]:
    """Yield the findings of a configuration file (None: the default one), as they are found."""
    try:
        config = read_config(path)
    except ConfigError as error:
        yield refused(CONFIGURATION, str(path or DEFAULT_FILE), error)
        return
    if config.path is None:
        yield note(CONFIGURATION, str(DEFAULT_FILE), "is not there: all is by default")
    else:
        yield ok(CONFIGURATION, str(config.path), "is understood")
    yield from _exporters(config)
    yield from check_user(config)
    yield from check_machine(config)
    yield from check_control(config)
    yield from check_probes(config)


def _exporters(config: DaemonConfig) -> Iterator[Finding]:
    """An exporter opens nothing when it is made, so making it is how its section is checked."""
    try:
        sections = discover.sections(config, os.environ)
    except ConfigError as error:
        yield refused(EXPORTERS, "kind", error)
        return
    for name, section in sections.items():
        try:
            exporter = discover.make_exporter(config, name, section)
        except ConfigError as error:
            yield refused(EXPORTERS, name, error)
        else:
            exporter.close()
            yield ok(EXPORTERS, name, f"every {exporter.interval:g} s" if isfinite(exporter.interval) else "when asked")
            yield from check_target(name, exporter, user_of(config))


def verdict(findings: list[Finding]) -> int:
    """Return 0 if nothing stands in the way, 2 if the configuration says something wrong, 1 for any other problem."""
    wrong = {finding.check for finding in findings if finding.state == "problem"}
    return 2 if wrong & {CONFIGURATION, EXPORTERS, NAMED} else 1 if wrong else 0
