"""`tracerd map`: maps of the daemon, with keys and values by BTF."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from tracerd.cli.daemon import named, pass_client, shown
from tracerd.cli.output import Function, json_option, print_json, printable
from tracerd.cli.params import NEGATIVE, no_option
from tracerd.cli.rows import Cell, print_fields, print_rows
from tracerd.daemon.client import Client
from tracerd.errors import NotFound, UnfitValue
from tracerd.runtime.objects import MapInfo
from tracerd.text import cut
from tracerd.views.format import size


@click.group("map")
def command() -> None:
    """Look at the daemon's maps and change them.

    MAP is an id, a name, or PROBE/NAME. KEY and VALUE are written as `map dump` shows them: a number, a text, or JSON
    ('{"pid": 1}'); bytes of a map without BTF are hex, with --hex.
    """


def hex_option(function: Function) -> Function:
    """Give a command its --hex."""
    return click.option("--hex", "as_hex", is_flag=True, help="KEY and VALUE are bytes in hex.")(function)


@command.command("list")
@json_option
@pass_client
def list_command(client: Client, as_json: bool) -> None:
    """List maps, also pinned ones that no probe has loaded: their id is "-", in JSON 0."""
    maps = client.maps()
    print_json([asdict(each) for each in maps]) if as_json else print_rows([_row(each) for each in maps], "no maps")


def _meant(client: Client, text: str) -> MapInfo:
    """Return the map that a user means: a loaded one where there is one, else one that rests in its pin.

    Raises:
        NotFound: there is none.
        ConfigError: there are several.
    """
    maps = client.maps()
    found = [each for each in maps if each.id and (str(each.id) == text or text in _names(each))]
    found = found or [each for each in maps if not each.id and text in _names(each)]
    if not found:
        pins = (f"{each.pin} (pinned, not loaded)" for each in maps if not each.id)
        raise NotFound(f"map {text!r}", (*(shown(each) for each in maps if each.id), *pins))
    return named(found, text, "map", _names)


def _names(each: MapInfo) -> tuple[str, ...]:
    return (each.name, f"{each.probe}/{each.name}", *((each.pin,) if each.pin else ()))


def _loaded(client: Client, text: str) -> int:
    """Return the id of the map that a user means.

    Raises:
        NotFound: there is none, or only a pin that no probe has loaded.
    """
    found = _meant(client, text)
    if not found.id:
        raise NotFound(f"loaded map {text!r} (it is pinned as {found.pin!r}; load its probe)")
    return found.id


def _row(each: MapInfo) -> dict[str, Cell]:
    return {
        "id": each.id or "-", "probe": each.probe, "name": each.name, "kind": each.kind, "key": each.key_bytes,
        "value": each.value_bytes, "max": each.max_entries, "entries": each.entries, "refused": each.refused,
        "memory": size(each.memory_bytes), "pin": each.pin,
    }


@command.command("show")
@click.argument("map_name", metavar="MAP")
@json_option
@pass_client
def show(client: Client, map_name: str, as_json: bool) -> None:
    """Show one map; a pin that no probe has loaded too."""
    found = _meant(client, map_name)
    if as_json:
        print_json(asdict(found))
        return
    print_fields({**_row(found), "CPU slots": found.per_cpu, "read-only": "yes" if found.read_only else "no"})


@command.command("dump")
@click.argument("map_name", metavar="MAP")
@click.option("-n", "--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True)
@json_option
@pass_client
def dump(client: Client, map_name: str, limit: int, as_json: bool) -> None:
    """Print a map's elements; those of a pin that no probe has loaded too."""
    found = _meant(client, map_name)
    entries, truncated = client.entries(found.id, limit) if found.id else client.pin_entries(found.pin, limit)
    if as_json:
        print_json({"entries": entries, "truncated": truncated})
        return
    for entry in entries:
        _print_entry(entry)
    click.echo(f"{'more than ' if truncated else ''}{len(entries):,} elements", err=True)


