"""What the template of a probe for an ETW event is filled in with: its names, its header, the field that is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tracerd.cli.etw_header import chosen_events, find_provider
from tracerd.errors import ConfigError
from tracerd.sources.etl_names import EtwMatch, parse_name
from tracerd.sources.schema.c_header import c_header
from tracerd.sources.schema.c_names import event_prefixes, field_macro, provider_prefix
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.etw_names import KERNEL_GROUPS
from tracerd.sources.schema.model import Event, Provider

MOST = 8
"""Events that are told of a provider when none was named."""

_TEXTS = ("utf16z", "utf16n", "utf16", "ansiz", "ansin", "ansi", "sid", "wbemsid", "guid")
_NUMBERS = (
    "u32", "u64", "i32", "i64", "u16", "i16", "u8", "i8", "port", "size", "bool32", "bool8", "char16", "char8",
    "x32", "x64", "x16", "x8", "filetime", "ptr",
)  # fmt: skip
"""Types of the field that is shown, the most telling first."""


@dataclass(frozen=True, slots=True)
class EtwTemplate:
    """The header that goes with a probe, and what stands for the template's placeholders."""

    header: str                  # its file's name
    text: str
    places: dict[str, str]


def etw_template(catalog: Catalog, what: str) -> EtwTemplate:
    """Return what a probe for PROVIDER:EVENT is filled in with.

    Raises:
        ConfigError: no schema is known of it, or no event was named.
    """
    name, _, wanted = what.removeprefix("etw:").removeprefix("etw-kernel:").partition(":")
    provider = find_provider(catalog, name)
    if not wanted:
        names = sorted(provider.numbers())
        more = f" … (tracerd list 'etw:{provider.name}')" if names[MOST:] else ""
        raise ConfigError(f"--etw {what}", f"say which event, {provider.name}:EVENT: {', '.join(names[:MOST])}{more}")
    provider = replace(provider, events=chosen_events(provider, (wanted,)))
    event = provider.events[max(provider.events, key=lambda key: key[1])]
    header, source = f"{provider_prefix(provider).lower()}.h", _source(provider, event)
    member, read, column = _shown(event, event_prefixes(provider)[event.number])
    return EtwTemplate(header, c_header(provider, f"tracerd etw header {provider.name} --event {event.name}"), {
        "@PROVIDER@": _plain(provider.name), "@EVENT@": _plain(event.name), "@HEADER@": header,
        "@SOURCE@": source, "@SECTION@": source.replace(":", "/"),
        "@MEMBER@": member, "@READ@": read, "@COLUMN@": column,
    })  # fmt: skip


def _source(provider: Provider, event: Event) -> str:
    """Return the event's attach name: by names where they are known without a manifest, else by GUID and number."""
    kind = "etw-kernel" if any(row.guid == str(provider.guid) for row in KERNEL_GROUPS) else "etw"
    named = f"{kind}:{provider.name}:{event.name}"
    try:
        match = parse_name(named)
    except ConfigError:
        match = EtwMatch()
    by_name = (match.provider, match.event) == (provider.guid, event.number)
    return named if by_name else f"etw:{provider.guid}:{event.number}"


def _shown(event: Event, prefix: str) -> tuple[str, str, str]:
    """Return the member, the statement and the column of the field that says most: a text, else a number."""
    for kind in (*_TEXTS, *_NUMBERS):
        for field in event.fields:
            if field.type != kind or field.count is not None:
                continue
            macro, note = field_macro(prefix, field.name), _plain(field.name)
            if kind in _TEXTS:
                read = f"ev_field_text(ctx, {macro}, seen->said, sizeof(seen->said));"
                return f"char said[128];\t\t\t/* {note} */", read, _column("said")
            return f"u64 value;\t\t\t/* {note} */", f"seen->value = ev_field_u64(ctx, {macro});", _column("value")
    return "u64 bytes;\t\t\t/* of its payload */", "seen->bytes = ctx->data_end - ctx->data;", _column("bytes")


def _column(member: str) -> str:
    return f'{{ name = "{member}", from = "value.{member}" }},'


def _plain(text: str) -> str:
    """Return a name as it may stand in a comment, a section and a text of TOML."""
    return re.sub(r"[^\w. -]", "_", text)
