"""What becomes of a field on its way to an attribute: decoded, renamed, and left out where it does not match."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from exporters.mapping.machine import Machine
from tracerd.config.patterns import TEXT_LETTERS
from tracerd.signals import AttributeSpec
from tracerd.snapshot import Column, Processes
from tracerd.views.distinct import Value, distinct, map_distinct, plain

Mask = npt.NDArray[np.bool_]

_WIDEST: dict[str, npt.DTypeLike] = {"i": np.int64, "u": np.uint64, "f": np.float64}
"""numpy's widest type of a kind of number."""


def readable(
    column: Column, spec: AttributeSpec, machine: Machine, processes: Processes
) -> tuple[Column, Mask | None]:
    """Return a field as an attribute has it, and which rows stay: None for all.

    Numbers that nothing decodes stay numbers (int64, uint64, float64, bool), bytes become hex, all else is text.

    Raises:
        ConfigError: there is no decoder of that name.
    """
    for decoder in spec.decode:
        column = machine.decode(column, decoder, processes)
    if spec.values:
        column = _renamed(column, dict(spec.values), spec.allow_unknown)
    return _simple(column), _matching(column, spec.match) if spec.match else None


def _renamed(column: Column, names: Mapping[str, str], allow_unknown: bool) -> Column:
    def name(value: Value) -> str:
        text = plain(value)
        return names.get(text, text if allow_unknown else f"unknown:{text}")

    return map_distinct(column, name)


def _matching(column: Column, pattern: str) -> Mask:
    found = distinct(column)
    search = re.compile(pattern).search
    finds = np.array([search(plain(value)[:TEXT_LETTERS]) is not None for value in found.values], np.bool_)
    return finds[found.places]


def _simple(column: Column) -> Column:
    if column.ndim > 1:
        return map_distinct(column, plain)
    widest = _WIDEST.get(column.dtype.kind)
    column = column if widest is None else column.astype(widest)
    return _with_one_nan(column) if widest is np.float64 else column


NAN = float("nan")


def _with_one_nan(column: Column) -> Column:
    """Return real numbers with one object for all that are none: NaN is not equal to itself, and attributes must be."""
    unequal = np.isnan(column)
    if not unequal.any():
        return column
    values = column.astype(object)
    values[unequal] = NAN
    return values
