"""Probes that should be loaded and are not: why, and which of them are worth another try."""

from __future__ import annotations

from tracerd.config import Probe
from tracerd.errors import NotPermitted, RunError, SourceError, TracerdError, VerifierUnavailable
from tracerd.runtime.objects import Origin, ProbeInfo

PASSING = (NotPermitted, RunError, SourceError, VerifierUnavailable)
"""Why a probe may fail to load now and not a minute later. What its files say, or are proved to be, stays wrong."""


class Failures:
    """By the name each is told by. One thread changes them at a time; reading may go on beside it."""

    def __init__(self) -> None:
        self._told: dict[str, ProbeInfo] = {}
        self._passing: dict[str, tuple[Origin, Probe]] = {}

    @property
    def told(self) -> tuple[ProbeInfo, ...]:
        """Every one as a row."""
        return tuple(self._told.values())

    def origin(self, name: str) -> Origin | None:
        """Return who asked for it; None: there is none of that name."""
        found = self._told.get(name)
        return found.origin if found is not None else None

    def note(self, name: str, origin: Origin, probe: Probe | TracerdError, error: TracerdError) -> None:
        """Remember that a probe failed; `probe` is itself an error where not even its file could be read."""
        description = probe.description if isinstance(probe, Probe) else ""
        self._told[name] = ProbeInfo(name, origin, description, failed=str(error))
        if isinstance(probe, Probe) and isinstance(error, PASSING):
            self._passing[name] = (origin, probe)

    def forget(self, name: str) -> None:
        """It is loaded, or nobody asks for it any more."""
        self._told.pop(name, None)
        self._passing.pop(name, None)

    def forget_all(self, origin: Origin) -> None:
        """Forget those that came from there."""
        for name in [name for name, info in self._told.items() if info.origin == origin]:
            self.forget(name)

    def passing(self) -> list[tuple[str, Origin, Probe]]:
        """Return those that may succeed now."""
        return [(name, origin, probe) for name, (origin, probe) in self._passing.items()]
