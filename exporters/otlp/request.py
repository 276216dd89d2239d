"""One request on its way to a collector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Signal = Literal["metrics", "logs", "traces"]
SIGNALS: tuple[Signal, ...] = ("metrics", "logs", "traces")


@dataclass(frozen=True, slots=True)
class Request:
    """An encoded Export…ServiceRequest: `items` is how many points, log records or spans are in it."""

    signal: Signal
    body: bytes
    items: int
