"""Names, labels and texts as Prometheus takes them.

After "Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification, OTLP metric points to Prometheus.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from exporters.mapping.series import Row
from exporters.prometheus.units import unit_words
from tracerd.signals import Kind, Scalar

_NOT_IN_METRICS = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")
_UNDERSCORES = re.compile("__+")
_ESCAPED = re.compile(r'[\\"\n]')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}

SCOPE = "otel_scope_name"
"""The label that has a point's probe."""


@dataclass(frozen=True, slots=True)
class FamilyName:
    """A metric family's name as OpenMetrics has it, without "_total"; it ends with the unit if there is one."""

    name: str
    unit: str


@lru_cache(maxsize=4096)
def family_name(name: str, unit: str, kind: Kind) -> FamilyName:
    """Translate a metric's name and unit. The unit becomes the name's end unless the name has that end already."""
    name = _valid(name, _NOT_IN_METRICS)
    if kind == "counter":
        name = name.removesuffix("_total") or "_"
    words = unit_words(unit, kind)
    if not words or name == words:
        return FamilyName(name, "")
    if not name.endswith(f"_{words}"):
        counted, per, _ = words.partition("_per_")
        kept = name.removesuffix(f"_{counted}") if per else name
        name = f"{kept.rstrip('_')}_{words}"
    return FamilyName(name, words)


def label_name(name: str) -> str:
    """Translate an attribute's name."""
    return _valid(name, _NOT_IN_LABELS)


def _valid(name: str, wrong: re.Pattern[str]) -> str:
    valid = _UNDERSCORES.sub("_", wrong.sub("_", name)) or "_"
    return f"_{valid}" if valid[0].isdigit() else valid


def text_of(value: Scalar) -> str:
    """Return an attribute's value as text: JSON's for what is none, after OpenTelemetry's "AnyValue" for non-OTLP."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return json.dumps(value)


def escape(text: str) -> str:
    """Escape a label's value, or a help text of OpenMetrics. What UTF-8 has not becomes a backslash and its number."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return _ESCAPED.sub(_escape_of, text) if _ESCAPED.search(text) else text


def escape_help(text: str) -> str:
    """Escape a help text of the text format, where quotes stay as they are."""
    return escape(text).replace(r"\"", '"') if '"' in text else escape(text)


def _escape_of(found: re.Match[str]) -> str:
    return _ESCAPES[found[0]]


class Labels:
    """Makes the text of label sets, without braces. `constant` come first; `reserved` are names that we give ourselves.

    An attribute whose name is taken so becomes "exported_NAME", as Prometheus itself does. Attributes that become the
    same label are joined with ";", in the order of their own names.
    """

    def __init__(self, constant: Row = (), reserved: tuple[str, ...] = ()) -> None:
        self._constant = [f'{name}="{escape(text_of(value))}"'.replace("%", "%%") for name, value in constant]
        self._reserved = {*reserved, *(name for name, _ in constant)}
        self._plans: dict[tuple[str, ...], Callable[[Row], str]] = {}

    def text(self, row: Row) -> str:
        """Return the labels of one series, sorted by name: equal sets are equal texts."""
        names = tuple([name for name, _ in row])
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plans[names] = self._plan(names)
        return plan(row)

    def _plan(self, names: tuple[str, ...]) -> Callable[[Row], str]:
        places: dict[str, list[int]] = {}
        for place in sorted(range(len(names)), key=names.__getitem__):
            label = label_name(names[place])
            places.setdefault(f"exported_{label}" if label in self._reserved else label, []).append(place)
        labels = sorted(places)
        template = ",".join([*self._constant, *(f'{label}="%s"' for label in labels)])
        groups = [places[label] for label in labels]

        def plan(row: Row) -> str:
            texts = [escape(value if type(value) is str else text_of(value)) for _, value in row]
            return template % tuple([";".join([texts[place] for place in group]) for group in groups])

        return plan
