"""Lengths of time and sizes as people write them in a configuration file, and where a listener listens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}

_TIME = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?(us|ms|s|m|h|d)")
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?(B|KiB|MiB|GiB|kB|MB|GB|)")
_LISTEN = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})")


def seconds(value: object) -> float:
    """Return a length of time in seconds: "10s", "500ms", "1h".

    Raises:
        ValueError: it is none. A bare number is refused, since nobody can tell what it counts.
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is not a length of time, such as '10s', '500ms' or '1h'")
    return float(found[1]) * _SECONDS[found[2]]


def size(value: object) -> int:
    """Return a number of bytes: "64MiB", "1GiB", 4096.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found[2] in ("", "B") and "." in found[1]):
        raise ValueError(f"{value!r} is not a size, such as '64MiB', '1GiB' or a number of bytes")
    return round(float(found[1]) * _BYTES[found[2]])


def file_mode(value: object) -> int:
    """Return the permissions of a file, written in quotes as `chmod` takes them: "0660".

    A bare number is refused: TOML has 660 as a decimal one, which means other permissions.

    Raises:
        ValueError: they are none.
    """
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
        raise ValueError(f"{value!r} is no file mode in quotes, such as '0660'")
    return int(value, 8)


def listen_address(value: object) -> str:
    """Return an address to listen on, "HOST:PORT" with an IPv6 host in brackets; "" is none.

    Raises:
        ValueError: it is none.
    """
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if value != "" and (found is None or not 0 < int(found[1]) < 65536):
        raise ValueError(f"{value!r} is not HOST:PORT, such as '127.0.0.1:9464' or '[::1]:9464'")
    return str(value)


def split_listen(address: str) -> tuple[str, int]:
    """Return host and port of what `listen_address` let pass."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def seconds_from(low: str, high: str) -> BeforeValidator:
    """Take a length of time that is not shorter than `low` and not longer than `high`."""
    return BeforeValidator(lambda value: _within(value, low, high, seconds))


def size_from(low: str, high: str) -> BeforeValidator:
    """Take a size that is not smaller than `low` and not larger than `high`."""
    return BeforeValidator(lambda value: _within(value, low, high, size))


def _within(value: object, low: str, high: str, read: Callable[[object], float]) -> float:
    number = read(value)
    if not read(low) <= number <= read(high):
        raise ValueError(f"{value!r} is not from {low} to {high}")
    return number


FileMode = Annotated[int, BeforeValidator(file_mode)]
Listen = Annotated[str, BeforeValidator(listen_address)]
