"""Programs: rows, one row, and as text."""

from __future__ import annotations

from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import DisasmQuery, Line, Listing
from tracerd.daemon.api.route import Call, Route
from tracerd.daemon.api.routes.common import with_id
from tracerd.elf.spec import ProgramSpec
from tracerd.isa.disassemble import disassemble
from tracerd.runtime.objects import ProgramInfo


def _disasm(service: Service, call: Call) -> Listing:
    spec, _ = service.host.program_text(call.id)
    return Listing(spec.name, spec.section, len(spec.instructions), _lines(spec, source=call.query.source))


def _lines(spec: ProgramSpec, *, source: bool) -> list[Line]:
    begins = {at: f"{line}: {line.text.strip()}" for at, line in spec.lines} if source else {}
    texts = enumerate(disassemble(spec.instructions))
    return [Line(index, text, begins.get(index)) for index, text in texts if text]


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
