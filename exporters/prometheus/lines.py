"""The lines of series: what comes before a number is made once and kept, since it seldom changes.

Everything that is kept begins with a line's end. In what is kept of histograms "%" is doubled: numbers are put in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress
from typing import Literal, TypeVar

from exporters.mapping.series import Attributes, ExponentialPoints, HistogramPoints, NumberPoints
from exporters.prometheus.names import SCOPE, Labels
from exporters.prometheus.numbers import (
    bounds_of,
    canonical_float,
    cumulative,
    go_float,
    number_texts,
    shown,
    sum_texts,
)

Format = Literal["text", "openmetrics"]
Made = TypeVar("Made")


class Kept:
    """What was made of `Attributes` objects, until a document has them no more."""

    def __init__(self) -> None:
        self._before: dict[tuple[object, ...], tuple[Attributes, object]] = {}
        self._now: dict[tuple[object, ...], tuple[Attributes, object]] = {}

    def turn(self) -> None:
        """A document is done: forget what it did not ask for."""
        self._before, self._now = self._now, {}

    def get(self, attributes: Attributes, use: tuple[str, ...], make: Callable[[], Made]) -> Made:
        """Return what `make` made when it was asked for this use of this object first."""
        key = (id(attributes), *use)         # the entry holds the object: no other one has its id
        kept = self._now.get(key) or self._before.get(key) or (attributes, make())
        self._now[key] = kept
        return kept[1]  # type: ignore[return-value]  # one use is of one type


@dataclass(slots=True)
class Series:
    """Series of one family: what tells each from all others, and what is written for it."""

    keys: list[str]
    texts: list[str]
    unfit: int = 0

    def once(self) -> Series:
        """Leave out series whose name and labels are there already."""
        if len(set(self.keys)) == len(self.keys):
            return self
        first = dict(zip(reversed(self.keys), range(len(self.keys) - 1, -1, -1), strict=True))
        places = sorted(first.values())
        gone = len(self.keys) - len(places)
        return Series([self.keys[at] for at in places], [self.texts[at] for at in places], self.unfit + gone)


def number_series(kept: Kept, name: str, scope: str, points: NumberPoints, *, grows: bool) -> Series:
    """Return one line each. Of what only grows, numbers below 0 and NaN are left out."""

    def make() -> list[str]:
        labels = Labels(((SCOPE, scope),))
        return [f"\n{name}{{{labels.text(row)}}} " for row in points.attributes.rows]

    heads = kept.get(points.attributes, ("number", name, scope), make)
    texts = number_texts(points.values)
    if not grows or points.values.dtype.kind == "u" or (points.values >= 0).all():
        return Series(heads, texts)
    fit = (points.values >= 0).tolist()
    return Series(list(compress(heads, fit)), list(compress(texts, fit)), len(fit) - sum(fit))


def histogram_series(
    kept: Kept, name: str, scope: str, points: HistogramPoints | ExponentialPoints, form: Format
) -> Series:
    """Return the lines of each histogram: its buckets, its sum if that is known, and its count.

    OpenMetrics has `_count` only beside `_sum`; the count is also the number of the bucket +Inf.
    """

    def make() -> tuple[list[str], list[str]]:
        maker = Labels(((SCOPE, scope),), reserved=("le",))
        labels = [maker.text(row).replace("%", "%%") for row in points.attributes.rows]
        return [f'\n{name}_bucket{{{text},le="' for text in labels], [f"{{{text}}} " for text in labels]

    heads, sets = kept.get(points.attributes, ("histogram", name, scope), make)
    bounds = bounds_of(points)
    columns = shown(bounds)
    write = canonical_float if form == "openmetrics" else go_float
    les = ["", *(f'{write(bounds[at])}"}} %d' for at in columns), '+Inf"} %d']
    sum_, count = f"\n{name}_sum", f"\n{name}_count"
    texts = []
    rows = zip(heads, sets, cumulative(points.counts, columns), sum_texts(points.sums, bounds, len(heads)), strict=True)
    for head, labels, counts, total in rows:
        template = head.join(les)
        if total is not None:
            template = f"{template}{sum_}{labels}{total}{count}{labels}%d"
            counts = [*counts, counts[-1]]
        elif form == "text":
            template = f"{template}{count}{labels}%d"
            counts = [*counts, counts[-1]]
        texts.append(template % tuple(counts))
    return Series(heads, texts)
