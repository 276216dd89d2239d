"""Attach names of providers that tracerd does not ship: Windows knows those that are registered on it."""

from __future__ import annotations

from tracerd.errors import ConfigError
from tracerd.sources.etl_names import EtwMatch, parse_name
from tracerd.sources.etw.api import Api
from tracerd.sources.etw.tdh import Tdh


class Registered:
    """What attach names mean on this machine. Windows is asked only for names that nobody else knows."""

    def __init__(self, api: Api) -> None:
        self._tdh = Tdh(api)
        self._known: dict[str, EtwMatch] = {}

    def parse(self, event: str) -> EtwMatch:
        """Return what an attach name means; see `etl_names.parse_name`.

        Raises:
            ConfigError: neither tracerd nor Windows knows the provider or the event.
        """
        try:
            return parse_name(event)
        except ConfigError:
            if not event.startswith("etw:"):
                raise
            if event not in self._known:
                found = self._ask(event)
                if found is None:
                    raise
                self._known[event] = found
            return self._known[event]

    def _ask(self, event: str) -> EtwMatch | None:
        name, _, wanted = event.removeprefix("etw:").partition(":")
        try:
            registered, guid = self._tdh.find(name)
        except ConfigError:
            return None
        if not wanted:
            return EtwMatch(guid)
        if wanted.isascii() and wanted.isdigit() and int(wanted) <= 0xFFFF:
            return EtwMatch(guid, None, int(wanted))
        for known in self._tdh.dump(registered, guid).document["providers"][0]["events"]:
            if known["name"].lower() == wanted.lower():
                return EtwMatch(guid, None, known["id"])
        raise ConfigError(event, f"{registered} has no event {wanted!r}; see them: tracerd etw schema {registered}")
