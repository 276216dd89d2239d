"""A provider's events as C: their numbers, their fields, and structs of what lies at fixed places. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracerd.errors import ConfigError
from tracerd.sources.schema.c_names import event_prefixes, field_macro, field_number, identifier, provider_prefix
from tracerd.sources.schema.model import Event, Field, Provider, flat

_MEMBERS = {
    "i8": "s8", "u8": "u8", "x8": "u8", "bool8": "u8", "char8": "u8", "i16": "s16", "u16": "u16", "x16": "u16",
    "char16": "u16", "port": "u16", "i32": "s32", "u32": "u32", "x32": "u32", "bool32": "u32", "ipv4": "u32",
    "f32": "u32", "i64": "s64", "u64": "u64", "x64": "u64", "f64": "u64", "filetime": "u64", "ptr": "u64",
    "size": "u64",
}
_ARRAYS = {"guid": 16, "systemtime": 16, "ipv6": 16}
_POINTERS = ("ptr", "size")
_NOTES = {"port": "big endian", "ipv4": "network order", "f32": "a float's bits", "f64": "a double's bits"}
_MOST_LABELS = 256
_WIDTH = 118


def c_header(provider: Provider, made_by: str) -> str:
    """Return the header of a provider, or of a kernel class.

    Fields have one number in all versions of an event. A struct is made for each version that begins with fields which
    lie at fixed places, with pointers of 64 bits; its function returns it only if the event is of that version and has
    all of it, which the verifier sees.

    Raises:
        ConfigError: two fields of an event have one number.
    """
    prefix = provider_prefix(provider)
    guard = f"TRACERD_ETW_{prefix}_H"
    lines = [
        f"/* {_comment(provider.name)} {{{provider.guid}}}. Made by: {_comment(made_by)}",
        *(f" * {_comment(source)}" for source in provider.sources),
        " */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        '#include "tracerd_etw.h"',
        "",
        f"#define {prefix}_GUID {{ {', '.join(f'0x{byte:02x}' for byte in provider.guid.bytes_le)} }}",
        *_keywords(provider, prefix),
        *_maps(provider, prefix),
    ]
    for number, name in event_prefixes(provider).items():
        lines += ["", *_event(provider, number, name)]
    return "\n".join([*lines, "", "#endif", ""])


def _keywords(provider: Provider, prefix: str) -> Iterator[str]:
    for name, mask in provider.keywords.items():
        short = identifier(name.removeprefix("WINEVENT_KEYWORD_")).upper()
        yield f"#define {prefix}_KEYWORD_{short.removesuffix('_KEYWORD').lstrip('_')} 0x{mask:x}ull"


def _maps(provider: Provider, prefix: str) -> Iterator[str]:
    used = {each.map for event in provider.events.values() for each in flat(event.fields) if each.map}
    for name, values in provider.maps.items():
        if name not in used or len(values.values) > _MOST_LABELS:
            continue
        begin = f"{prefix}_{identifier(name).upper()}"
        taken: set[str] = set()
        yield ""
        for value, label in values.values.items():
            macro = f"{begin}_{identifier(label).upper().lstrip('_')}"
            if macro not in taken:
                taken.add(macro)
                yield f"#define {macro} 0x{value & 0xFFFFFFFF:x}u"


def _event(provider: Provider, number: int, name: str) -> Iterator[str]:
    versions = provider.versions(number)
    events = [provider.events[number, version] for version in versions]
    kind = "opcode" if provider.is_class else "event"
    yield f"/* {_comment(events[-1].name)}: {kind} {number}, version{'s' * (len(versions) > 1)} {_list(versions)} */"
    yield f"#define {name} {number}"
    yield from _fields(name, events)
    for event in events:
        yield from _struct(provider, name, event)


def _fields(name: str, events: Iterable[Event]) -> Iterator[str]:
    """Yield one number for each name, with its types by version where they differ."""
    types: dict[str, dict[str, list[int]]] = {}
    for event in events:
        for each in _with_places(event.fields):
            of = types.setdefault(each.name, {}).setdefault(each.declared, [])
            if event.version not in of:
                of.append(event.version)
    all_versions = {event.version for event in events}
    numbers: dict[int, str] = {}
    macros: set[str] = set()
    for field, declared in types.items():
        number = field_number(field)
        if numbers.setdefault(number, field) != field:
            both = f"{numbers[number]!r} and {field!r}"
            raise ConfigError(name, f"its fields {both} have one number: no header can be made")
        macro = field_macro(name, field)
        while macro in macros:               # "a b" and "a-b" are one in C
            macro += "_"
        macros.add(macro)
        said = "; ".join(
            of if set(versions) == all_versions else f"{of} ({_list(versions)})" for of, versions in declared.items()
        )
        yield f"#define {macro} 0x{number:08x}u\t/* {_comment(said)} */"


def _with_places(fields: Iterable[Field]) -> Iterator[Field]:
    """Yield the fields that programs can ask for: what is in a repeated struct has no place of its own."""
    for each in fields:
        if each.type != "struct":
            yield each
        elif each.count is None:
            yield from _with_places(each.members)


def _struct(provider: Provider, name: str, event: Event) -> Iterator[str]:
    prefix, rest = _fixed_prefix(event.fields)
    if not prefix:
        return
    struct = f"{name.lower()}_v{event.version}"
    number = "opcode" if provider.is_class else "id"
    yield ""
    yield f"struct {struct} {{"
    yield from _members(prefix)
    yield "} __attribute__((packed));" + (f"\t/* then {_comment(_shorten(rest))} */" if rest else "")
    wide = " && ctx->pointer_size == 8" if any(each.type in _POINTERS for each in prefix) else ""
    yield f"ETW_VIEW({struct}, ctx->{number} == {name} && ctx->version == {event.version}{wide})"


def _members(fields: Iterable[Field]) -> Iterator[str]:
    taken: set[str] = set()
    for each in fields:
        name = identifier(each.name)
        while name in taken:
            name += "_"
        taken.add(name)
        size, count = _array_bytes(each), each.count if isinstance(each.count, int) else 1
        note = f"\t/* {_NOTES[each.type]} */" if each.type in _NOTES else ""
        if size is not None:
            yield f"\tu8 {name}[{size * count}];{note}"
        else:
            yield f"\t{_MEMBERS[each.type]} {name}{f'[{count}]' if each.count is not None else ''};{note}"


def _array_bytes(field: Field) -> int | None:
    """Return the bytes of one value that is no number; None if it is one."""
    if field.type in _ARRAYS:
        return _ARRAYS[field.type]
    if isinstance(field.length, int):
        return field.length * (2 if field.type == "utf16" else 1)
    return None


def _fixed_prefix(fields: tuple[Field, ...]) -> tuple[list[Field], list[Field]]:
    """Split fields into those which lie at fixed places and have a size that is always the same, and the rest."""
    for at, each in enumerate(fields):
        sized = each.type in _MEMBERS or (_array_bytes(each) or 0) > 0
        counted = each.count is None or (isinstance(each.count, int) and each.count > 0)
        if not sized or not counted or each.type == "struct":
            return list(fields[:at]), list(fields[at:])
    return list(fields), []


def _shorten(fields: Iterable[Field]) -> str:
    text = " ".join(map(str, fields))
    return text if len(text) <= _WIDTH - 40 else text[: _WIDTH - 41] + "…"


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _comment(text: str) -> str:
    """Return a text that ends no comment and stays in its line."""
    return "".join(each if each.isprintable() else "?" for each in text).replace("*/", "* /").replace("/*", "/ *")
