"""Which entries of a map belong to one series: those whose attributes are the same.

Attributes are made once and kept for as long as keys, and the values they are made of, stay as they are: then the same
`Grouped` object is returned, and whatever was derived of it may be kept too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporters.mapping.attributes import readable
from exporters.mapping.machine import Machine
from exporters.mapping.series import Row
from tracerd.signals import MACHINE_DECODERS, MetricSpec, Scalar
from tracerd.snapshot import Column, MapLayout, MapSnapshot, Processes

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """Entries by series: entry i belongs to `rows[places[i]]`, or to none where that is -1."""

    places: Places               # (entries,)
    rows: tuple[Row, ...]        # in the order of their first entries


class Grouping:
    """Groups the entries of one map for one metric, again and again."""

    def __init__(self, spec: MetricSpec, machine: Machine) -> None:
        self._spec = spec
        self._machine = machine
        self._asks_machine = any(name in MACHINE_DECODERS for each in spec.attributes for name in each.decode)
        self._last: Grouped | None = None
        self._made_of: tuple[object, tuple[Column, ...]] | None = None

    def group(self, snapshot: MapSnapshot, layout: MapLayout, processes: Processes) -> Grouped:
        """Return the groups; the very object of the last call if nothing has changed that they are made of."""
        columns = tuple(layout.read(snapshot, each.source, "first") for each in self._spec.attributes)
        answers = self._machine.changed if self._asks_machine else 0, len(snapshot.keys)
        if self._last is None or self._made_of is None or not _same(self._made_of, (answers, columns)):
            self._last = self._make(columns, len(snapshot.keys), processes)
            self._made_of = answers, columns
        return self._last

    def _make(self, columns: tuple[Column, ...], entries: int, processes: Processes) -> Grouped:
        kept = np.ones(entries, bool)
        texts: list[list[Scalar]] = []
        for spec, column in zip(self._spec.attributes, columns, strict=True):
            text, mask = readable(column, spec, self._machine, processes)
            texts.append(text.tolist())
            if mask is not None:
                kept &= mask
        numbers: dict[tuple[Scalar, ...], int] = {}
        tuples = zip(*texts, strict=True) if texts else [()] * entries
        places = np.fromiter(
            (numbers.setdefault(each, len(numbers)) if stays else -1 for each, stays in zip(tuples, kept, strict=True)),
            np.intp,
            entries,
        )
        names = [each.name for each in self._spec.attributes]
        rows = tuple((*self._spec.constants, *zip(names, each, strict=True)) for each in numbers)
        return Grouped(places, rows)


def _same(then: tuple[object, tuple[Column, ...]], now: tuple[object, tuple[Column, ...]]) -> bool:
    return then[0] == now[0] and all(np.array_equal(old, new) for old, new in zip(then[1], now[1], strict=True))
