"""Programs: rows, one row, and as text."""

from __future__ import annotations

from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import DisasmQuery, Line, Listing
from tracerd.daemon.api.route import Call, Route
from tracerd.daemon.api.routes.common import with_id
from tracerd.runtime.listing import listing
from tracerd.runtime.objects import ProgramInfo


def _disasm(service: Service, call: Call) -> Listing:
    spec, _ = service.host.program_text(call.id)
    lines = [Line(*each) for each in listing(spec, source=call.query.source)]
    return Listing(spec.name, spec.section, len(spec.instructions), lines)


ROUTES = (
    Route(
        method="GET",
        path="/v1/programs",
        summary="All programs with their counts",
        answer=list[ProgramInfo],
        run=lambda service, _: service.host.programs(),
    ),
    Route(
        method="GET",
        path="/v1/programs/{id}",
        summary="One program with its counts",
        answer=ProgramInfo,
        run=lambda service, call: with_id(service.host.programs(), call.id, "program"),
    ),
    Route(
        method="GET",
        path="/v1/programs/{id}/disasm",
        summary="A program's instructions as text",
        query=DisasmQuery,
        answer=Listing,
        run=_disasm,
    ),
)
