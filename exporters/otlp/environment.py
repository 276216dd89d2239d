"""The OTEL_* variables, as the OpenTelemetry specification defines their forms.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and …/protocol/exporter/. One thing
is stricter here: a value that is none of the allowed ones is told as an error, where the specification has a warning
and carries on with the default, which would send telemetry elsewhere than was meant. An empty variable is an unset one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from exporters.otlp.request import Signal
from tracerd.errors import ConfigError

LONGEST_MS = 24 * 3600 * 1000

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Given:
    """What a variable says, and its name."""

    text: str
    name: str
    own: bool = False                    # of one signal, not of all


class Environment:
    """Variables by name."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def get(self, name: str) -> Given | None:
        """Return a variable that is set and not empty."""
        text = self._variables.get(name, "").strip()
        return Given(text, name) if text else None

    def option(self, signal: Signal, option: str) -> Given | None:
        """Return an option of the OTLP exporter: the signal's own, else the one for all."""
        own = self.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{option}")
        return Given(own.text, own.name, own=True) if own else self.get(f"OTEL_EXPORTER_OTLP_{option}")

    def disabled(self) -> bool:
        """Return whether OTEL_SDK_DISABLED is true.

        Raises:
            ConfigError: it is neither true nor false.
        """
        given = self.get("OTEL_SDK_DISABLED")
        return given is not None and flag(given)

    def wants(self, signal: Signal) -> bool:
        """Return whether OTEL_…_EXPORTER lets a signal be sent with OTLP.

        Raises:
            ConfigError: it names only exporters that are not OTLP.
        """
        given = self.get(f"OTEL_{signal.upper()}_EXPORTER")
        if given is None:
            return True
        names = [each.strip().lower() for each in given.text.split(",")]
        if names == ["none"]:
            return False
        if "otlp" in names and "none" not in names:
            return True
        raise ConfigError(given.name, f"{given.text!r} leaves nothing to [exporters.otlp]; set it to otlp or none")


def flag(given: Given) -> bool:
    """Return a Boolean: true or false, in any case.

    Raises:
        ConfigError: it is neither.
    """
    return choice(given, "true", "false") == "true"


def choice(given: Given, *allowed: str) -> str:
    """Return one of some words, whatever its case.

    Raises:
        ConfigError: it is none of them.
    """
    word = given.text.lower()
    if word not in allowed:
        raise ConfigError(given.name, f"{given.text!r} is not one of: {', '.join(allowed)}")
    return word


def milliseconds(given: Given, zero: float | None = None) -> float:
    """Return seconds of a whole number of milliseconds; `zero` is what 0 means, if it means anything.

    Raises:
        ConfigError: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,15}", given.text) or int(given.text) > LONGEST_MS:
        raise ConfigError(given.name, f"{given.text!r} is not a whole number of milliseconds up to {LONGEST_MS}")
    number = int(given.text)
    if number == 0 and zero is None:
        raise ConfigError(given.name, "0 is not allowed; it counts milliseconds, such as 60000")
    return number / 1000 if number else zero or 0.0


def pairs(given: Given, *, strict: bool = False) -> dict[str, str]:
    """Return a list like W3C baggage, NAME=VALUE,NAME=VALUE with %-escapes; of a name given twice the last counts.

    `strict` refuses the properties that baggage may have. Values may be secret: no error shows one.

    Raises:
        ConfigError: an entry is not of that form.
    """
    found = {}
    for number, entry in enumerate(given.text.split(","), 1):
        name, equals, value = entry.partition("=")
        if not entry.strip():
            continue                     # a comma too many
        if not equals or not name.strip():
            raise ConfigError(given.name, f"entry {number} is not NAME=VALUE; write a comma in a value as %2C")
        if strict and ";" in value:
            raise ConfigError(given.name, f"entry {number} has properties behind a ;, which no header has; "
                                          "write ; in a value as %3B")  # fmt: skip
        found[_decoded(name.strip(), given.name, number)] = _decoded(value.strip(), given.name, number)
    return found


def _decoded(text: str, where: str, number: int) -> str:
    if _BAD_ESCAPE.search(text):
        raise ConfigError(where, f"entry {number} has a % without two hex digits behind it; write % itself as %25")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ConfigError(where, f"entry {number} has %-escapes that are not UTF-8") from None
