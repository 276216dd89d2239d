"""Maps: rows, elements as JSON or as binary columns, and changes to single elements."""

from __future__ import annotations

from collections.abc import Mapping

from tracerd.daemon import columns
from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import (
    UPDATE_FLAGS,
    Done,
    Entries,
    EntriesQuery,
    EntryRequest,
    Found,
    KeyRequest,
    PinRequest,
)
from tracerd.daemon.api.route import COLUMNS, Binary, Call, Route
from tracerd.daemon.api.routes.common import with_id
from tracerd.errors import NoSuchKey
from tracerd.runtime.objects import MapInfo, PinInfo


def _entries(service: Service, call: Call) -> Entries:
    view = service.host.map(call.id)
    limit = call.query.limit
    found = view.entries(limit + 1)
    return Entries(view.info.id, view.info.name, found[:limit], len(found) > limit)


def _columns(service: Service, call: Call) -> Binary:
    view = service.host.map(call.id)
    about = {"map": view.info.id, "name": view.info.name}
    return Binary(COLUMNS, columns.encode(about, [columns.Block(view.info.name, view.columns())]))


def _lookup(service: Service, call: Call) -> Found:
    view = service.host.map(call.id)
    value = view.lookup(call.body.key)
    if value is None:
        raise NoSuchKey(f"such key in map {view.info.name!r}")
    return Found(value)


def _update(service: Service, call: Call) -> Done:
    asked: EntryRequest = call.body
    service.host.map(call.id).update(asked.key, asked.value, UPDATE_FLAGS[asked.flags])
    return Done()


def _delete(service: Service, call: Call) -> Done:
    view = service.host.map(call.id)
    if not view.delete(call.body.key):
        raise NoSuchKey(f"such key in map {view.info.name!r}")
    return Done()


def _key(call: Call) -> Mapping[str, object]:
    return {"map": call.id, "key": call.body.key}


def _entry(call: Call) -> Mapping[str, object]:
    return {**_key(call), "value": call.body.value}


def loaded(service: Service) -> list[MapInfo]:
    """Return the maps that have a number: not those that rest in their pins."""
    return [info for info in service.host.maps() if info.id]


ROUTES = (
    Route(
        method="GET",
        path="/v1/maps",
        summary="All maps; pinned ones that no probe has loaded have id 0",
        answer=list[MapInfo],
        run=lambda service, _: service.host.maps(),
    ),
    Route(
        method="GET",
        path="/v1/maps/{id}",
        summary="One map",
        answer=MapInfo,
        run=lambda service, call: with_id(loaded(service), call.id, "map"),
    ),
    Route(
        method="GET",
        path="/v1/maps/{id}/entries",
        summary="Elements, keys and values by BTF",
        query=EntriesQuery,
        answer=Entries,
        large=True,
        run=_entries,
    ),
    Route(
        method="GET",
        path="/v1/maps/{id}/columns",
        summary="All elements as binary columns",
        media=(COLUMNS,),
        answer=bytes,
        large=True,
        run=_columns,
    ),
    Route(
        method="POST",
        path="/v1/maps/{id}/lookup",
        summary="One element",
        body=KeyRequest,
        answer=Found,
        run=_lookup,
    ),
    Route(
        method="PUT",
        path="/v1/maps/{id}/entry",
        summary="Write one element",
        role="admin",
        action="map.update",
        target=_entry,
        body=EntryRequest,
        answer=Done,
        run=_update,
    ),
    Route(
        method="DELETE",
        path="/v1/maps/{id}/entry",
        summary="Delete one element",
        role="admin",
        action="map.delete",
        target=_key,
        body=KeyRequest,
        answer=Done,
        run=_delete,
    ),
    Route(
        method="POST",
        path="/v1/maps/{id}/pin",
        summary="Pin a map: it becomes a file that survives the daemon",
        role="admin",
        action="map.pin",
        target=lambda call: {"map": call.id, "name": call.body.name},
        body=PinRequest,
        status=201,
        answer=PinInfo,
        run=lambda service, call: service.host.pin(call.id, call.body.name),
    ),
)
