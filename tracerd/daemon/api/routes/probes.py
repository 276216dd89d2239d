"""Probes: what is loaded, loading and unloading at run time."""

from __future__ import annotations

from collections.abc import Mapping

from tracerd.daemon.api.audit import of_upload
from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import Done, UploadRequest
from tracerd.daemon.api.route import Call, Route
from tracerd.errors import ConfigError
from tracerd.runtime.objects import ProbeInfo
from tracerd.runtime.upload import Upload


def _load(service: Service, call: Call) -> ProbeInfo:
    asked: UploadRequest = call.body
    if bool(asked.name) == bool(asked.object):
        raise ConfigError("upload", "has either the name of a shipped probe or an object's bytes")
    if asked.toml is not None and not asked.object:
        raise ConfigError("upload", "a probe.toml needs its object's bytes beside it")
    return service.host.load(_upload(call))


def _upload(call: Call) -> Upload:
    asked: UploadRequest = call.body
    if not asked.object:
        return Upload(asked.name, asked.toml)
    return Upload(asked.name, asked.toml, asked.object, asked.object_name)


def _uploaded(call: Call) -> Mapping[str, object]:
    return of_upload(_upload(call))


def _unload(service: Service, call: Call) -> Done:
    service.host.unload(call.name)
    return Done()


ROUTES = (
    Route(
        method="GET",
        path="/v1/probes",
        summary="All probes, also those that could not be loaded",
        answer=list[ProbeInfo],
        run=lambda service, _: service.host.probes(),
    ),
    Route(
        method="POST",
        path="/v1/probes",
        summary="Prove, load and attach a probe; it is kept across restarts",
        role="admin",
        action="probe.load",
        target=_uploaded,
        body=UploadRequest,
        upload=True,
        status=201,
        answer=ProbeInfo,
        run=_load,
    ),
    Route(
        method="DELETE",
        path="/v1/probes/{name}",
        summary="Unload a probe that was loaded at run time",
        role="admin",
        action="probe.unload",
        answer=Done,
        run=_unload,
    ),
)
