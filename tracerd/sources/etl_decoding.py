"""Decode a recording: which events are wanted, the schemas that it needs, and the walk that makes text of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from uuid import UUID

from tracerd.errors import ConfigError
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_descriptions import read_descriptions
from tracerd.sources.etl_names import EtwMatch, guid_of_name, parse_etw, parse_etw_kernel
from tracerd.sources.etw_decoder import ColumnType, Decoded, EtwDecoder, Form, Rule, guid_of
from tracerd.sources.etw_matcher import CONTEXT_BYTES
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.etw_names import KERNEL_GROUPS, PROVIDERS
from tracerd.sources.schema.profiles import PROFILES, Want

_TURN_MS = 500
_NAME_BYTES = 126                # of a name that a provider gives itself, in the core
_EVERYTHING = "etl:recording.etl"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events are decoded: all of these must fit. Empty: every event."""

    providers: tuple[str, ...] = ()      # names or GUIDs, with ":EVENT" at will
    ids: tuple[int, ...] = ()
    profiles: tuple[str, ...] = ()
    pid: int | None = None
    limit: int | None = None


class EtlDecoding:
    """A recording with the schemas of the providers in it. Each walk begins at its start.

    Raises:
        SourceError, NotSupported: it cannot be read.
        ConfigError: a provider of the selection is not known, or a schema makes no sense.
    """

    def __init__(self, path: Path, catalog: Catalog, selection: Selection) -> None:
        self.path = path
        self.selection = selection
        self._schemas = EtwSchemas()
        self._decoder: EtwDecoder | None = None
        self.condition = ""                  # what is wrong with the recording, as far as the last walk came
        self.lost = 0                        # events that its recorder lost
        self.passed = 0                      # events that the last walk came by, wanted or not
        try:
            self._described = read_descriptions(path)
            catalog = catalog.with_described(self._described.providers)
            present = _Present(path)
            self.rules = _rules(selection, catalog, present)
            _add_schemas(self._schemas, catalog, _wanted_providers(self.rules) or present.all)
        except BaseException:
            self.close()
            raise

    def only_schema(self) -> list[ColumnType] | None:
        """Walk once without text; return the columns of the one schema that all wanted events have, or None."""
        for _ in self.pieces("look"):
            pass
        return self._decoder.only_schema() if self._decoder is not None else None

    def pieces(self, form: Form, *, columns: int = 0, digits: int = 7) -> Iterator[bytes]:
        """Walk, and yield the wanted events as text: pieces of whole lines."""
        if self._decoder is not None:
            self._decoder.close()
        self._decoder = decoder = EtwDecoder(
            self._schemas, form, rules=self.rules, pid=self.selection.pid, limit=self.selection.limit, columns=columns,
            digits=digits,
        )
        source = EtlSource(self.path)
        try:
            source.open([LinkRequest(_EVERYTHING, decoder.program, CONTEXT_BYTES)])
            while not decoder.full and source.pump(_TURN_MS) >= 0:
                if piece := decoder.take():
                    yield piece
            if piece := decoder.take():
                yield piece
        finally:
            self.condition, self.lost = source.condition(), source.facts().events_lost
            rows = source.statistics().values()
            self.passed = sum(row.delivered + row.filtered + row.failed for row in rows)
            source.close()

    def check_names(self) -> None:
        """Refuse names that turned out to mean nothing: nobody knows them, and no event's provider has them.

        Raises:
            ConfigError: no event passed, and a provider's name is not known.
        """
        if not self.counts().events:
            for rule in self.rules:
                if rule.own_name:
                    parse_etw(rule.own_name)

    def counts(self) -> Decoded:
        """Return what became of the events of the last walk."""
        return self._decoder.counts() if self._decoder is not None else Decoded(0, 0, {}, 0, 0)

    @property
    def refused_descriptions(self) -> int:
        """Descriptions of events in the recording that make no sense, or are too many."""
        return self._described.refused

    def close(self) -> None:
        """Release everything. May be called twice."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        self._schemas.close()


class _Present:
    """Which providers a recording has; it is read for that once, and only if somebody asks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def all(self) -> frozenset[UUID | int]:
        """The providers of events, and the groups of kernel events."""
        source = EtlSource(self._path)
        try:
            names = [name for name in source.count().by_provider if name != "other"]
        finally:
            source.close()
        return frozenset(guid_of(name) or int(name.removeprefix("hook="), 16) >> 8 for name in names)