def _print_entry(entry: Mapping[str, Any]) -> None:
    key = _shown(entry["key"])
    if "values" not in entry:
        click.echo(f"{key}: {_shown(entry['value'])}")
        return
    click.echo(f"{key}:")
    for cpu, value in enumerate(entry["values"]):
        click.echo(f"  cpu {cpu}: {_shown(value)}")


@command.command("lookup", context_settings=NEGATIVE)
@click.argument("map_name", metavar="MAP")
@click.argument("key", callback=no_option)
@hex_option
@json_option
@pass_client
def lookup(client: Client, map_name: str, key: str, as_hex: bool, as_json: bool) -> None:
    """Print one element's value."""
    with _json_told(as_hex, KEY=key):
        value = client.lookup(_loaded(client, map_name), _read(key, as_hex))
    print_json({"value": value}) if as_json else click.echo(_shown(value))


@command.command("update", context_settings=NEGATIVE)
@click.argument("map_name", metavar="MAP")
@click.argument("key", callback=no_option)
@click.argument("value", callback=no_option)
@click.argument("flags", type=click.Choice(["any", "noexist", "exist"]), default="any")
@hex_option
@json_option
@pass_client
def update(client: Client, map_name: str, key: str, value: str, flags: str, as_hex: bool, as_json: bool) -> None:
    """Write one element; `noexist`: only if there is none, `exist`: only if there is one."""
    with _json_told(as_hex, KEY=key, VALUE=value):
        client.update(_loaded(client, map_name), _read(key, as_hex), _read(value, as_hex), flags)
    _done(as_json, f"{map_name}: {key} is {value} now")


@command.command("delete", context_settings=NEGATIVE)
@click.argument("map_name", metavar="MAP")
@click.argument("key", callback=no_option)
@hex_option
@json_option
@pass_client
def delete(client: Client, map_name: str, key: str, as_hex: bool, as_json: bool) -> None:
    """Delete one element."""
    with _json_told(as_hex, KEY=key):
        client.delete(_loaded(client, map_name), _read(key, as_hex))
    _done(as_json, f"{map_name}: {key} is deleted")


@command.command("pin")
@click.argument("map_name", metavar="MAP")
@click.argument("name")
@json_option
@pass_client
def pin(client: Client, map_name: str, name: str, as_json: bool) -> None:
    """Pin a map under NAME: it becomes a file, and survives the daemon and its crashes."""
    pinned = client.pin(_loaded(client, map_name), name)
    print_json(asdict(pinned)) if as_json else click.echo(f"pinned {pinned.name}, {size(pinned.memory_bytes)}")


@command.command("unpin")
@click.argument("name")
@json_option
@pass_client
def unpin(client: Client, name: str, as_json: bool) -> None:
    """Remove the pin NAME and its file."""
    client.unpin(name)
    _done(as_json, f"unpinned {name}; its file is removed")


def _read(text: str, as_hex: bool) -> object:
    """Return what a user wrote: JSON where it is that, else the text itself."""
    if as_hex:
        return text.removeprefix("0x").replace(" ", "")
    read: Callable[[str], Any] = json.loads
    try:
        return read(text)
    except (ValueError, RecursionError):
        return text


@contextmanager
def _json_told(as_hex: bool, **written: str) -> Iterator[None]:
    """Where a value does not fit and was meant as JSON, say what is wrong with the JSON.

    It is not said before: "[kworker" is a key too, where keys are texts.

    Raises:
        UnfitValue: a value does not fit.
    """
    try:
        yield
    except UnfitValue:
        for name, text in written.items():
            if not as_hex and text[:1] in tuple('{["'):
                try:
                    json.loads(text)
                except (ValueError, RecursionError) as error:
                    raise UnfitValue(name, f"{cut(text)} is no JSON: {error}") from error
        raise


def _shown(value: object) -> str:
    """Return a value on one line, as it may be written back."""
    return printable(json.dumps(value, ensure_ascii=False))


def _done(as_json: bool, said: str) -> None:
    print_json({"done": True}) if as_json else click.echo(printable(said))
