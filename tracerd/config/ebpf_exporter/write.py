"""Specs as the text of a probe.toml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from tracerd.config.ebpf_exporter.metrics import Converted
from tracerd.signals import AttributeSpec, BucketSpec, MetricSpec
from tracerd.text import printable

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110
_EXACT = 1 << 53


def toml_of(name: str, object_: str, attach: Iterable[tuple[str, str]], converted: Converted) -> str:
    """Return a probe.toml. What was left out is told in comments at its top."""
    lines = [f"# {printable(each)}" for each in converted.left_out]
    lines += ["", "[probe]", f"name   = {_text(name)}", f"object = {_text(object_)}"]
    for program, source in attach:
        lines += ["", "[[attach]]", f"program = {_text(program)}", f"source  = {_text(source)}"]
    for metric in converted.metrics:
        lines += ["", *_metric(metric)]
    return "\n".join(lines).lstrip() + "\n"


def _metric(metric: MetricSpec) -> list[str]:
    lines = ["[[metric]]"]
    lines += [f"{key} = {_text(getattr(metric, key))}" for key in ("map", "name", "kind")]
    lines += [f"{key} = {_text(text)}" for key in ("value", "unit", "description") if (text := getattr(metric, key))]
    if metric.multiplier != 1:
        lines.append(f"multiplier = {_number(metric.multiplier)}")
    if metric.buckets is not None:
        lines += _buckets(metric.buckets)
    if metric.attributes:
        lines += ["", *_attributes(metric.attributes)]
    return lines


def _buckets(buckets: BucketSpec) -> list[str]:
    lines = [f'buckets = "{buckets.kind}"', f"slot = {_text(buckets.slot)}", f"slots = {buckets.slots}"]
    if buckets.slot_values:
        lines.append(f"slot_values = [{', '.join(map(str, buckets.slot_values))}]")
    if buckets.sum_slot is not None:
        lines.append(f"sum_slot = {buckets.sum_slot}")
    if buckets.bounds[:2] == (1, 2) and not buckets.slot_values:
        lines.append("# As ebpf_exporter tells them. If the program rounds the logarithm down, as log2l does, then")
        lines.append('# buckets = "log2" without bounds is exact.')
    return [*lines, f"bounds = [{', '.join(map(_number, buckets.bounds))}]"]


def _attributes(attributes: Sequence[AttributeSpec]) -> list[str]:
    """Short ones have a line each. From the first long one on they have a table each: no line can follow a table."""
    lines = [f"{_key(each.source)} = {_inline(each)}" for each in attributes]
    short = next((number for number, line in enumerate(lines) if len(line) > _WIDTH), len(lines))
    tables = [line for each in attributes[short:] for line in ("", *_table(each))]
    return ["[metric.attributes]", *lines[:short], *tables] if short else tables[1:]


def _inline(attribute: AttributeSpec) -> str:
    fields = [f"{key} = {value}" for key, value in _fields(attribute)]
    if attribute.values:
        fields.append(f"values = {{ {', '.join(f'{_key(a)} = {_text(b)}' for a, b in attribute.values)} }}")
    return _text(attribute.name) if len(fields) == 1 else f"{{ {', '.join(fields)} }}"


def _table(attribute: AttributeSpec) -> list[str]:
    path = f"metric.attributes.{_key(attribute.source)}"
    lines = [f"[{path}]", *(f"{key} = {value}" for key, value in _fields(attribute))]
    if attribute.values:
        lines += ["", f"[{path}.values]", *(f"{_key(a)} = {_text(b)}" for a, b in attribute.values)]
    return lines


def _fields(attribute: AttributeSpec) -> list[tuple[str, str]]:
    fields = [("as", _text(attribute.name))]
    if attribute.decode:
        names = [_text(each) for each in attribute.decode]
        fields.append(("decode", names[0] if len(names) == 1 else f"[{', '.join(names)}]"))
    if attribute.allow_unknown:
        fields.append(("allow_unknown", "true"))
    if attribute.match:
        fields.append(("match", _text(attribute.match)))
    return fields


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """Return a basic string: JSON's escapes, and DEL's, which JSON has not. Half a surrogate pair is no UTF-8."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and number < _EXACT else repr(number)
