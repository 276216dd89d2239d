"""Build the tables that a probe declares from a map's columns."""

from __future__ import annotations

import numpy as np

from tracerd.btf.layout import Field, Kind
from tracerd.errors import ConfigError
from tracerd.snapshot import Column, MapSnapshot, Meaning, Table
from tracerd.views.columns import MapColumns
from tracerd.views.decoders import DECODERS, decode
from tracerd.views.distinct import Value, map_distinct, number, plain
from tracerd.views.percentiles import log2_percentile
from tracerd.views.spec import ColumnSpec, ViewSpec

ENUM = "enum"
"""A view's decoder that needs the object: a number becomes the enumerator's name."""


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
    found = {each.name: _meaning(each) for each in wanted}
    return {name: meaning for name, meaning in found.items() if meaning != Meaning()}


def _meaning(column: ColumnSpec) -> Meaning:
    return Meaning(column.unit, column.rate, key=_of_key(column.source), about=column.percentile is not None)


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
        ConfigError: a path, decoder or sort column does not exist, or a percentile is asked of no slots or has no sum.
    """
    where = f"view {view.name!r}"
    for column in view.columns:
        if column.source not in columns.paths:
            raise ConfigError(f"{where}: {column.source}", f"map {view.map!r} has only {', '.join(columns.paths)}")
        if column.sum is not None:
            _check_sum(where, column, columns)
        _check_decoder(where, column, columns)
        if column.percentile is not None and not columns.is_array(column.source):
            raise ConfigError(f"{where}: {column.source}", "a percentile needs an array of log2 slots")
    names = [column.name for column in view.columns or default_columns(columns)]
    for key in _sort_keys(view):
        if key.removeprefix("-") not in names:
            raise ConfigError(f"{where}: sort = {view.sort!r}", f"no column {key!r}; valid: {', '.join(names)}")


def _check_decoder(where: str, column: ColumnSpec, columns: MapColumns) -> None:
    if column.decode == ENUM:
        if columns.field(column.source).kind is not Kind.ENUM:
            raise ConfigError(f"{where}: decode = {ENUM!r}", f"{column.source} is no enumeration in C")
    elif column.decode is not None and column.decode not in DECODERS:
        valid = ", ".join((*DECODERS, ENUM))
        raise ConfigError(f"{where}: decode = {column.decode!r}", f"unknown; valid: {valid}")


def _check_sum(where: str, column: ColumnSpec, columns: MapColumns) -> None:
    if column.percentile is None:
        raise ConfigError(f"{where}: sum = {column.sum!r}", f"column {column.name!r} is no percentile")
    field = columns.field(column.sum) if column.sum in columns.paths else None
    if field is None or field.kind is not Kind.INT or field.shape:
        raise ConfigError(f"{where}: sum = {column.sum!r}", "is no field with one number")


def _column(column: ColumnSpec, columns: MapColumns, snapshot: MapSnapshot) -> Column:
    values = columns.read(snapshot, column.source, column.merge)
    if column.percentile is not None:
        about = log2_percentile(values.astype(np.int64), column.percentile)
        return about if column.sum is None else _at_most(about, columns.read(snapshot, column.sum, column.merge))
    if column.decode == ENUM:
        return _enumerators(values, columns.field(column.source))
    return decode(values, column.decode) if column.decode else values


def _enumerators(values: Column, field: Field) -> Column:
    """Return an enumeration's values by name; numbers that have none stay."""
    names = {code: name for name, code in reversed(field.values)}

    def name(value: Value) -> str:
        found = number(value)
        return plain(value) if found is None else names.get(found, str(found))

    return map_distinct(values, name)


def _at_most(values: Column, most: Column) -> Column:
    """Return numbers with a limit each. They have a sign and limits may have none: together they would be floats."""
    return np.minimum(values, np.minimum(most, np.iinfo(np.int64).max).astype(np.int64))


def _order(values: Column, *, descending: bool) -> Column:
    """Return row numbers in order; equal values keep the map's order, so replays print the same table."""
    if values.dtype == object or not descending:
        order = np.argsort(values, kind="stable")
        return order[::-1] if descending else order
    return np.argsort(values.max(initial=0) - values, kind="stable")
