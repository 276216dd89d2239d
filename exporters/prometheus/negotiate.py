"""What a client takes: which format by Accept, and gzip by Accept-Encoding (RFC 9110 §12.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from exporters.prometheus.lines import Format

CONTENT_TYPES: dict[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
_VERSIONS: dict[Format, tuple[str, ...]] = {"text": ("0.0.4",), "openmetrics": ("1.0.0", "0.0.1")}
"""What a client may ask for and gets this for; 0.0.1 was OpenMetrics' before it was published."""

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class _Range:
    """One thing that a client takes: a media range or an encoding, how gladly, and its other parameters."""

    name: str
    quality: float
    parameters: dict[str, str] = field(default_factory=dict)


def choose_format(accept: str) -> Format | None:
    """Return what the client likes best; of equals what it names, then the text format. None: it takes neither."""
    if not accept.strip():
        return "text"
    ranges = _parse(accept)
    best: tuple[float, int] = (0.0, 0)
    chosen: Format | None = None
    for form in ("text", "openmetrics"):
        liked = _liked(form, ranges)
        if liked[0] > 0 and liked > best:
            best, chosen = liked, form
    return chosen


def takes_gzip(accept_encoding: str) -> bool:
    """True if the client asks for gzip, by name or with "*"."""
    qualities = {each.name: each.quality for each in _parse(accept_encoding)}
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0))) > 0


def _liked(form: Format, ranges: list[_Range]) -> tuple[float, int]:
    """Return quality and specificity of the range that says most about a format."""
    best = (-1, 0.0)
    for each in ranges:
        specificity = _specificity(form, each)
        if specificity >= 0 and (specificity, each.quality) > best:
            best = (specificity, each.quality)
    return best[1], best[0]


def _specificity(form: Format, wanted: _Range) -> int:
    """Return how exactly a range names a format: 0 for "*/*" to 3 with a version, -1 for not at all."""
    media = CONTENT_TYPES[form].partition(";")[0]
    version = wanted.parameters.get("version")
    if wanted.name == media:
        return 2 if version is None else 3 if version in _VERSIONS[form] else -1
    return {"*/*": 0, f"{media.partition('/')[0]}/*": 1}.get(wanted.name, -1)


def _parse(header: str) -> list[_Range]:
    """Return what a header lists. A quality that is none counts as 0: the client takes it as little as we read it."""
    found = []
    for part in header.split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        pairs = {key.strip().lower(): value.strip().strip('"')
                 for key, _, value in (each.partition("=") for each in parameters)}  # fmt: skip
        quality = pairs.pop("q", "1")
        if name:
            found.append(_Range(name.lower(), float(quality) if _QUALITY.fullmatch(quality) else 0.0, pairs))
    return found
