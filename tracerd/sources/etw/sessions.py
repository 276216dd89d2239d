"""The sessions of one source: one for providers, one for kernel groups, each there while something needs it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from tracerd.errors import TracerdError
from tracerd.sources.etw.api import Api
from tracerd.sources.etw.buffers import Buffers, Losses
from tracerd.sources.etw.names import Slots, session_name
from tracerd.sources.etw.plan import Enable, Plan
from tracerd.sources.etw.session import Reader, Session


class Sessions:
    """What a source has of Windows now. `apply` makes it what a plan says; one thread at a time."""

    def __init__(self, api: Api, buffers: Buffers, reader: Reader) -> None:
        """Claim names and stop what killed processes left.

        Raises:
            NotPermitted, SourceError: no name is free, or a session that is left over cannot be stopped.
        """
        self._slots = Slots(api)
        self._providers = Session(api, session_name(self._slots.slot), buffers, reader)
        self._kernel = Session(api, session_name(self._slots.slot, kernel=True), buffers, reader, kernel=True)
        self._enabled: dict[UUID, Enable] = {}
        self._flags = 0
        self._past: dict[str, Losses] = {}
        self._seen: set[str] = set()
        try:
            for slot in self._slots.free:
                for kernel in (False, True):
                    Session(api, session_name(slot, kernel=kernel), buffers, reader, kernel=kernel).stop_stale()
            for session in self._both:
                session.stop_stale()
        except BaseException:
            self._slots.release()
            raise

    def apply(self, plan: Plan) -> None:
        """Have what a plan says and no more.

        Raises:
            NotPermitted, SourceError: Windows refuses part of it. What was changed before stays so: apply another plan.
        """
        self._apply_flags(plan.flags)
        if plan.providers:
            self._start(self._providers)
        for guid, wanted in plan.providers.items():
            if self._enabled.get(guid) != wanted:
                self._providers.enable(wanted)
                self._enabled[guid] = wanted
        for guid in [guid for guid in self._enabled if guid not in plan.providers]:
            gone = self._enabled.pop(guid)
            if plan.providers:
                self._providers.disable(gone)
        if not plan.providers:
            self._providers.stop()

    def poll(self) -> None:
        """Ask Windows what was lost.

        Raises:
            SourceError: a session gives no events any more.
        """
        for session in self._both:
            if session.running:
                session.poll()

    def losses(self) -> Mapping[str, Losses]:
        """Return what each session has lost so far, by its name; those that were never started are left out."""
        return {
            session.name: self._past.get(session.name, Losses()) + session.losses
            for session in self._both if session.name in self._seen
        }

    def unknown(self) -> Mapping[str, str]:
        """Return why Windows does not say what a session lost, by its name; where it does, nothing."""
        return {session.name: session.unknown for session in self._both if session.unknown}

    @property
    def buffer_count(self) -> int:
        """Buffers of all sessions together, as Windows last said."""
        return sum(session.buffer_count for session in self._both if session.running)

    @property
    def stuck(self) -> bool:
        """Whether a thread may still call back: what it uses must not be freed."""
        return any(session.stuck for session in self._both)

    def stop(self) -> None:
        """Stop all, whatever one of them meets, and deliver what is in their buffers. May be called twice.

        Raises:
            NotPermitted, SourceError: the first that one of them met.
        """
        errors: list[TracerdError] = []
        for session in self._both:
            try:
                session.stop()
            except TracerdError as error:
                errors.append(error)
        self._enabled.clear()
        self._flags = 0
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Give the names back. May be called twice; stop first."""
        self._slots.release()

    @property
    def _both(self) -> tuple[Session, Session]:
        return self._providers, self._kernel

    def _apply_flags(self, flags: int) -> None:
        if not flags:
            self._kernel.stop()
        elif not self._kernel.running:
            self._start(self._kernel, flags)
        elif flags != self._flags:
            self._kernel.set_flags(flags)
        self._flags = flags

    def _start(self, session: Session, flags: int = 0) -> None:
        if session.running:
            return
        self._past[session.name] = self._past.get(session.name, Losses()) + session.losses
        session.losses = Losses()
        session.start(flags)
        self._seen.add(session.name)
