"""Tables that probes declare: as JSON, or as binary columns for who has many rows to read."""

from __future__ import annotations

import time

from tracerd.daemon import columns
from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import TableAnswer, TableColumn
from tracerd.daemon.api.route import COLUMNS, JSON, Binary, Call, Route


def _json(service: Service, call: Call) -> TableAnswer:
    probe, name = str(call.path["probe"]), str(call.path["table"])
    view, table = service.host.table(probe, name)
    declared = {column.name: column for column in view.columns}
    shown = [
        TableColumn(each, declared[each].unit, declared[each].rate) if each in declared else TableColumn(each)
        for each in table.columns
    ]
    return TableAnswer(probe, name, shown, table.rows())


def _binary(service: Service, call: Call) -> Binary:
    probe, name = str(call.path["probe"]), str(call.path["table"])
    _, table = service.host.table(probe, name)
    about = {"probe": probe, "taken_ns": time.time_ns()}
    return Binary(COLUMNS, columns.encode(about, [columns.Block(name, table.columns, meanings=table.meanings)]))


ROUTES = (
    Route(
        method="GET",
        path="/v1/tables/{probe}/{table}",
        summary="A table of a probe, as it is now",
        media=(JSON, COLUMNS),
        answer=TableAnswer,
        large=True,
        run={JSON: _json, COLUMNS: _binary},
    ),
)
