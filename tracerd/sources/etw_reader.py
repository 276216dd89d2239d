"""Fields for programs: what the helpers `etw_field_*` find in an event's payload, by schemas prepared once.

Nothing here runs per event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.sources.etl_names import EtwMatch
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.catalog import Catalog, load, shipped
from tracerd.sources.schema.model import Provider


class EtwReader:
    """The schemas of the events that are matched. `native` is the `struct tr_etw_reader *`."""

    def __init__(self, catalog: Catalog, matches: Iterable[EtwMatch]) -> None:
        self._schemas = EtwSchemas()
        self.native: Any = ffi.NULL
        try:
            for provider in _providers(catalog, matches):
                self._schemas.add(provider)
            self.native = lib.tr_etw_reader_new(self._schemas.native)
            if self.native == ffi.NULL:
                raise RunError("schemas", "no memory for them")
        except BaseException:
            self.close()
            raise

    def unread(self) -> str:
        """Say of how many events fields could not be read, and why; "" if of none."""
        counts: Any = ffi.new("struct tr_etw_reading *")
        lib.tr_etw_reader_counts(self.native, counts)
        reasons = ((counts.unknown, "without a schema"), (counts.cut, "shorter than their schema"))
        said = [f"{number:,} {reason}" for number, reason in reasons if number]
        return f"fields not read of events: {', '.join(said)}" if said else ""

    def close(self) -> None:
        """Release it. May be called twice."""
        if self.native != ffi.NULL:
            lib.tr_etw_reader_free(self.native)
            self.native = ffi.NULL
        self._schemas.close()


def _providers(catalog: Catalog, matches: Iterable[EtwMatch]) -> Iterator[Provider]:
    for match in matches:
        if match.provider is None and match.group is None:
            yield from catalog.added
            yield from (load(path) for path in shipped())
        if match.provider is not None:
            yield from catalog.by_guid(match.provider)
        if match.group is not None:
            yield from catalog.by_group(match.group)
