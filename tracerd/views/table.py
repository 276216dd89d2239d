"""Build the tables that a probe declares from a map's columns."""

from __future__ import annotations

import numpy as np

from tracerd.errors import ConfigError
from tracerd.snapshot import Column, MapSnapshot, Meaning, Table
from tracerd.views.columns import MapColumns
from tracerd.views.decoders import DECODERS, decode
from tracerd.views.percentiles import log2_percentile
from tracerd.views.spec import ColumnSpec, ViewSpec


def build(view: ViewSpec, columns: MapColumns, snapshot: MapSnapshot) -> Table:
    """Return a view's table, sorted as it says."""
    wanted = view.columns or default_columns(columns)
    made = {column.name: _column(column, columns, snapshot) for column in wanted}
    for key in reversed(_sort_keys(view)):       # stable, so the first is sorted last
        order = _order(made[key.removeprefix("-")], descending=key.startswith("-"))
        made = {name: values[order] for name, values in made.items()}
    return Table(view.name, made, _meanings(wanted))


def _meanings(wanted: tuple[ColumnSpec, ...]) -> dict[str, Meaning]:
    """Return what the columns are, without those that there is nothing to say of."""
    found = {each.name: Meaning(each.unit, each.rate, key=_of_key(each.source)) for each in wanted}
    return {name: meaning for name, meaning in found.items() if meaning != Meaning()}


def _of_key(source: str) -> bool:
    return source.partition(".")[0] == "key"


def _sort_keys(view: ViewSpec) -> list[str]:
    return [key.strip() for key in view.sort.split(",")] if view.sort else []


def default_columns(columns: MapColumns) -> tuple[ColumnSpec, ...]:
    """Return every BTF field of a map as a column; "key." and "value." are left out of a name where it stays unique."""
    short = [path.partition(".")[2] or path for path in columns.paths]
    names = [name if short.count(name) == 1 else path for name, path in zip(short, columns.paths, strict=True)]
    return tuple(ColumnSpec(name, path) for name, path in zip(names, columns.paths, strict=True))


def check(view: ViewSpec, columns: MapColumns) -> None:
    """See that a view asks only for what its map has.

    Raises:
        ConfigError: a path, decoder or sort column does not exist, or a percentile is asked of no slots.
    """
    where = f"view {view.name!r}"
    for column in view.columns:
        if column.source not in columns.paths:
            raise ConfigError(f"{where}: {column.source}", f"map {view.map!r} has only {', '.join(columns.paths)}")
        if column.decode is not None and column.decode not in DECODERS:
            raise ConfigError(f"{where}: decode = {column.decode!r}", f"unknown; valid: {', '.join(DECODERS)}")
        if column.percentile is not None and not columns.is_array(column.source):
            raise ConfigError(f"{where}: {column.source}", "a percentile needs an array of log2 slots")
    names = [column.name for column in view.columns or default_columns(columns)]
    for key in _sort_keys(view):
        if key.removeprefix("-") not in names:
            raise ConfigError(f"{where}: sort = {view.sort!r}", f"no column {key!r}; valid: {', '.join(names)}")


def _column(column: ColumnSpec, columns: MapColumns, snapshot: MapSnapshot) -> Column:
    values = columns.read(snapshot, column.source, column.merge)
    if column.percentile is not None:
        return log2_percentile(values.astype(np.int64), column.percentile)
    return decode(values, column.decode) if column.decode else values


def _order(values: Column, *, descending: bool) -> Column:
    """Return row numbers in order; equal values keep the map's order, so replays print the same table."""
    if values.dtype == object or not descending:
        order = np.argsort(values, kind="stable")
        return order[::-1] if descending else order
    return np.argsort(values.max(initial=0) - values, kind="stable")