def _wanted_providers(rules: Iterable[Rule]) -> set[UUID | int] | None:
    """Return the providers and groups that rules let pass; None if one of them lets any."""
    found: set[UUID | int] = set()
    for rule in rules:
        if rule.match.provider is None:
            return None
        found |= {each for each in (rule.match.provider, rule.match.group) if each is not None}
    return found or None


def _add_schemas(schemas: EtwSchemas, catalog: Catalog, present: Iterable[UUID | int]) -> None:
    for each in present:
        known = catalog.by_guid(each) if isinstance(each, UUID) else catalog.by_group(each)
        for provider in known:
            schemas.add(provider)
    for group in KERNEL_GROUPS:
        schemas.name(UUID(group.guid), group.name, group=group.group, is_class=True)
    for row in PROVIDERS:
        schemas.name(UUID(row.guid), row.name)
    for head in catalog.heads():
        schemas.name(head.guid, head.name, group=head.group, is_class=head.is_class)


def _rules(selection: Selection, catalog: Catalog, present: _Present) -> list[Rule]:
    """Return what a selection means: rules of which an event must fit one; none, if it needs to fit none."""
    rules = [_rule(want) for profile in selection.profiles for want in PROFILES[profile]]
    if selection.providers:
        named = [_wanted(name, catalog, present) for name in selection.providers]
        rules = [each for wanted in named for each in _narrowed(rules or [Rule(EtwMatch())], wanted)]
        if not rules:
            raise ConfigError("--provider", f"none of these is in the profile {' or '.join(selection.profiles)}")
    if selection.ids:
        numbered = [(rule, number) for rule in rules or [Rule(EtwMatch())] for number in selection.ids]
        rules = [replace(rule, match=replace(rule.match, event=number)) for rule, number in numbered]
    return rules


def _rule(want: Want) -> Rule:
    if want.kernel:
        return Rule(parse_etw_kernel(want.name))
    match = EtwMatch(UUID(want.guid)) if want.guid else parse_etw(want.name)
    return Rule(match, any_keyword=want.keyword, level=want.level)


def _narrowed(rules: Iterable[Rule], wanted: Rule) -> Iterator[Rule]:
    """Yield the rules that let events of a provider pass, for that provider only."""
    for rule in rules:
        if rule.match in (EtwMatch(), EtwMatch(wanted.match.provider, wanted.match.group)):
            yield replace(rule, match=wanted.match, own_name=wanted.own_name)


def _wanted(name: str, catalog: Catalog, present: _Present) -> Rule:
    """Return what a provider's name means.

    One that nobody knows may be the name of which a GUID here was made, or what a provider calls itself in its events:
    those have no numbers that a name could stand for.
    """
    plain, _, event = name.partition(":")
    for provider in (*catalog.added, *catalog.described):
        if plain.lower().strip("{}") in (provider.name.lower(), str(provider.guid)):
            numbers = {name.lower(): number for name, number in provider.numbers().items()}
            number = int(event) if event.isdecimal() else numbers.get(event.lower())
            if event and number is None:
                raise ConfigError(name, f"{provider.name} has no event of that name")
            return Rule(EtwMatch(provider.guid, provider.group, number))
    try:
        return Rule(parse_etw(name))
    except ConfigError:
        if guid_of_name(plain) in present.all:
            return Rule(parse_etw(f"{guid_of_name(plain)}:{event}"))
        if event and not _is_known(plain):
            why = f"no provider {plain!r} is known; one that is named by its own events is chosen without ':{event}'"
            raise ConfigError(name, why) from None
        if event or not 0 < len(plain.encode()) <= _NAME_BYTES:
            raise
    return Rule(EtwMatch(), own_name=plain)


def _is_known(provider: str) -> bool:
    try:
        parse_etw(provider)
    except ConfigError:
        return False
    return True
