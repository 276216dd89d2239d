"""What attach names mean to a session: which providers to enable, with which level, keywords and event ids. Pure.

As little as the names need is let in: keywords and levels come from the shipped schemas of the events that are named,
or from a profile, and a filter by event id where all names of a provider name events. The matcher in the core sorts
what comes in any case; a wider session only costs more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tracerd.errors import NotSupported
from tracerd.sources.etl_names import EtwMatch, parse_name, provider_name
from tracerd.sources.etw.kernel_flags import EVENTS, GROUPS
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.etw_names import KERNEL_GROUPS
from tracerd.sources.schema.profiles import PROFILES, Want

ALL_LEVELS = 255
MOST_IDS = 64                    # MAX_EVENT_FILTER_EVENT_ID_COUNT
_CLASSES = {UUID(group.guid): group for group in KERNEL_GROUPS}


@dataclass(frozen=True, slots=True)
class Enable:
    """One provider as a session lets it in. `any_keyword` 0: all. `ids` empty: all events."""

    guid: UUID
    level: int
    any_keyword: int
    ids: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The provider's name, or its GUID."""
        return provider_name(self.guid) or str(self.guid)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a source needs of Windows: providers by GUID, and EnableFlags of a kernel session (0: none)."""

    providers: Mapping[UUID, Enable] = field(default_factory=dict)
    flags: int = 0


def plan(
    events: Iterable[str], profile: str | None = None, parse: Callable[[str], EtwMatch] = parse_name
) -> Plan:
    """Return what these attach names need.

    Raises:
        ConfigError: a name is not one of an ETW event.
        NotSupported: a kernel group that no flag of a session brings.
    """
    wants = _wants(profile)
    providers: dict[UUID, Enable] = {}
    flags = 0
    for event in events:
        match = parse(event)
        if match.provider in _CLASSES:
            flags |= _flags(event, _CLASSES[match.provider].name, match.event)
        elif match.provider is not None:
            needed = _enable(match.provider, match.event, wants)
            known = providers.get(match.provider)
            providers[match.provider] = union(known, needed) if known else needed
    return Plan({guid: _fitting(each) for guid, each in providers.items()}, flags)


def union(one: Enable, other: Enable) -> Enable:
    """Return what lets in the events of both."""
    keyword = one.any_keyword | other.any_keyword if one.any_keyword and other.any_keyword else 0
    ids = tuple(sorted({*one.ids, *other.ids})) if one.ids and other.ids else ()
    return _fitting(Enable(one.guid, max(one.level, other.level), keyword, ids))


def both(one: Plan, other: Plan) -> Plan:
    """Return a plan that has the events of both: for while links are exchanged."""
    providers = dict(one.providers)
    for guid, each in other.providers.items():
        providers[guid] = union(providers[guid], each) if guid in providers else each
    return Plan(providers, one.flags | other.flags)


def profile_names(profile: str) -> list[str]:
    """Return the attach names of a profile, for a live session."""
    return [
        f"etw-kernel:{want.name}" if want.kernel else f"etw:{want.guid or want.name}"
        for want in PROFILES[profile] if want.live
    ]


def _wants(profile: str | None) -> dict[UUID, Want]:
    named = [want for want in PROFILES[profile] if not want.kernel] if profile else []
    return {UUID(want.guid) if want.guid else _guid_of(want.name): want for want in named}


def _guid_of(name: str) -> UUID:
    guid = parse_name(f"etw:{name}").provider
    assert guid is not None, f"the profiles name {name!r}, which is none of ours"
    return guid


def _flags(event: str, group: str, opcode: int | None) -> int:
    if group not in GROUPS:
        raise NotSupported(f"live events of {event!r}", "stacks come with other kernel events, which name them")
    return EVENTS.get((group, opcode), GROUPS[group]) if opcode is not None else GROUPS[group]


def _enable(guid: UUID, event: int | None, wants: Mapping[UUID, Want]) -> Enable:
    if event is None:
        want = wants.get(guid)
        return Enable(guid, want.level or ALL_LEVELS, want.keyword) if want else Enable(guid, ALL_LEVELS, 0)
    known = [
        each for provider in Catalog().by_guid(guid) for (number, _), each in provider.events.items() if number == event
    ]
    levels, keywords = [each.level for each in known], [each.keyword for each in known]
    level = max((each for each in levels if each is not None), default=0)
    keyword = 0
    for each in keywords:
        keyword |= each or 0
    return Enable(
        guid,
        level if level and None not in levels else ALL_LEVELS,
        keyword if all(keywords) else 0,
        (event,),
    )


def _fitting(enable: Enable) -> Enable:
    """Windows takes so many ids and no more."""
    return enable if len(enable.ids) <= MOST_IDS else Enable(enable.guid, enable.level, enable.any_keyword)
