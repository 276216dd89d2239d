"""What became of one request: the three things that the protocol knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """The collector has it, all but `rejected` items. Never sent again."""

    rejected: int = 0
    message: str = ""                    # the collector's own, also where it accepts all


@dataclass(frozen=True, slots=True)
class Retry:
    """It may be accepted later; not before `after` seconds if the collector said so."""

    why: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never be accepted, so it is not sent again."""

    why: str


Outcome = Accepted | Retry | Refused
