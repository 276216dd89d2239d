"""`tracerd status`: what the daemon runs, and what it lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tracerd.cli.daemon import pass_client
from tracerd.cli.output import json_option, print_json, printable
from tracerd.cli.rows import print_rows
from tracerd.daemon.client import Client
from tracerd.views.format import counted, duration, size


@click.command("status")
@json_option
@pass_client
def command(client: Client, as_json: bool) -> None:
    """Show what the daemon runs and what it lost."""
    status = client.status()
    ready, reasons = client.ready()
    if as_json:
        print_json({**status, "ready": ready, "reasons": reasons})
        return
    things = ", ".join(counted(len(status[kind]), kind[:-1]) for kind in ("programs", "maps", "links"))
    click.echo(f"tracerd {status['version']}, up {duration(status['uptime_s'] * 1e9)}: {things}")
    for reason in reasons:
        click.echo(f"{'note' if ready else 'not ready'}: {printable(reason)}")
    for note in status.get("notes", ()):
        click.echo(f"note: {printable(note)}")
    _section("programs", [_program(row) for row in status["programs"]])
    _section("sources", [_source(row) for row in status.get("pumps", ())])
    _section("events", [_balance(event, row) for event, row in status["ledger"].items()])
    _section("exporters", [_exporter(row) for row in status["exporters"]])


def _section(title: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        click.echo(f"\n{title}")
        print_rows(rows, "")


def _program(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"], "probe": row["probe"], "name": row["name"], "engine": row["engine"], "runs": row["runs"],
        "aborted": row["aborted"], "mean": duration(row["mean_ns"]) if row["mean_ns"] else "-",
    }


def _source(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"], "links": row["links"], "cpu": duration(row["cpu_ns"]) if row["cpu_ns"] else "-",
        "rings": f"{row['buffers']} of {size(row['buffer_bytes'])}" if row["buffers"] else "-",
        "problem": row["failure"],
    }


def _balance(event: str, row: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("produced", "delivered", "lost", "dropped", "filtered", "failed")
    return {"event": event, **{name: row[name] for name in counts}, "via": row.get("via", "")}


def _exporter(row: Mapping[str, Any]) -> dict[str, Any]:
    """Its totals; of its own counts those that say that something waits or was lost."""
    counts = row.get("counts") or {}
    told = {name: count for name, count in counts.items() if count and not name.endswith((".sent", "series"))}
    lost = {"records lost": row.get("records_lost"), "records failed": row.get("records_failed")}
    told |= {name: count for name, count in lost.items() if count}
    return {
        "name": row["name"], "exports": row.get("exports"), "failures": row.get("failures"),
        "skipped": row.get("skipped"),
        "sent": sum(count for name, count in counts.items() if name.endswith(".sent")),
        "waits or lost": ", ".join(f"{name} {count:,}" for name, count in told.items()),
        "problem": row.get("problem") or row.get("last_error") or "",
    }


