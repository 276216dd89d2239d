"""Pinned maps."""

from __future__ import annotations

from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import PIN_PATTERN, Done, Entries, EntriesQuery
from tracerd.daemon.api.route import Call, Route
from tracerd.runtime.objects import PinInfo


def _unpin(service: Service, call: Call) -> Done:
    service.host.unpin(call.name)
    return Done()


def _entries(service: Service, call: Call) -> Entries:
    limit = call.query.limit
    found = service.host.pin_entries(call.name, limit + 1)
    return Entries(0, call.name, found[:limit], len(found) > limit)


ROUTES = (
    Route(
        method="GET",
        path="/v1/pins",
        summary="All pinned maps, also those that no probe has loaded",
        answer=list[PinInfo],
        run=lambda service, _: service.host.pins(),
    ),
    Route(
        method="GET",
        path="/v1/pins/{name}/entries",
        names=PIN_PATTERN,
        summary="Elements of a pin, whether a probe has loaded it or not",
        query=EntriesQuery,
        answer=Entries,
        large=True,
        run=_entries,
    ),
    Route(
        method="DELETE",
        path="/v1/pins/{name}",
        names=PIN_PATTERN,
        summary="Unpin a map: its file is removed",
        role="admin",
        action="map.unpin",
        answer=Done,
        run=_unpin,
    ),
)
