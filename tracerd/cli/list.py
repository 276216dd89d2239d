"""`tracerd list`: shipped probes, events of this machine with their fields, helpers. Globs as in a shell."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator

import click

from tracerd.cli.list_etw import etw_fields, etw_kernel_names, etw_names
from tracerd.cli.output import json_option, print_json, printable
from tracerd.config import read_probe
from tracerd.errors import ConfigError, NotPermitted, NotSupported
from tracerd.linux.tracefs import tracefs
from tracerd.platforms import PLATFORMS
from tracerd.platforms.linux import LINUX
from tracerd.runtime.locate import shipped_probes
from tracerd.sources.names import EVENTS, parse_attach
from tracerd.sources.schema.tracefs import list_events, read_format

Row = dict[str, object]

FIELDS_UP_TO = 20
"""Fields are printed when a glob leaves no more events than this."""

ETW_FIELDS_UP_TO = 500
"""The same of ETW events: their names are long, so `etw:*Process*` is how one asks for fields."""


@click.command("list")
@click.argument("glob", required=False)
@json_option
def command(glob: str | None, as_json: bool) -> None:
    """List probes; events whose name matches GLOB (`tracepoint:sched:*`, `etw:*Process*`); or `helpers`."""
    if glob is None:
        rows = _probes()
    elif glob in ("helpers", "probes"):
        rows = _helpers() if glob == "helpers" else _probes()
    else:
        rows = _events(glob)
    if as_json:
        print_json(rows)
        return
    if not rows:
        raise ConfigError(f"{glob!r}", "matches no event; `tracerd list '*'` shows all, `tracerd list` the probes")
    for row in rows:
        _print(row)


def _probes() -> list[Row]:
    found: list[Row] = []
    for name, path in shipped_probes().items():
        probe = read_probe(path)
        sources = [source for _, source in probe.attach]
        found.append({"probe": name, "description": probe.description, "sources": sources})
    return found


def _helpers() -> list[Row]:
    return [
        {
            "helper": helper.name,
            "platform": platform.name,
            "id": helper.id,
            "arguments": [argument.value for argument in helper.arguments],
            "returns": helper.returns.value,
            "types": [
                kind.name
                for kind in platform.program_types
                if platform.helpers_by_type[kind.name].get(helper.id) is helper
            ],
        }
        for platform in PLATFORMS.values()
        for helper in (*platform.helpers, *(own for kind in platform.program_types for own in kind.own_helpers))
    ]


def _events(glob: str) -> list[Row]:
    """Return events whose full name matches; what this machine forbids is told unless something else matched."""
    rows: dict[str, Row] = {}
    refusals: list[NotPermitted | NotSupported] = []
    for prefix, find in _FINDERS.items():
        if not (fnmatch.fnmatch(prefix, glob.split(":")[0])):
            continue
        try:
            names = [name for name in find() if _fits(name, glob)]
            rows |= {name: {"event": name} for name in names}
        except (NotPermitted, NotSupported) as refusal:
            refusals.append(refusal)
    if refusals and not rows:
        raise refusals[0]
    return [_with_fields(row) if len(rows) <= _fields_up_to(name) else row for name, row in rows.items()]


def _fits(name: str, glob: str) -> bool:
    """True if a glob means an event, or the provider of one: names of ETW as attach names may be spelt."""
    spelt = [name]
    if name.startswith("etw"):
        glob, name = glob.lower(), name.lower()
        spelt = [name, name.replace("etw:microsoft-windows-", "etw:")]
    return any(fnmatch.fnmatchcase(each, glob) or each.startswith(f"{glob}:") for each in spelt)


def _fields_up_to(name: str) -> int:
    return ETW_FIELDS_UP_TO if name.startswith(("etw:", "etw-kernel:")) else FIELDS_UP_TO


def _tracepoints() -> Iterator[str]:
    return (f"tracepoint:{category}:{name}" for category, name in list_events(tracefs()))


def _syscalls() -> Iterator[str]:
    yield from ("syscall:*:enter", "syscall:*:exit")
    for category, name in list_events(tracefs()):
        if category == "syscalls":
            side, _, call = name.removeprefix("sys_").partition("_")
            yield f"syscall:{call}:{side}"


def _every_machine() -> Iterator[str]:
    return (f"{kind.value}:{event}" for kind, events in EVENTS.items() for event in events)


def _timed() -> Iterator[str]:
    yield from ("interval:1s", "begin", "end")


_FINDERS: dict[str, Callable[[], Iterator[str]]] = {
    "tracepoint": _tracepoints,
    "syscall": _syscalls,
    "process": _every_machine,
    "net": _every_machine,
    "system": _every_machine,
    "interval": _timed,
    "begin": _timed,
    "end": _timed,
    "etw": etw_names,
    "etw-kernel": etw_kernel_names,
}


def _with_fields(row: Row) -> Row:
    """Add the fields of a tracepoint's record, of an ETW payload, or of the context that the event's programs get."""
    event = str(row["event"])
    kind = event.partition(":")[0]
    of_schema = etw_fields(event) if kind in ("etw", "etw-kernel") else None
    if of_schema is not None:
        return row | of_schema
    if kind in ("tracepoint", "syscall"):
        name = parse_attach(event)
        layout = read_format(tracefs(), name.category, name.event)
        fields = [(field.name, field.declared, field.offset, field.size) for field in layout.fields if not field.common]
    else:
        of_type = LINUX.type_of_section(kind)
        assert of_type is not None
        fields = [(field.name, field.ctype, field.offset, field.size) for field in of_type.context.fields]
    return row | {"fields": [dict(zip(("name", "type", "offset", "size"), field, strict=True)) for field in fields]}


def _print(row: Row) -> None:
    if "probe" in row:
        click.echo(f"{row['probe']:<16} {row['description']}")
    elif "helper" in row:
        arguments = row["arguments"]
        assert isinstance(arguments, list)
        click.echo(f"{row['id']:>4}  {row['helper']}({', '.join(arguments)}) -> {row['returns']}")
    else:
        click.echo(_title(row))
        fields = row.get("fields", [])
        assert isinstance(fields, list)
        for field in fields:
            click.echo(printable(f"    {field['type']} {field['name']};{_place(field)}"))


def _title(row: Row) -> str:
    """Return an event's name, with the number and versions of one whose schema is known."""
    number = next((f"  ({key} {row[key]}" for key in ("id", "opcode") if key in row), "")
    versions = row.get("versions", [])
    assert isinstance(versions, list)
    several = f"; also {', '.join(map(str, versions[:-1]))}" if len(versions) > 1 else ""
    return f"{row['event']}{number}, version {row['version']}{several})" if number else str(row["event"])


def _place(field: dict[str, object]) -> str:
    if field["offset"] is None:
        return ""
    size = f", {field['size']} bytes" if field["size"] is not None else ""
    return f"  (offset {field['offset']}{size})"
