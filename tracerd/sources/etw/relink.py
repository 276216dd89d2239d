"""A change of what a live source runs. What new links need comes already when they are put in, and is filtered until
then.
"""

from __future__ import annotations

from typing import Protocol

from tracerd.sources.base import Pause
from tracerd.sources.etw.plan import Plan
from tracerd.sources.etw_matcher import EtwMatcher


class Relinked(Protocol):
    """What of a source a change of links touches."""

    plan: Plan

    def apply(self, wanted: Plan) -> None:
        """Have Windows let in what a plan says and no more."""

    def exchange(self, matcher: EtwMatcher, wanted: Plan) -> None:
        """Run the links of another matcher from the next event on."""


class EtwRelink:
    """A change of links, from `relink` on; see `base.Relink`."""

    def __init__(self, source: Relinked, matcher: EtwMatcher, wanted: Plan) -> None:
        self._source = source
        self._matcher = matcher
        self._wanted = wanted
        self._before = source.plan

    def make(self, pause: Pause) -> None:
        """Exchange the links between two events."""
        pause(lambda: self._source.exchange(self._matcher, self._wanted))

    def finish(self, pause: Pause) -> None:  # noqa: ARG002  the protocol's
        """Let in no more than is needed now. Events that were on their way are filtered."""
        self._source.apply(self._wanted)

    def abandon(self) -> None:
        """Let in no more than before."""
        self._matcher.close()
        self._source.apply(self._before)
