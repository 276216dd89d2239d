"""Pinned maps."""

from __future__ import annotations

from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import Done
from tracerd.daemon.api.route import Call, Route
from tracerd.runtime.objects import PinInfo


def _unpin(service: Service, call: Call) -> Done:
    service.host.unpin(call.name)
    return Done()


ROUTES = (
    Route(
        method="GET",
        path="/v1/pins",
        summary="All pinned maps, also those that no probe has loaded",
        answer=list[PinInfo],
        run=lambda service, _: service.host.pins(),
    ),
    Route(
        method="DELETE",
        path="/v1/pins/{name}",
        summary="Unpin a map: its file is removed",
        role="admin",
        action="map.unpin",
        answer=Done,
        run=_unpin,
    ),
)
