"""Units of OpenTelemetry (UCUM) as the words that Prometheus has for them. Data, and one function that reads it."""

from __future__ import annotations

import re

from tracerd.signals import Kind

WORDS = {
    # time
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds",
    # bytes
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes", "TiBy": "tebibytes",
    "kBy": "kilobytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    # bits
    "bit": "bits", "Kibit": "kibibits", "Mibit": "mebibits", "Gibit": "gibibits",
    "kbit": "kilobits", "Mbit": "megabits", "Gbit": "gigabits",
    # SI and others
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "%": "percent",
}  # fmt: skip
"""What a quantity is counted in."""

PER = {
    "ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second", "m": "minute", "min": "minute",
    "h": "hour", "d": "day", "w": "week", "wk": "week", "mo": "month", "y": "year", "a": "year", "By": "byte",
}  # fmt: skip
"""What follows a "/"."""

_ANNOTATION = re.compile(r"\{[^{}]*\}?")
_NOT_A_WORD = re.compile(r"[^a-zA-Z0-9]+")


def unit_words(unit: str, kind: Kind) -> str:
    """Return a unit as the end of a metric's name: "bytes_per_second" of "By/s", "ratio" of a gauge's "1", or "".

    Annotations in braces count things and are no unit; a unit that is not in the tables stays as it is written.
    """
    counted, _, per = _ANNOTATION.sub("", unit).partition("/")
    counted, per = counted.strip(), per.strip()
    if counted == "1":
        counted = "ratio" if kind == "gauge" and not per else ""
    words = [_word(WORDS.get(counted, counted))]
    if per:
        words += ["per", _word(PER.get(per, per))]
    return "_".join(filter(None, words)) if words[-1] or not per else words[0]


def _word(text: str) -> str:
    return _NOT_A_WORD.sub("_", text).strip("_")
