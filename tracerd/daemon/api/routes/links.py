"""Links: programs on events."""

from __future__ import annotations

from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import Done, LinkRequest
from tracerd.daemon.api.route import Call, Route
from tracerd.runtime.objects import LinkInfo


def _detach(service: Service, call: Call) -> Done:
    service.host.detach(call.id)
    return Done()


ROUTES = (
    Route(
        method="GET",
        path="/v1/links",
        summary="All links with their counts",
        answer=list[LinkInfo],
        run=lambda service, _: service.host.links(),
    ),
    Route(
        method="POST",
        path="/v1/links",
        summary="Attach a program to an event",
        role="admin",
        action="link.attach",
        target=lambda call: {"program": call.body.program, "source": call.body.source},
        body=LinkRequest,
        status=201,
        answer=LinkInfo,
        run=lambda service, call: service.host.attach(call.body.program, call.body.source),
    ),
    Route(
        method="DELETE",
        path="/v1/links/{id}",
        summary="Detach a link",
        role="admin",
        action="link.detach",
        target=lambda call: {"link": call.id},
        answer=Done,
        run=_detach,
    ),
)
