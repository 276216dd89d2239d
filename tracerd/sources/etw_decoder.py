"""Decode the events of a source: a consumer in the core, linked like a program, that writes each event as text.

Nothing here runs per event: what the core wrote is taken in pieces of whole lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.sources.etl_names import EtwMatch
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.types import TYPES

Form = Literal["json", "csv", "columns", "look"]
_FORMS: Mapping[Form, int] = {
    "json": lib.TR_ETW_FORM_JSON, "csv": lib.TR_ETW_FORM_CSV, "columns": lib.TR_ETW_FORM_COLUMNS,
    "look": lib.TR_ETW_FORM_LOOK,
}

COLUMNS = (
    "time", "provider", "guid", "event", "id", "version", "opcode", "level", "task", "keyword", "pid", "tid", "cpu",
    "hook", "activity",
)
"""The first columns of a row, before `fields` (JSON) or a column for each field."""

LAST_COLUMNS = ("reason", "payload")

REASONS: Mapping[int, str] = {
    lib.TR_ETW_UNKNOWN_PROVIDER: "no schema for the provider",
    lib.TR_ETW_UNKNOWN_EVENT: "no schema for the id",
    lib.TR_ETW_UNKNOWN_VERSION: "no schema for the version",
    lib.TR_ETW_SHORT: "payload shorter than its schema",
    lib.TR_ETW_LEFT: "bytes left over",
    lib.TR_ETW_BAD_SCHEMA: "described by itself senselessly",
    lib.TR_ETW_TOO_LARGE: "too many values or too much text",
    lib.TR_ETW_WPP: "a WPP message",
}
"""Why a payload is not, or not wholly, decoded."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events pass. Keyword and level as EnableTraceEx2 has them: an event that has none passes."""

    match: EtwMatch
    own_name: str = ""           # of a provider that is known by no other
    any_keyword: int = 0         # 0: all
    all_keywords: int = 0
    level: int = 0               # 0: all


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of the events that passed. decoded + the unknown = all of them."""

    decoded: int
    self_described: int          # of the decoded: by a description of their own (TraceLogging)
    unknown: Mapping[str, int]   # by reason
    filtered: int
    lost: int                    # no memory for their text

    @property
    def events(self) -> int:
        """Events that passed and were written."""
        return self.decoded + sum(self.unknown.values())


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A field as a column: its name and the word of its type; arrays and structs are "json"."""

    name: str
    type: str


class EtwDecoder:
    """Links one program that decodes. Use it as a source's link, pump the source, take the text between pumps."""

    def __init__(
        self,
        schemas: EtwSchemas,
        form: Form,
        *,
        rules: Iterable[Rule] = (),
        pid: int | None = None,
        limit: int | None = None,
        columns: int = 0,
        digits: int = 7,
    ) -> None:
        """`columns` is how many fields have one in the form "columns"; `digits` those of their times' fractions."""
        self._schemas = schemas                  # which the core refers to
        self.program: Any = lib.tr_program_new()
        self._native: Any = lib.tr_etw_decoder_new(schemas.native, _FORMS[form], digits)
        if ffi.NULL in (self.program, self._native):
            self.close()
            raise RunError("events", "no memory to decode them")
        lib.tr_etw_decoder_link(self._native, self.program)
        lib.tr_etw_decoder_columns(self._native, columns)
        for rule in rules:
            if lib.tr_etw_decoder_add_rule(self._native, _native_rule(rule)) < 0:
                raise RunError("events", "too many providers or ids to look for")
        if pid is not None:
            lib.tr_etw_decoder_only_pid(self._native, pid)
        if limit is not None:
            lib.tr_etw_decoder_limit(self._native, limit)

    def take(self) -> bytes:
        """Take what was written since the last time: whole lines."""
        size: Any = ffi.new("uint64_t *")
        text = lib.tr_etw_decoder_text(self._native, size)
        taken = bytes(ffi.buffer(text, size[0])) if size[0] else b""
        lib.tr_etw_decoder_clear(self._native)
        return taken

    @property
    def full(self) -> bool:
        """Whether as many events as wanted have passed."""
        return bool(lib.tr_etw_decoder_full(self._native))

    def counts(self) -> Decoded:
        """Return what became of the events so far."""
        raw: Any = ffi.new("struct tr_etw_decoded *")
        lib.tr_etw_decoder_counts(self._native, raw)
        unknown = {reason: int(raw.outcomes[number]) for number, reason in REASONS.items() if raw.outcomes[number]}
        return Decoded(raw.outcomes[lib.TR_ETW_DECODED], raw.self_described, unknown, raw.filtered, raw.lost)

    def only_schema(self) -> list[ColumnType] | None:
        """Return the columns of the one schema that all events so far had; None if there was none, or several."""
        layout: Any = ffi.new("struct tr_etw_layout *")
        if lib.tr_etw_decoder_only_schema(self._native, layout) < 0:
            return None
        columns, at = [], 0
        while at < layout.field_count:
            field = layout.fields[at]
            name = bytes(ffi.buffer(layout.texts + field.name, field.name_bytes)).decode("utf-8", "replace")
            columns.append(ColumnType(f"{name}#{field.same + 1}" if field.same else name, _type_of(field)))
            at += 1 + field.members
        return columns

    def close(self) -> None:
        """Release it. May be called twice."""
        if self._native not in (None, ffi.NULL):
            lib.tr_etw_decoder_free(self._native)
        if self.program not in (None, ffi.NULL):
            lib.tr_program_free(self.program)
        self._native = self.program = None


def _type_of(field: Any) -> str:
    """Return the word for a prepared field's type, as a column has it."""
    if field.type == lib.TR_ETW_STRUCT or (field.count_kind != lib.TR_ETW_ONE and field.show != lib.TR_ETW_CHAR):
        return "json"
    if field.show == lib.TR_ETW_TIME:
        return "filetime"
    if field.show == lib.TR_ETW_BOOL:
        return "bool32"
    if field.type == lib.TR_ETW_POINTER:
        return "ptr"
    same = (word for word, kind in TYPES.items() if (kind.native, kind.show) == (field.type, field.show))
    return next(same, "x64" if field.show == lib.TR_ETW_HEX else "bytes")


def _native_rule(rule: Rule) -> Any:
    native: Any = ffi.new("struct tr_etw_rule *")
    native.any_keyword, native.all_keywords, native.level = rule.any_keyword, rule.all_keywords, rule.level
    if rule.match.provider is not None:
        native.provider = rule.match.provider.bytes_le
        native.wants |= lib.TR_ETW_WANT_PROVIDER
    if rule.own_name:
        name = rule.own_name.encode()
        native.name, native.name_bytes = name, len(name)
        native.wants |= lib.TR_ETW_WANT_NAME
    if rule.match.group is not None:
        native.group = rule.match.group
        native.wants |= lib.TR_ETW_WANT_GROUP
    if rule.match.event is not None:
        native.event = rule.match.event
        native.wants |= lib.TR_ETW_WANT_EVENT
    return native


def guid_of(provider: str) -> UUID | None:
    """Return the GUID in a key of `EventCounts.by_provider`; None for a kernel hook."""
    try:
        return UUID(provider)
    except ValueError:
        return None
