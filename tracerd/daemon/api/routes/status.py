"""What the daemon says of itself."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import Alive, ProbeNames
from tracerd.daemon.api.route import Call, Route


def _alive(service: Service, call: Call) -> Alive:
    alive, _, reasons = service.health()
    return _told(alive, reasons, call)


def _ready(service: Service, call: Call) -> Alive:
    alive, ready, reasons = service.health()
    return _told(alive and ready, reasons, call)


def _told(good: bool, reasons: Sequence[str], call: Call) -> Alive:
    """A stranger is told whether, not why: reasons name files and probes."""
    return Alive(good, list(reasons) if call.peer.role else [])


def _status(service: Service, call: Call) -> dict[str, object]:
    """What the daemon says, on which machine, and what who asks may do there."""
    asked = {"host": socket.gethostname(), "role": call.peer.role}
    return {**service.status(), **asked, "api": service.counters.plain()}


def _reload(service: Service, _: Call) -> ProbeNames:
    done = service.host.reload()
    return ProbeNames(list(done.loaded), list(done.replaced), list(done.unloaded), list(done.unchanged))


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        summary="Is the daemon alive?",
        role=None,
        answer=Alive,
        run=_alive,
        health=True,
    ),
    Route(
        method="GET",
        path="/readyz",
        summary="Does it do all it was asked to?",
        role=None,
        answer=Alive,
        run=_ready,
        health=True,
    ),
    Route(
        method="GET",
        path="/v1/status",
        summary="What runs, and what it lost",
        answer=dict[str, Any],
        run=_status,
    ),
    Route(
        method="POST",
        path="/v1/reload",
        summary="Read the configuration again, all or nothing",
        role="admin",
        action="config.reload",
        answer=ProbeNames,
        run=_reload,
    ),
)
