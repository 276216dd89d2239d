"""Names of ETW events with their programs, in the core: what every source of ETW events hands its events to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, ledger
from tracerd.sources.etl_names import EtwMatch, parse_name
from tracerd.sources.etw_reader import EtwReader
from tracerd.sources.schema.catalog import Catalog, shipped
from tracerd.sources.schema.etw_names import KERNEL_GROUPS

CONTEXT_BYTES = 96


class EtwMatcher:
    """Which programs run on which ETW event. `native` is the prepared `struct tr_etw_matcher *`."""

    def __init__(
        self,
        where: str,
        links: Iterable[LinkRequest],
        names: Iterable[str] = (),
        catalog: Catalog | None = None,
        parse: Callable[[str], EtwMatch] = parse_name,
    ) -> None:
        """Make the links; `where` names the recording or session in errors. `names` are looked for without a program,
        `parse` says what a name means.

        Programs that ask for fields find them by the schemas of `catalog`, or by those that are shipped.

        Raises:
            ConfigError: a name is not one of an ETW event.
            SourceError: too many links, or a program reads more than an event's context.
        """
        wanted = [(link, parse(link.event)) for link in links]
        unlinked = {name: parse(name) for name in names}
        self._where = where
        self._reader: EtwReader | None = None
        self.names: dict[str, int] = {}          # their numbers in the core
        self.native: Any = lib.tr_etw_matcher_new()
        if self.native == ffi.NULL:
            raise SourceError(where, "no memory for its names")
        try:
            self._make(wanted, unlinked)
            if any(link.fields for link, _ in wanted):
                self._reader = EtwReader(catalog or Catalog(), {match for link, match in wanted if link.fields})
                lib.tr_etw_set_reader(self.native, self._reader.native)
        except BaseException:
            self.close()
            raise

    def statistics(self) -> dict[str, Ledger]:
        """Return the ledger of each name."""
        raw: Any = ffi.new("struct tr_ledger *")
        ledgers = {}
        for name, number in self.names.items():
            lib.tr_etw_ledger(self.native, number, raw)
            ledgers[name] = ledger(raw)
        return ledgers

    @property
    def unmatched(self) -> int:
        """Events so far that no name wanted."""
        return int(lib.tr_etw_unmatched(self.native))

    def unread(self) -> str:
        """Say of how many events programs could not read fields that they asked for, and why; "" if of none."""
        return self._reader.unread() if self._reader is not None else ""

    def close(self) -> None:
        """Release it. May be called twice."""
        if self.native is not None:
            lib.tr_etw_matcher_free(self.native)
            self.native = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _make(self, wanted: Iterable[tuple[LinkRequest, EtwMatch]], unlinked: Mapping[str, EtwMatch]) -> None:
        for number, guid in _groups().items():
            lib.tr_etw_add_group(self.native, number, guid.bytes_le)
        for link, match in wanted:
            self._link(link, match)
        for name, match in unlinked.items():
            self._number(name, match)
        if lib.tr_etw_prepare(self.native) < 0:
            raise SourceError(self._where, "no memory for its names")

    def _link(self, link: LinkRequest, match: EtwMatch) -> None:
        if link.need > CONTEXT_BYTES:
            raise SourceError(link.event, f"its program reads {link.need} context bytes, an event has {CONTEXT_BYTES}")
        if lib.tr_etw_add_link(self.native, link.program, self._number(link.event, match), link.need) < 0:
            raise SourceError(self._where, "too many links")

    def _number(self, name: str, match: EtwMatch) -> int:
        if name not in self.names:
            number = int(lib.tr_etw_add_match(self.native, _native_match(match)))
            if number < 0:
                raise SourceError(self._where, "too many names")
            self.names[name] = number
        return self.names[name]


def _groups() -> dict[int, UUID]:
    """Return the class of every kernel group: of our table, and of the shipped schemas."""
    described = {head.group: head.guid for head in shipped().values() if head.group is not None}
    return {**described, **{group.group: UUID(group.guid) for group in KERNEL_GROUPS}}


def _native_match(match: EtwMatch) -> Any:
    native: Any = ffi.new("struct tr_etw_match *")
    if match.provider is not None:
        native.provider = match.provider.bytes_le
        native.wants |= lib.TR_ETW_WANT_PROVIDER
    if match.group is not None:
        native.group = match.group
        native.wants |= lib.TR_ETW_WANT_GROUP
    if match.event is not None:
        native.event = match.event
        native.wants |= lib.TR_ETW_WANT_EVENT
    return native
